"""Which function emits which type of layer."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import TypeAlias

from ssd_data.nets.geometry import shape_text
from ssd_data.nets.onnx.emission import EmitStep, Value

Emitter: TypeAlias = Callable[[EmitStep], Value | list[Value]]
_FILES = ("pointwise", "pooling", "priors", "shaping", "weighted")
_KNOWN: dict[str, Emitter] = {}


def emits(*types: str) -> Callable[[Emitter], Emitter]:
    """Register an emitter for layer types, as Caffe spells them."""

    def register(function: Emitter) -> Emitter:
        _KNOWN.update(dict.fromkeys(types, function))
        return function

    return register


@cache
def known_types() -> list[str]:
    """All layer types that can be emitted."""
    for name in _FILES:
        import_module(f"ssd_data.nets.onnx.{name}")
    return sorted(_KNOWN)


def emit_layer(step: EmitStep) -> list[Value]:
    """A layer's tops.

    Raises:
        LayerError: its type has no emitter, or its parameters, arrays or bottoms do not fit.
    """
    known, kind = known_types(), step.node.type
    if kind not in known:
        near = get_close_matches(kind, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise step.error(
            f'a layer of type "{kind}" cannot be written as ONNX',
            f"{hint}Known: {', '.join(known)}",
        )
    try:
        tops = _KNOWN[kind](step)
    except (ValueError, IndexError, OverflowError) as error:
        shapes = ", ".join(shape_text(bottom.shape) for bottom in step.bottoms)
        raise step.error(f"cannot take bottoms of shape {shapes}: {error}") from None
    return tops if isinstance(tops, list) else [tops] * max(1, len(step.node.tops))
