"""``[layers]``: layers that learn nothing, or at rates of their own."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.flow import plan
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.net import Net
from ssd_data.training.recipe.parts import LayerRates


def factor_of(name: str, layers: LayerRates) -> float:
    """What ``lr_mult`` is multiplied by in a layer of that name.

    >>> layers = LayerRates(freeze=("conv1*",), rates={"*_mbox_*": 10.0, "conv*": 0.1})
    >>> [factor_of(name, layers) for name in ("conv1/bn", "conv2_mbox_loc", "conv2", "fc")]
    [0.0, 10.0, 0.1, 1.0]
    """
    if any(fnmatchcase(name, pattern) for pattern in layers.freeze):
        return 0.0
    fits = (factor for pattern, factor in layers.rates.items() if fnmatchcase(name, pattern))
    return next(fits, 1.0)


def unmatched(names: Iterable[str], layers: LayerRates) -> list[str]:
    """The patterns that fit none of some layers."""
    known = list(names)
    patterns = (*layers.freeze, *layers.rates)
    return [one for one in patterns if not any(fnmatchcase(name, one) for name in known)]


def set_rates(net: Net, layers: LayerRates) -> None:
    """Change the ``lr_mult`` of a net's parameters, which must be the net's alone. Frozen BatchNorm
    uses the statistics that it has.

    Layers of frozen ones alone get no gradients, and cost no time for them.
    """
    for layer in net.steps:
        factor = factor_of(layer.node.name, layers)
        if factor == 1 or not layer.params:
            continue
        specs = layer.param.param
        while len(specs) < len(layer.params):
            specs.add()
        for spec in specs:
            spec.lr_mult *= factor
        if not factor and isinstance(layer, BatchNorm):
            layer.uses_global = True
    net.flow = plan(net.steps, net.graph.net.force_backward)


def require_statistics(net: Net, layers: LayerRates) -> None:
    """Frozen BatchNorm has statistics: without it would divide by next to nothing.

    Raises:
        InputError: one has none.
    """
    for layer in net.steps:
        frozen = not factor_of(layer.node.name, layers)
        if frozen and isinstance(layer, BatchNorm) and not float(layer.params[2].tensor):
            raise InputError(
                "this BatchNorm has no statistics to freeze",
                where=layer.node.where,
                hint="[layers] freeze needs --weights that have them",
            )
