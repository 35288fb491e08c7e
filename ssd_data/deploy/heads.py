"""What nets end with that are no Caffe nets: their outputs, and what is left to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssd_data.deploy.extras_files import load_postprocess
from ssd_data.deploy.proof import WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array
from ssd_data.nets.prepare import PreparedNet

if TYPE_CHECKING:
    from ssd_data.nets.onnx.maps import MapsOfHeads


def head_outputs_table(
    net: PreparedNet, head: str, batch: int | str, most: int | str = "most"
) -> dict[str, dict[str, Any]]:
    """The outputs of a net by name, as ``preprocess.json`` has them.

    Args:
        head: "raw", "decoded" or "nms".
        batch: how many pictures at a time. most: how many detections of each.
    """
    count, settings = len(net.boxes), net.head.settings
    classes = settings["num_classes"]
    each = (4,) if settings["share_location"] else (classes, 4)
    if head == "raw":
        return {
            "locations": {
                "shape": [batch, count, *each],
                "holds": f"by {settings['code_type']}, to be decoded with priors and variances",
            },
            "confidences": {
                "shape": [batch, count, classes],
                "holds": f"activation left to do: {net.head.activation}",
            },
        }
    if head == "decoded":
        return {
            "boxes": {"shape": [batch, count, *each], "holds": "decoded"},
            "scores": {"shape": [batch, count, classes], "holds": "of each class"},
        }
    holds = "label, score, xmin, ymin, xmax, ymax by falling score; the rest has label -1"
    return {"detections": {"shape": [batch, most, 6], "holds": holds}}


def one_picture(net: PreparedNet) -> dict[str, Any]:
    """What the input is where a net takes one picture, and the prototxt says more."""
    return {} if net.shape[0] == 1 else {"shape": [1, *net.shape[1:]]}


def left_to_do(net: PreparedNet, head: str) -> dict[str, Any] | None:
    """What ``postprocess.py`` has to know behind a head; None where nothing is left to do."""
    if head == "nms":
        return None
    if head == "raw":
        return net.settings()
    return {**net.head.settings, "activation": "none", "code_type": "DECODED"}


def detection_rows(detections: Array) -> Array:
    """(batch, most, 6) as DetectionOutput's rows (N, 7)."""
    picture, place = np.nonzero(detections[..., 0] >= 0)
    found = detections[picture, place]
    return np.concatenate([picture[:, None], found], 1).astype(np.float32)


def written_engine(
    written: WrittenNet, name: str, folder: Path, run: Callable[[Array], list[Array]]
) -> WrittenEngine:
    """The files that were written, as an engine.

    Args:
        folder: holds what follows the net.
        run: pictures to the outputs, in the order of ``written.outputs``.
    """
    if written.detection is None:
        return WrittenEngine(written.net, name, lambda batch: detection_rows(run(batch)[0]))
    after = load_postprocess(folder)

    def values(batch: Array) -> dict[str, Array]:
        return dict(zip(written.outputs, run(batch), strict=True))

    return WrittenEngine(written.net, name, lambda batch: after(*run(batch)), values)


def map_outputs_table(maps: MapsOfHeads) -> dict[str, dict[str, Any]]:
    """The outputs of a net that ends map by map, as ``preprocess.json`` has them."""
    found: dict[str, dict[str, Any]] = {}
    for head, names in maps.heads.items():
        for name in names:
            told = f"{head} of one map, channels first" if name != head else head
            before = f"{found[name]['holds']}; " if name in found else ""
            found[name] = {"shape": list(maps.shapes[name]), "holds": before + told}
    return {name: found[name] for name in maps.shapes}


def mapped_engine(
    written: WrittenNet, name: str, folder: Path, run: Callable[[Array], list[Array]]
) -> WrittenEngine:
    """A net that ends map by map, as an engine.

    Args:
        folder: holds what follows the net, which joins them.
        run: a picture to the outputs, in the order of ``written.outputs``.
    """
    after: Any = load_postprocess(folder)

    def heads(batch: Array) -> list[tuple[Array, Array]]:
        return [after.joined(run(batch[i : i + 1])) for i in range(len(batch))]

    def values(batch: Array) -> dict[str, Array]:
        names = ("locations", "confidences")
        return {
            n: np.concatenate(v)
            for n, v in zip(names, zip(*heads(batch), strict=True), strict=True)
        }

    return WrittenEngine(written.net, name, lambda batch: after(*values(batch).values()), values)
