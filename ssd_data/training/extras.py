"""The extras at work in a solver: the average of the weights, the loss scale, and the rest of
:class:`~ssd_data.training.options.Extras`; and what speaks against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssd_data.core.errors import InputError, SsdDataError, UsageError
from ssd_data.engines.torch.blob import Blob
from ssd_data.engines.torch.fused import require_compiler
from ssd_data.engines.torch.layers.annotateddata import data_layers
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.layers.multiboxloss import MultiBox, MultiBoxLoss
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.trainable import Trainable
from ssd_data.training import snapshots
from ssd_data.training.options import Extras
from ssd_data.training.rates import FLOAT_MAX
from ssd_data.training.resumestate import RESUME
from ssd_data.training.updates import parameters

GROWTH, BACKOFF, INTERVAL = 2.0, 0.5, 2000
LEAST = 2.0**-14  # what the factor cannot be halved below without the loss itself being wrong
PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Average:
    """The exponential moving average of a net's parameters (``--ema``):
    a = d · a + (1 - d) · w after each update, with d = min(decay, (1 + n) / (10 + n)).

    n counts the updates before: so the first weights, which are random or another task's, soon
    weigh nothing. BatchNorm's sums and their factor are averaged as all else is: their quotient is
    then a weighted mean of the means and variances that there were.

    Args:
        blobs: all parameters, once each. The average begins as what they hold.
        decay: in 0 … 1, 1 excluded.

    Attributes:
        updates: how many updates went into it.
    """

    def __init__(self, blobs: Sequence[Blob], decay: float) -> None:
        self.blobs, self.decay, self.updates = blobs, decay, 0
        self._tensors = [blob.tensor.detach().clone() for blob in blobs]

    def restart(self) -> None:
        """Begin anew with what the parameters hold."""
        self.updates = 0
        with torch.no_grad():
            for average, blob in zip(self._tensors, self.blobs, strict=True):
                average.copy_(blob.tensor)

    def update(self) -> None:
        """Take the parameters in as they are now."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        with torch.no_grad():
            now = [blob.tensor.detach() for blob in self.blobs]
            torch._foreach_lerp_(self._tensors, now, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """For as long as it lasts, the parameters hold the average."""
        kept = [blob.tensor for blob in self.blobs]
        try:
            for blob, average in zip(self.blobs, self._tensors, strict=True):
                blob.tensor = average
            yield
        finally:
            for blob, tensor in zip(self.blobs, kept, strict=True):
                blob.tensor = tensor


class OverflowedError(SsdDataError):
    """No gradient is finite, however small the factor."""


@dataclass(slots=True)
class LossScale:
    """The factor of the loss under half precision (``--amp fp16``), which keeps small gradients
    from becoming 0: torch's GradScaler with its numbers, for gradients of no torch optimizer.

    It is doubled after 2,000 good updates in a row, and halved after one whose gradients were not
    all finite, which is left out.

    Attributes:
        factor: the present one. good: updates since it last moved. skipped: updates left out.
    """

    factor: float = 65536.0
    good: int = 0
    skipped: int = 0

    def unscale(self, gradients: Iterable[Tensor]) -> bool:
        """Divide the gradients by the factor, then move it; False where they are of no use.

        Raises:
            OverflowedError: they have not been for so often that the loss itself must be wrong.
        """
        found = list(gradients)
        torch._foreach_mul_(found, 1 / self.factor)
        finite = torch.isfinite(torch.stack(torch._foreach_norm(found, torch.inf))).all()
        if not bool(finite):
            self.factor, self.good = self.factor * BACKOFF, 0
            self.skipped += 1
            if self.factor < LEAST:
                raise OverflowedError(
                    "the gradients are no numbers, however small the loss scale",
                    where="--amp fp16",
                    hint="Take --amp bf16, or lower base_lr",
                )
            return False
        self.good += 1
        if self.good == INTERVAL:
            self.factor, self.good = self.factor * GROWTH, 0
        return True


class ExtrasState:
    """What a solver does besides what the original's does.

    Args:
        net: the training net; its layers are set as the options say.
        extras: the options.

    Attributes:
        options: they are. trainable: runs the net.
        average: the moving average of the parameters, or None. scale: the loss scale, or None.

    Raises:
        UsageError: an option cannot be had on this device, or of this net.
    """

    def __init__(self, net: Net, extras: Extras) -> None:
        check_device(extras, net.device)
        prepare(net, extras)
        self.net, self.options = net, extras
        self.trainable = Trainable(
            net,
            channels_last=extras.channels_last,
            precision=PRECISION.get(extras.amp),
            compiles=extras.compile,
        )
        self.blobs = [param.blob for param in parameters(net, 0)]
        self.average = Average(self.blobs, extras.ema) if extras.ema else None
        self.scale = LossScale() if extras.amp == "fp16" else None

    def begin(self) -> None:
        """The weights to begin with are there, and no update was made.

        Raises:
            InputError: a BatchNorm that is to be frozen has no statistics: it would divide by next
                to nothing.
        """
        for layer in self.net.steps if self.options.freeze_bn else ():
            if isinstance(layer, BatchNorm) and not float(layer.params[2].tensor):
                raise InputError(
                    "this BatchNorm has no statistics to freeze",
                    where=layer.node.where,
                    hint="--freeze-bn needs --weights that have them, or leave it out",
                )
        if self.average is not None and not self.average.updates:
            self.average.restart()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients, times the loss scale, to the parameters'."""
        self.trainable.backward(loss if self.scale is None else loss * self.scale.factor)

    def unscale(self) -> bool:
        """Take the loss scale out of the gradients; False where the update must be left out.

        Raises:
            OverflowedError: that has been so for too often.
        """
        if self.scale is None:
            return True
        with torch.no_grad():
            return self.scale.unscale(blob.grad for blob in self.blobs)

    def updated(self) -> None:
        """An update was made."""
        if self.average is not None:
            self.average.update()

    @contextmanager
    def averaged(self) -> Iterator[bool]:
        """For as long as it lasts, the nets hold the average; whether there is one."""
        with nullcontext() if self.average is None else self.average.in_place():
            yield self.average is not None

    def resume_state(self) -> dict[str, object]:
        """What a snapshot's resume state keeps of it."""
        kept: dict[str, object] = {}
        if self.average is not None:
            kept["average"] = {"updates": self.average.updates}
        if self.scale is not None:
            kept["loss_scale"] = asdict(self.scale)
        return kept

    def load_average(self, resume_state: Mapping[str, Any], state: Path | str) -> None:
        """Take a snapshot's average, once the parameters are restored; without one begin anew.

        Raises:
            InputError: the average's file is missing or another net's, or a number is none.
        """
        if self.average is None:
            return
        self.average.restart()
        if (path := snapshots.averaged_net(resume_state, state)) is not None:
            with self.average.in_place():
                self.net.copy_from(path)
            self.average.updates = int(_number(resume_state["average"], "updates"))

    def load_resume_state(self, resume_state: Mapping[str, Any]) -> None:
        """Set the loss scale to what a snapshot's resume state says, if anything.

        Raises:
            InputError: a number is none.
        """
        if self.scale is not None and (kept := resume_state.get("loss_scale")):
            factor, good, skipped = (_number(kept, name) for name in ("factor", "good", "skipped"))
            self.scale = LossScale(factor, int(good), int(skipped))


def _number(table: object, name: str) -> float:
    value = table.get(name) if isinstance(table, dict) else None
    if not isinstance(value, (int, float)) or not 0 <= value <= FLOAT_MAX:
        raise InputError(f'it has no number "{name}"', where=f"the snapshot's {RESUME}")
    return value


def check_device(extras: Extras, device: torch.device) -> None:
    """What the options ask for can be had on a device.

    Raises:
        UsageError: it cannot.
    """
    if extras.amp == "fp16" and device.type == "cpu":
        raise UsageError(
            "half precision needs a GPU", where="--amp fp16", hint="On a CPU take --amp bf16"
        )
    if extras.amp == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UsageError("this GPU has no bfloat16", where="--amp bf16", hint="Take --amp fp16")
    if extras.compile:
        require_compiler(device)


def prepare(net: Net, extras: Extras) -> None:
    """Set the layers of a training net as the options say.

    Raises:
        UsageError: the net has no layer that an option is about.
    """
    if extras.scale_compensation:
        losses = [layer for layer in net.steps if isinstance(layer, MultiBoxLoss)]
        _require(net, losses, "--scale-compensation", "MultiBoxLoss")
        for loss in losses:
            param = loss.param.multibox_loss_param
            if param.match_type != MultiBox.PER_PREDICTION or not param.share_location:
                raise UsageError(
                    f"{loss.node.where} has not match_type PER_PREDICTION with share_location",
                    where="--scale-compensation",
                )
            loss.compensates = True
    if extras.freeze_bn:
        norms = [layer for layer in net.steps if isinstance(layer, BatchNorm)]
        _require(net, norms, "--freeze-bn", "BatchNorm")
        for norm in norms:
            norm.uses_global = True
    for value, name in ((extras.min_face, "--min-face"), (extras.cache, "--cache")):
        if value:
            _require(net, list(data_layers(net)), name, "AnnotatedData")


def _require(net: Net, layers: object, name: str, kind: str) -> None:
    if not layers:
        raise UsageError(f"{net.graph.origin} has no {kind} layer", where=name)
