"""A LiteRT model while it is made: tensors, operators, and the file of both.

The file's format: TensorFlow's ``schema.fbs``, whose classes LiteRT's package brings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssd_data.core.optional import missing
from ssd_data.nets.geometry import Shape
from ssd_data.nets.layer_step import Array, check_shape, fresh_name

SIGNATURE = "serving_default"
ALIGNED = 16
# What does an activation by itself. Others have a place for one, too, and pay no heed to it.
_ACTIVATE = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD")


def schema() -> Any:
    """The classes of the file's format.

    Raises:
        UsageError: LiteRT is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise missing("LiteRT", error, "litert") from None
    return schema_py_generated


@dataclass(slots=True)
class TfGraph:
    """The graph so far.

    Attributes:
        half: whether weights lie in half precision; what computes makes single precision of it.
    """

    half: bool = False
    tensors: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    _buffers: list[Array] = field(default_factory=list)
    _codes: dict[str, int] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _maker: dict[int, Any] = field(default_factory=dict)

    def tensor(self, name: str, shape: Shape, array: Array | None = None) -> int:
        """A tensor's number; with values where it is a constant."""
        check_shape(shape or (1,))
        s = schema()
        kinds = {"float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32"}
        made = s.TensorT()
        made.name, made.shape = self.name(name), list(shape)
        made.type = getattr(s.TensorType, kinds["float32" if array is None else array.dtype.name])
        made.buffer = 0  # the first is empty
        if array is not None:
            self._buffers.append(np.ascontiguousarray(array))
            made.buffer = len(self._buffers)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def name(self, wanted: str) -> str:
        """A name that no other tensor has."""
        return fresh_name(wanted, self._names)

    def constant(self, values: Any, name: str) -> int:
        """Known values: floats in single precision, whole numbers in 32 bits."""
        array = np.asarray(values)
        array = array.astype(np.int32 if array.dtype.kind in "iu" else np.float32)
        return self.tensor(name, array.shape, array)

    def weight(self, values: Array, name: str) -> int:
        """The same for a layer's arrays, in half precision where that is wanted.

        Raises:
            ValueError: half precision does not reach so far.
        """
        if not self.half:
            return self.constant(values, name)
        with np.errstate(over="ignore"):
            array = values.astype(np.float16)
        if not np.isfinite(array).all():
            raise ValueError("its values are too large for half precision")
        held = self.tensor(f"{name}/half", array.shape, array)
        return self.add("DEQUANTIZE", [held], array.shape, name=name)

    def add(
        self,
        operator: str,
        inputs: Sequence[int],
        shape: Shape,
        options: Any = None,
        name: str = "",
    ) -> int:
        """An operator with one output, whose number is given."""
        s = schema()
        made = s.OperatorT()
        made.opcodeIndex = self._codes.setdefault(operator, len(self._codes))
        made.inputs = list(inputs)
        output = self.tensor(name or operator.lower(), shape)
        made.outputs = [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(s.BuiltinOptions, kind)
            made.builtinOptions = options
        self.operators.append(made)
        self._maker[output] = made
        return output

    def activate(self, tensor: int, activation: str) -> bool:
        """Have the operator that makes a tensor do an activation too; whether it can."""
        s, made = schema(), self._maker.get(tensor)
        if made is None or self._kind(made) not in _ACTIVATE:
            return False
        options = made.builtinOptions
        if options.fusedActivationFunction != s.ActivationFunctionType.NONE:
            return False
        options.fusedActivationFunction = getattr(s.ActivationFunctionType, activation)
        return True

    def is_positive(self, tensor: int) -> bool:
        """Whether a tensor is known to hold nothing below 0."""
        s, made = schema(), self._maker.get(tensor)
        if made is None:
            return False
        code = self._kind(made)
        kind = getattr(made.builtinOptions, "fusedActivationFunction", None)
        ends = (s.ActivationFunctionType.RELU, s.ActivationFunctionType.RELU6)
        return kind in ends or code in ("RELU", "RELU6", "LOGISTIC", "EXP", "SOFTMAX")

    def _kind(self, made: Any) -> str:
        """Which operator it is."""
        return next(name for name, i in self._codes.items() if i == made.opcodeIndex)

    def file(self, inputs: Mapping[str, int], outputs: Mapping[str, int], text: str) -> bytes:
        """The file; what is fed and what it gives have names of their own."""
        import flatbuffers

        s = schema()
        model = s.ModelT()
        model.version, model.description = 3, text
        model.operatorCodes = [_code(s, name) for name in self._codes]
        part = s.SubGraphT()
        part.name, part.tensors, part.operators = "net", self.tensors, self.operators
        part.inputs, part.outputs = list(inputs.values()), list(outputs.values())
        model.subgraphs = [part]
        model.buffers = [_buffer(s, b"")] + [_buffer(s, a.tobytes()) for a in self._buffers]
        signature = s.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs = [_named(s, *one) for one in inputs.items()]
        signature.outputs = [_named(s, *one) for one in outputs.items()]
        model.signatureDefs = [signature]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def _code(s: Any, name: str) -> Any:
    made = s.OperatorCodeT()
    made.builtinCode = getattr(s.BuiltinOperator, name)
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)
    made.version = 1
    return made


def _buffer(s: Any, values: bytes) -> Any:
    """A buffer that begins at a multiple of 16, as the format asks of it."""

    class Aligned(s.BufferT):  # type: ignore[misc]
        def Pack(self, builder: Any) -> Any:  # noqa: N802 (the format's own name)
            builder.StartVector(1, len(values), ALIGNED)
            builder.head -= len(values)
            builder.Bytes[builder.head : builder.head + len(values)] = values
            data = builder.EndVector()
            s.BufferStart(builder)
            s.BufferAddData(builder, data)
            return s.BufferEnd(builder)

    return Aligned() if values else s.BufferT()


def _named(s: Any, name: str, tensor: int) -> Any:
    made = s.TensorMapT()
    made.name, made.tensorIndex = name, tensor
    return made
