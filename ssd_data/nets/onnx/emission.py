"""An ONNX graph while it is made: tensors with their shapes, nodes, constants.

Shapes are known throughout: they are worked out beside the nodes, as Caffe has them, so that
nothing has to be inferred and a net that does not fit is refused with its layer and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ssd_data.nets.geometry import Shape
from ssd_data.nets.layer_step import Array, LayerStep, check_shape, fresh_name

OPSET = 13
IR_VERSION = 8
BATCH = "batch"  # name of the dynamic axis
_KINDS: dict[Any, int] = {
    np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16, np.int64: TensorProto.INT64
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor of the graph.

    Attributes:
        name: in the graph.
        shape: with the batch that the emission was begun with.
        batched: whether axis 0 is the batch, one entry a picture.
        constant: its values, where they are known.
        kind: NumPy's type: float32, float16 or int64.
    """

    name: str
    shape: Shape
    batched: bool = True
    constant: Array | None = None
    kind: Any = np.float32


@dataclass(slots=True)
class Emission:
    """The graph so far.

    Attributes:
        dynamic: whether the batch may have any size.
        half: whether floats are in half precision; :meth:`single` makes an exception.
    """

    dynamic: bool = False
    half: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    prefix: str = ""
    names: set[str] = field(default_factory=set)

    def name(self, wanted: str) -> str:
        """A name that no other tensor has."""
        return fresh_name(re.sub(r"[^\w./-]", "_", wanted)[:80] or "value", self.names)

    def constant(self, array: npt.ArrayLike, name: str = "constant") -> Value:
        """A tensor of known values; floats in the emission's precision."""
        values = np.asarray(array)
        kind = np.int64 if values.dtype.kind in "iu" else self.kind
        values = values.astype(kind)
        given = self.name(f"{self.prefix}/{name}" if self.prefix else name)
        self.initializers[given] = numpy_helper.from_array(np.ascontiguousarray(values), given)
        return Value(given, values.shape, False, values, kind)

    def add(
        self,
        operator: str,
        inputs: Sequence[Value],
        shape: Sequence[int],
        *,
        batched: bool | None = None,
        whole: bool = False,
        **attributes: Any,
    ) -> Value:
        """A node with one output.

        Raises:
            ValueError: the output would have no values, or too many.
        """
        shape = tuple(int(n) for n in shape)
        check_shape(shape)
        made = self.name(f"{self.prefix}/{operator}" if self.prefix else operator)
        held = [self.held(value).name for value in inputs]
        self.nodes.append(helper.make_node(operator, held, [made], made, **attributes))
        batched = any(v.batched for v in inputs) if batched is None else batched
        return Value(made, shape, batched, None, np.int64 if whole else self.kind)

    def held(self, value: Value) -> Value:
        """The value as a tensor of the graph: what is only known becomes a constant of it."""
        if value.name:
            return value
        assert value.constant is not None
        return self.constant(value.constant)

    @property
    def kind(self) -> Any:
        """NumPy's type of the floats."""
        return np.float16 if self.half else np.float32

    def cast(self, value: Value) -> Value:
        """The value in the emission's precision."""
        if value.kind in (self.kind, np.int64):
            return value
        return self.add("Cast", [value], value.shape, to=_KINDS[self.kind], batched=value.batched)

    @contextmanager
    def single(self) -> Iterator[None]:
        """For what half precision cannot hold: nodes and constants in single precision."""
        kept, self.half = self.half, False
        try:
            yield
        finally:
            self.half = kept

    def reshape(self, value: Value, shape: Sequence[int], keeps_batch: bool) -> Value:
        """The same values in another shape.

        Args:
            keeps_batch: whether axis 0 stays as it is.

        Raises:
            ValueError: the batch is dynamic and would not stay axis 0.
        """
        if value.batched and not keeps_batch and self.dynamic:
            raise ValueError("it changes the batch's axis, which is to be dynamic")
        target = [0 if i == 0 and keeps_batch else n for i, n in enumerate(shape)]
        ends = self.constant(np.array(target, np.int64), "shape")
        batched = value.batched and keeps_batch
        return self.add("Reshape", [value, ends], shape, batched=batched)

    def model(
        self, inputs: Mapping[str, Value], outputs: Mapping[str, Value], doc: str = ""
    ) -> onnx.ModelProto:
        """The graph as a model, without what its outputs do not need.

        Args:
            inputs, outputs: under their names; each output gets a node of its own for it.
        """
        ends = []
        for name, value in outputs.items():
            self.nodes.append(helper.make_node("Identity", [self.held(value).name], [name], name))
            ends.append(self._info(name, value))
        nodes, read = _needed(self.nodes, outputs)
        starts = [self._info(name, value) for name, value in inputs.items()]
        arrays = [array for name, array in self.initializers.items() if name in read]
        graph = helper.make_graph(nodes, "net", starts, ends, arrays, doc_string=doc)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(
            graph, producer_name="ssd-data", opset_imports=[opset], ir_version=IR_VERSION
        )

    def _info(self, name: str, value: Value) -> onnx.ValueInfoProto:
        free = self.dynamic and value.batched
        shape: list[int | str] = [
            BATCH if free and i == 0 else n for i, n in enumerate(value.shape)
        ]
        return helper.make_tensor_value_info(name, _KINDS[value.kind], shape)


def _needed(
    nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]
) -> tuple[list[onnx.NodeProto], set[str]]:
    wanted, kept = set(outputs), []
    for node in reversed(list(nodes)):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1], wanted


@dataclass(frozen=True, slots=True)
class EmitStep(LayerStep[Value]):
    """A layer that is to be emitted: what an emitter gets.

    Attributes:
        emission: the graph so far.
    """

    emission: Emission

    def add(
        self, operator: str, inputs: Sequence[Value], shape: Sequence[int], **attributes: Any
    ) -> Value:
        """A node named after the layer, see :meth:`Emission.add`."""
        return self.emission.add(operator, inputs, shape, **attributes)

    def same(self, operator: str, *others: Value, **attributes: Any) -> Value:
        """A node on the first bottom that gives its shape."""
        return self.add(operator, [self.bottom, *others], self.bottom.shape, **attributes)

    def constant(self, array: npt.ArrayLike, name: str = "constant") -> Value:
        """See :meth:`Emission.constant`."""
        return self.emission.constant(array, name)
