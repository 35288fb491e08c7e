"""What shapes a net's blobs and parameters would have, and every layer that does not fit.

The layers check themselves, on torch's meta device: nothing is computed and no memory taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.layer import Layer, make_layer, set_up
from ssd_data.nets.geometry import Shape
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.matching import Slot


@dataclass(slots=True)
class Shapes:
    """A net's shapes, as far as they are known.

    Attributes:
        blobs: name → shape, of the blobs that could be worked out.
        slots: the layers with parameters, as a caffemodel is matched with them.
        parameters: shapes of all parameters, shared ones once, in a solver state's order.
        losses: whether a top has a loss weight.
        errors: what the layers object to; layers behind a wrong one are not looked at.
        whole: whether all layers were looked at.
    """

    blobs: dict[str, Shape] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    parameters: list[Shape] = field(default_factory=list)
    losses: bool = False
    errors: list[InputError] = field(default_factory=list)
    whole: bool = True


def infer_shapes(graph: Graph, given: Mapping[str, Shape | None]) -> Shapes:
    """Work out a net's shapes.

    Args:
        given: shapes of what the data layers give, which are not opened; None where unknown.
    """
    found = Shapes()
    known: dict[str, Tensor] = {}
    shared: set[str] = set()
    for node in graph.nodes:
        layer_given = {top: given[top] for top in node.tops if top in given and not node.bottoms}
        if layer_given:
            for top, shape in layer_given.items():
                if shape is not None and (tensor := _empty(node, shape, found)) is not None:
                    known[top] = tensor
            continue
        if all(name in known for name in node.bottoms):
            try:
                layer = _infer(node, known)
            except InputError as error:
                found.errors.append(error)
            else:
                found.losses |= layer.is_loss or any(layer.param.loss_weight)
                _note_parameters(found, layer, shared)
                continue
        found.whole = False
        for top in node.tops:
            known.pop(top, None)
    found.blobs = {name: tuple(tensor.shape) for name, tensor in known.items()}
    return found


def _empty(node: Node, shape: Shape, found: Shapes) -> Tensor | None:
    try:
        return torch.empty(shape, device="meta")
    except RuntimeError:  # more bytes than can be counted
        what = f"gives {'x'.join(map(str, shape))}, which no memory holds"
        hint = "See batch_size and resize_param"
        found.errors.append(InputError(what, where=node.where, hint=hint))
        found.whole = False
        return None


def _infer(node: Node, known: dict[str, Tensor]) -> Layer:
    """One layer, set up; its tops' shapes go into ``known``.

    Raises:
        InputError: it does not fit.
    """
    layer = make_layer(node, node.param.phase)
    bottoms = [known[name] for name in node.bottoms]
    # Parameters are made, and filled, without memory. (What reads pictures needs real ones.)
    with torch.device("meta") if bottoms else nullcontext():
        set_up(layer, *bottoms)
    tops = layer.infer(*bottoms)
    if len(tops) < len(node.tops):
        raise layer.error(f"has {len(node.tops)} tops; {node.type} gives {len(tops)}")
    known.update(zip(node.tops, tops, strict=False))
    return layer


def _note_parameters(found: Shapes, layer: Layer, shared: set[str]) -> None:
    if not layer.params:
        return
    node = layer.node
    shapes = tuple(tuple(blob.tensor.shape) for blob in layer.params)
    found.slots.append(Slot(node.name, node.where, shapes))
    specs = node.param.param
    for i, shape in enumerate(shapes):
        name = specs[i].name if i < len(specs) else ""
        if not name or name not in shared:
            found.parameters.append(shape)
        shared.add(name)
