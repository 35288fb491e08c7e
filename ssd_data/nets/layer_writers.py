"""Which function writes which type of layer for a target, and the walk over a net that calls them.

One :class:`LayerWriters` a target; modules of its package register functions with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, Generic, TypeAlias, TypeVar

from ssd_data.nets.constants import fold
from ssd_data.nets.geometry import shape_text
from ssd_data.nets.graph import Node
from ssd_data.nets.layer_step import Array, LayerStep, V
from ssd_data.nets.matching import TrainedNet

S = TypeVar("S", bound=LayerStep[Any])
Writer: TypeAlias = Callable[[S], V | list[V]]


class LayerWriters(Generic[S, V]):
    """The writers of a target.

    Args:
        target: as a sentence says it: "as ONNX", "for ncnn".
        modules: where writers register.
        constant: a blob whose values are known.
        sources: types of layers without bottoms whose values the caffemodel has.
    """

    def __init__(
        self,
        target: str,
        modules: Sequence[str],
        constant: Callable[[Array], V],
        sources: Sequence[str] = (),
    ) -> None:
        self.target, self.modules, self.constant, self.sources = target, modules, constant, sources
        self._known: dict[str, Writer[S, V]] = {}

    def register(self, *types: str) -> Callable[[Writer[S, V]], Writer[S, V]]:
        """Register a writer for layer types, as Caffe spells them."""

        def register(function: Writer[S, V]) -> Writer[S, V]:
            self._known.update(dict.fromkeys(types, function))
            return function

        return register

    @cached_property
    def types(self) -> list[str]:
        """All layer types that can be written."""
        for module in self.modules:
            import_module(module)
        return sorted(self._known)

    def write(
        self,
        trained: TrainedNet,
        wanted: Iterable[str],
        values: dict[str, V],
        step: Callable[[Node, list[V], Sequence[Array]], S],
    ) -> None:
        """Write the layers of a net that some blobs need.

        Args:
            values: the net's input by name; takes each layer's tops.
            step: makes what a writer gets, of a layer, its bottoms and its arrays.

        Raises:
            LayerError: a layer's type has no writer, or it does not fit what it reads.
        """
        graph, arrays = trained.graph, trained.arrays()
        for index in graph.needed(wanted):
            node = graph.nodes[index]
            if node.type == "Input":
                continue
            own = arrays[index].arrays if index in arrays else []
            made = step(node, [values[name] for name in node.bottoms], own)
            if not made.bottoms and node.type not in self.sources:
                raise node.error(f"a {node.type} without bottoms cannot be written {self.target}")
            tops = self._tops(made)
            if len(tops) < len(node.tops):
                raise node.error(f"has {len(node.tops)} tops; {node.type} gives {len(tops)}")
            values.update(zip(node.tops, tops, strict=False))

    def _tops(self, step: S) -> list[V]:
        kind = step.node.type
        if kind not in self.types:
            raise step.error(
                f'a layer of type "{kind}" cannot be written {self.target}',
                f"Known: {', '.join(self.types)}",
            )
        if (made := fold(step.node, [bottom.constant for bottom in step.bottoms])) is not None:
            return [self.constant(array) for array in made]
        try:
            tops = self._known[kind](step)
        except (ValueError, IndexError, OverflowError) as error:
            shapes = ", ".join(shape_text(bottom.shape) for bottom in step.bottoms)
            raise step.error(f"cannot take bottoms of shape {shapes}: {error}") from None
        return tops if isinstance(tops, list) else [tops] * max(1, len(step.node.tops))
