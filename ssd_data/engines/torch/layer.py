"""What a layer is, and how one is found: by its type's name, in ``layers/``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from ssd_data.core.errors import InputError, is_out_of_memory
from ssd_data.core.legible import few
from ssd_data.core.registry import LAYERS
from ssd_data.engines.torch.blob import Blob
from ssd_data.engines.torch.fillers import fill
from ssd_data.nets.geometry import axis_of, shape_text
from ssd_data.nets.graph import MOST_VALUES, LayerError, Node
from ssd_data.nets.phases import Phase
from ssd_data.proto import caffe_pb2

Tops: TypeAlias = Tensor | tuple[Tensor, ...]
# What PyTorch and NumPy raise where shapes or numbers do not fit.
REFUSALS = (RuntimeError, IndexError, ValueError, ArithmeticError)
TOO_MANY = f"would have more values than a blob of Caffe's holds, {MOST_VALUES:,}"
# What forks call a layer that is there, and why some are not.
_OTHER_WORDS = {
    "depthwiseconv": "depthwiseconvolution",
    "convdepthwise": "depthwiseconvolution",
    "softmaxloss": "softmaxwithloss",
    "norm": "normalize",
}
_REASONS = {
    "bn": "It normalises and scales: a BatchNorm and a Scale, with other arrays",
    "convolutionrelu": "It is a Convolution and a ReLU behind it: write both",
    "convrelu": "It is a Convolution and a ReLU behind it: write both",
    "memorydata": "A program fills it: write an Input layer of its shape",
}
MOST_TEXT = 200  # letters of such an error


class Layer:
    """One layer of a net.

    A subclass defines :meth:`forward`, and :meth:`setup` where it has parameters or checks. Both
    get the bottoms as float32 tensors; under mixed precision only where ``single``. Gradients come
    from autograd.

    Attributes:
        param: the layer's message.
        phase: ``caffe_pb2.TRAIN`` or ``TEST``.
        params: its parameters as blobs, as ``net.params[name]`` shows them.
        weights: the same as tensors, for :meth:`forward`.
    """

    bottoms: ClassVar[tuple[int, int]] = (1, 1)  # fewest and most
    is_loss: ClassVar[bool] = False  # its first top has a loss weight of 1 unless one is given
    statistics: ClassVar[bool] = False  # its parameters are not learned
    no_gradient: ClassVar[tuple[int, ...]] = ()  # bottoms that never get one (labels)
    single: ClassVar[bool] = False  # computes in float32 also where the net is in mixed precision

    def __init__(self, node: Node, phase: Phase) -> None:
        self.node = node
        self.param = node.param
        self.phase = phase
        self.params: list[Blob] = []
        self.weights: list[Tensor] = []
        fewest, most = self.bottoms
        if not fewest <= len(node.bottoms) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise self.error(f"has {len(node.bottoms)} bottoms; {self.param.type} takes {wanted}")
        asked = len(self.param.propagate_down)
        if asked not in (0, len(node.bottoms)):
            raise self.error(
                f"has {asked} propagate_down for {len(node.bottoms)} bottoms",
                hint="Give one for each bottom, or none",
            )

    def setup(self, *bottoms: Tensor) -> None:
        """Check the parameters and make the weights; the bottoms have shapes, but no values."""

    def forward(self, *bottoms: Tensor) -> Tops:
        """The tops."""
        raise NotImplementedError

    @property
    def training(self) -> bool:
        """Whether the layer is in phase TRAIN."""
        return self.phase == caffe_pb2.TRAIN

    def add_weight(self, shape: tuple[int, ...], filler: caffe_pb2.FillerParameter | float) -> None:
        """Make the next parameter; a number stands for a constant filler."""
        if math.prod(shape) > MOST_VALUES:
            raise self.error(f"its parameter of {shape_text(shape)} {TOO_MANY}")
        tensor = torch.empty(shape)
        if isinstance(filler, (int, float)):
            tensor.fill_(filler)
        elif not tensor.is_meta:
            fill(tensor, filler, self.node.where)
        self.params.append(Blob(tensor))
        self.weights.append(tensor)

    def outline(self, *bottoms: Tensor) -> Tops:
        """The tops' shapes, see :meth:`infer`: by default what :meth:`forward` makes of shapes.

        PyTorch takes a second to get ready for arithmetic without values; a layer that most nets
        have says its shapes itself.
        """
        return self.forward(*bottoms)

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The tops' shapes, as tensors on torch's meta device.

        Raises:
            LayerError: the bottoms' shapes do not fit, or a top would be larger than Caffe's are.
        """
        kept = self.weights
        self.weights = [w.to("meta") for w in kept]
        try:
            tops = as_tuple(self.outline(*bottoms))
        except REFUSALS as error:
            shapes = ", ".join(shape_text(bottom.shape) for bottom in bottoms)
            raise refused(self, f"cannot take bottoms of shape {shapes}", error) from None
        finally:
            self.weights = kept
        for top in tops:
            if math.prod(top.shape) > MOST_VALUES:
                raise self.error(f"its top of {shape_text(top.shape)} {TOO_MANY}")
        return tops

    def axis(self, number: int, bottom: Tensor) -> int:
        """An axis counted from the front; Caffe's may be negative.

        Raises:
            LayerError: the bottom has no such axis.
        """
        return axis_of(self.node, number, bottom.dim())

    def require_axes(self, bottom: Tensor, least: int, most: int | None = None) -> None:
        """Refuse a bottom of fewer axes, or of more than ``most``, by default ``least``.

        Raises:
            LayerError: it has.
        """
        most = least if most is None else most
        if not least <= bottom.dim() <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise self.error(f"takes a bottom of {wanted} axes, not of {bottom.dim()}")

    def require_pictures(self, *bottoms: Tensor) -> None:
        """Refuse bottoms that have no axis of pictures.

        Raises:
            LayerError: one has none.
        """
        if not all(bottom.dim() for bottom in bottoms):
            raise self.error("takes a bottom of at least one axis")

    def complete(self, param: caffe_pb2.LayerParameter) -> None:
        """Fill in what Caffe's own set-up of this type fills in, and its snapshots then hold."""

    def error(self, what: str, hint: str = "") -> LayerError:
        """An error that names this layer."""
        return self.node.error(what, hint)


def refused(layer: Layer, what: str, error: Exception) -> Exception:
    """That a layer's arithmetic has failed, as an error that names the layer; memory that is not
    there is not the layer's fault, and stays the error that it is."""
    if is_out_of_memory(error):
        return error
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return layer.error(f"{what}: {text[:MOST_TEXT]}")


@contextmanager
def naming(layer: Layer) -> Iterator[None]:
    """What is wrong with a file that a layer names is said with the layer's own place.

    Raises:
        LayerError: it is.
    """
    try:
        yield
    except LayerError:
        raise
    except InputError as error:
        raise layer.error(error.sentence, error.hint) from None


def set_up(layer: Layer, *bottoms: Tensor) -> None:
    """:meth:`Layer.setup`, of which whatever goes wrong is an error that names the layer.

    Raises:
        InputError: its parameters are wrong, or a file that they name.
    """
    try:
        with naming(layer):
            layer.setup(*bottoms)
    except REFUSALS as error:
        raise refused(layer, "cannot be set up", error) from None


class Elementwise(Layer):
    """A layer whose one top has its first bottom's shape."""

    def outline(self, *bottoms: Tensor) -> Tops:
        """The first bottom's shape."""
        return bottoms[0]


class Stretched(Elementwise):
    """One whose array lies along its first bottom's axes: its second bottom, or learned.

    Attributes:
        start: the first of these axes.
    """

    start = 1

    def outline(self, *bottoms: Tensor) -> Tops:
        """The first bottom's shape.

        Raises:
            ValueError: the array has other sizes.
        """
        array = bottoms[1] if len(bottoms) > 1 else self.weights[0]
        shape = tuple(array.shape)
        if tuple(bottoms[0].shape[self.start : self.start + len(shape)]) != shape:
            raise ValueError(f"an array of {shape} does not lie along it from axis {self.start} on")
        return bottoms[0]


def along(values: Tensor, x: Tensor, start: int = 1) -> Tensor:
    """Values that lie along x's axes from ``start`` on, in a shape that broadcasts to x."""
    return values.reshape(*values.shape, *[1] * (x.dim() - start - values.dim()))


def sized(*shape: int) -> Tensor:
    """A tensor that has a shape and no values."""
    return torch.empty(shape, device="meta")


def as_tuple(tops: Tops) -> tuple[Tensor, ...]:
    """The tops as a tuple, also where there is one."""
    return tops if isinstance(tops, tuple) else (tops,)


def make_layer(node: Node, phase: Phase) -> Layer:
    """The layer for a node.

    Raises:
        LayerError: no file in ``layers/`` has its type's name.
    """
    known = LAYERS.names()
    name = node.type.lower()
    if name in known:
        kind: type[Layer] | None = getattr(LAYERS.load(name), node.type, None)
        if kind is not None:
            return kind(node, phase)
    if hint := _same_meaning(node.type, known):
        raise node.error(LAYERS.unknown.format(node.type), hint)
    names = [_spelling(name) for name in known]
    raise node.error(LAYERS.unknown.format(node.type), LAYERS.known.format(few(names, 24)))


def _same_meaning(kind: str, known: Sequence[str]) -> str:
    """What to write for a type that another one is, in other words or letters."""
    plain = kind.replace("_", "").lower()
    plain = _OTHER_WORDS.get(plain, plain)
    near = get_close_matches(plain, known, n=1, cutoff=0.8)
    typed = [n for n in near if n[0] == plain[0] and abs(len(n) - len(plain)) <= 1]
    if plain in known or (typed and plain.isalpha() and plain not in _REASONS):
        return f"Did you mean {_spelling(plain if plain in known else typed[0])}?"
    return _REASONS.get(plain, "")


def _spelling(name: str) -> str:
    """The class's own name in a layer's file."""
    names: dict[str, object] = vars(LAYERS.load(name))
    return next(n for n in names if n.lower() == name)
