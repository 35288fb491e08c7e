"""All boxes that a net gives before its DetectionOutput chooses of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.structures import Detections
from ssd_data.engines import Array, Engine
from ssd_data.engines.torch import require_torch
from ssd_data.nets.geometry import Size
from ssd_data.nets.graph import Graph
from ssd_data.nets.postprocess import activate, decode
from ssd_data.nets.prepare import PreparedNet, ending, prepare
from ssd_data.nets.preprocessing import Preprocessing


class Candidates:
    """A prepared net by the embedded engine, up to its locations and confidences, and what they
    mean."""

    def __init__(self, net: PreparedNet) -> None:
        self.net = net

    def heads(self, batch: Array) -> dict[str, Array]:
        """Locations and confidences, and boxes and scores of them: (batch, N, 4 or classes).

        Where each class has its own boxes they are (batch, N, classes, 4).
        """
        net, settings = self.net, self.net.settings()
        each = (4,) if settings["share_location"] else (settings["num_classes"], 4)
        spread = (slice(None), None) if len(each) == 2 else (slice(None),)
        values = self._engine.forward(batch)
        locations = values[net.head.locations].reshape(len(batch), -1, *each)
        confidences = values[net.head.confidences].reshape(len(batch), -1, settings["num_classes"])
        boxes = decode(
            locations, net.boxes[spread], net.variances[spread], settings["code_type"],
            settings["variance_encoded_in_target"],
        )  # fmt: skip
        return {
            "locations": locations,
            "confidences": confidences,
            "boxes": boxes,
            "scores": activate(confidences, settings["activation"], settings["num_classes"]),
        }

    def boxes(self, picture: Array) -> Detections:
        """Of a picture (1, channels, height, width) those of every class but the background that
        score above the net's threshold."""
        values, settings = self.heads(picture), self.net.settings()
        (scores,), (boxes,) = values["scores"], values["boxes"]
        above = scores > settings["confidence_threshold"]
        above[:, [settings["background_label_id"]] * (settings["background_label_id"] >= 0)] = False
        prior, label = np.nonzero(above)
        chosen = boxes[prior] if boxes.ndim == 2 else boxes[prior, label]
        return Detections(label.astype(np.int32), scores[prior, label], chosen)

    @cached_property
    def _engine(self) -> Engine:
        require_torch()
        from ssd_data.engines.torch.compiled import compile_net

        net = self.net
        return compile_net(ending(net.merged, net.head), str(net.weights))


class CandidatesOf:
    """The same of a net that is prepared once it is asked for."""

    def __init__(self, deploy: Path | Graph, weights: Path, sizes: Mapping[str, Size]) -> None:
        self.deploy, self.weights, self.sizes = deploy, weights, sizes

    def __call__(self, picture: Array) -> Detections | None:
        """See :meth:`Candidates.boxes`; None of a net that cannot be taken apart, for a picture of
        another size than its own, and without PyTorch."""
        found = self._found
        if found is None or found.net.shape[1:] != picture.shape[1:]:
            return None
        return found.boxes(picture)

    @cached_property
    def _found(self) -> Candidates | None:
        try:
            require_torch()
            return Candidates(
                prepare(self.deploy, self.weights, Preprocessing((0.0,)), None, self.sizes)
            )
        except (InputError, UsageError):
            return None
