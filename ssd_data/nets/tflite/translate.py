"""An ONNX graph's nodes as LiteRT's operators.

LiteRT wants channels last. Each value here says in which order its axes lie, so that turning them
is mostly writing down another order: an SSD net's Permutes cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ssd_data.core.errors import InputError
from ssd_data.nets.geometry import Shape
from ssd_data.nets.layer_step import Array
from ssd_data.nets.tflite.graph import TfGraph, schema

LAST = (0, 2, 3, 1)  # batch, height, width, channels, of ONNX's batch, channels, height, width
_FILES = ("convolutions", "moving", "pointwise", "pools", "resizing")


@dataclass(frozen=True, slots=True)
class Laid:
    """A value of the ONNX graph.

    Attributes:
        tensor: its number in LiteRT's graph.
        shape: as ONNX has it.
        order: which of ONNX's axes each axis of the tensor is.
    """

    tensor: int
    shape: Shape
    order: Shape

    @property
    def lies(self) -> Shape:
        """The tensor's own shape."""
        return tuple(self.shape[axis] for axis in self.order)


@dataclass(slots=True)
class TfStep:
    """A node that is to be translated.

    Attributes:
        graph: LiteRT's, so far. node: ONNX's. values: what is computed before; constants: what
            is known. readers: how many nodes read each name.
    """

    graph: TfGraph
    node: onnx.NodeProto
    values: dict[str, Laid]
    constants: dict[str, Array]
    readers: Counter[str] = field(default_factory=Counter)

    @property
    def s(self) -> Any:
        """The classes of the file's format."""
        return schema()

    @property
    def x(self) -> Laid:
        """What it reads first, a computed value."""
        return self.value(0)

    def value(self, index: int) -> Laid:
        """What it reads; a constant becomes a tensor."""
        name = self.node.input[index]
        if name not in self.values:
            array = self.constants[name]
            tensor = self.graph.constant(array, name)
            self.values[name] = Laid(tensor, array.shape, tuple(range(array.ndim)))
        return self.values[name]

    def known(self, index: int) -> Array | None:
        """What it reads where that is a constant; None where it is not, or absent."""
        name = self.node.input[index] if index < len(self.node.input) else ""
        return self.constants.get(name)

    def require_known(self, index: int) -> Array:
        """What it reads, a constant.

        Raises:
            ValueError: it is computed.
        """
        found = self.known(index)
        if found is None:
            raise ValueError("takes known values alone there")
        return found

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value."""
        for one in self.node.attribute:
            if one.name == name:
                return helper.get_attribute_value(one)
        return default

    def laid(self, value: Laid, order: Sequence[int]) -> Laid:
        """The same value with its axes in that order."""
        order = tuple(order)
        if value.order == order:
            return value
        turn = [value.order.index(axis) for axis in order]
        made = Laid(-1, value.shape, order)
        ends = self.graph.constant(np.array(turn), f"{self.node.name}/order")
        tensor = self.add("TRANSPOSE", [value.tensor, ends], made.lies, self.s.TransposeOptionsT())
        return Laid(tensor, value.shape, order)

    def plain(self, value: Laid) -> Laid:
        """The same value with its axes as ONNX has them."""
        return self.laid(value, range(len(value.shape)))

    def picture(self, index: int = 0) -> Laid:
        """A map, channels last.

        Raises:
            ValueError: it has not four axes.
        """
        value = self.value(index)
        if len(value.shape) != 4:
            raise ValueError("takes maps alone")
        return self.laid(value, LAST)

    def add(self, operator: str, inputs: Sequence[int], lies: Shape, options: Any = None) -> int:
        """An operator named after the node."""
        return self.graph.add(operator, inputs, lies, options, self.node.name)

    def numbers(self, values: Any, name: str = "numbers") -> int:
        """Whole numbers as a constant."""
        return self.graph.constant(np.asarray(values, np.int32), f"{self.node.name}/{name}")

    def beside(self, array: Array, value: Laid, name: str = "constant") -> int:
        """A constant that broadcasts to a value as ONNX has it, as it lies beside that."""
        wide = array.reshape((1,) * (len(value.shape) - array.ndim) + array.shape)
        return self.graph.constant(wide.transpose(value.order), f"{self.node.name}/{name}")


Translator: TypeAlias = Callable[[TfStep], Laid]
_KNOWN: dict[str, Translator] = {}


def translates(*operators: str) -> Callable[[Translator], Translator]:
    """Register a translator for ONNX's operators."""

    def register(function: Translator) -> Translator:
        _KNOWN.update(dict.fromkeys(operators, function))
        return function

    return register


@cache
def _load_all() -> None:
    for name in _FILES:
        import_module(f"ssd_data.nets.tflite.{name}")


def to_tflite(model: onnx.ModelProto, half: bool = False) -> bytes:
    """A model as LiteRT's file; its one input, and it alone, is channels last.

    Args:
        model: as :mod:`ssd_data.nets.onnx` emits it, with a fixed batch, in single precision.
        half: weights in half precision.

    Raises:
        UsageError: LiteRT is not installed.
        InputError: it has an operator that LiteRT lacks, or not so.
    """
    _load_all()
    graph, source = TfGraph(half), model.graph
    (given,) = source.input
    shape = tuple(dim.dim_value for dim in given.type.tensor_type.shape.dim)
    order = LAST if len(shape) == 4 else tuple(range(len(shape)))
    start = Laid(-1, shape, order)
    start = Laid(graph.tensor(given.name, start.lies), shape, order)
    values = {given.name: start}
    constants = {one.name: numpy_helper.to_array(one) for one in source.initializer}
    readers = Counter(name for node in source.node for name in node.input)
    outputs: dict[str, int] = {}
    ends = {one.name for one in source.output}
    for node in source.node:
        step = TfStep(graph, node, values, constants, readers)
        name = node.output[0]
        if name in ends:
            outputs[name] = _end(step, name, outputs)
        else:
            values[name] = _translate(step)
    text = f"{model.producer_name}: {source.doc_string}"
    return graph.file({given.name: start.tensor}, outputs, text)


def _translate(step: TfStep) -> Laid:
    known = _KNOWN.get(step.node.op_type)
    if known is None:
        raise InputError(
            f'ONNX\'s {step.node.op_type}, by which "{step.node.name}" is written, cannot be '
            "written for LiteRT",
            hint="Take another target or engine, such as onnx",
        )
    try:
        return known(step)
    except (ValueError, IndexError) as error:
        what = f'"{step.node.name}" ({step.node.op_type}) cannot be written for LiteRT: {error}'
        raise InputError(what, hint="Take another target or engine, such as onnx") from None


def _end(step: TfStep, name: str, others: dict[str, int]) -> int:
    """An output's tensor, with its axes as ONNX has them, and a name of its own."""
    value = step.plain(step.x)
    made = {number for one in step.graph.operators for number in one.outputs}
    if value.tensor in others.values() or value.tensor not in made:
        options = step.s.ReshapeOptionsT()
        shape = step.numbers(value.shape, "shape")
        tensor = step.add("RESHAPE", [value.tensor, shape], value.shape, options)
        value = Laid(tensor, value.shape, value.order)
    step.graph.tensors[value.tensor].name = step.graph.name(name)
    return value.tensor
