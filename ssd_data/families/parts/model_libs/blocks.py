"""What bodies and heads are put together from: a convolution with what follows it, blocks of such.

Options named ``…_prefix`` and ``…_postfix`` go round a layer's name; others of BatchNorm are
``eps``, ``moving_average_fraction``, ``use_global_stats``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.nets.netspec import NetSpec, Top
from ssd_data.nets.netspec import layers as L  # noqa: N812

Pair = int | Sequence[int]
_POSTFIXES = {"conv": "", "bn": "_bn", "scale": "_scale", "bias": "_bias"}


def constant(value: float) -> dict[str, Any]:
    """A filler."""
    return {"type": "constant", "value": value}


def rates(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    """``param`` of a layer: (lr_mult, decay_mult) of each of its arrays."""
    return [{"lr_mult": lr, "decay_mult": decay} for lr, decay in pairs]


def learned(lr_mult: float = 1) -> dict[str, Any]:
    """A convolution's weights and bias, whose rate is twice that and which does not decay."""
    return {
        "param": rates((lr_mult, 1), (2 * lr_mult, 0)),
        "weight_filler": {"type": "xavier"},
        "bias_filler": constant(0),
    }


def UnpackVariable(var: Any, num: int) -> list[Any]:  # noqa: N802
    """``num`` values: those of a list of so many, or one of them again and again."""
    if isinstance(var, (list, tuple)):
        if len(var) == num:
            return list(var)
        if len(var) != 1:
            raise UsageError(f"{list(var)} are neither one value nor {num}")
        var = var[0]
    return [var] * num


def ConvBNLayer(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    out_layer: str,
    use_bn: bool,
    use_relu: bool,
    num_output: int,
    kernel_size: Pair,
    pad: Pair,
    stride: Pair,
    dilation: int = 1,
    use_scale: bool = True,
    lr_mult: float = 1,
    **options: Any,
) -> None:
    """A convolution, then as asked BatchNorm with Scale (or Bias), and ReLU.

    Args:
        kernel_size, pad, stride: a number, or that of height and of width.
    """

    def named(part: str) -> str:
        prefix = options.get(f"{part}_prefix", "")
        return f"{prefix}{out_layer}{options.get(f'{part}_postfix', _POSTFIXES[part])}"

    settings = _window(kernel_size, pad, stride) | {"num_output": num_output}
    if dilation > 1:
        settings["dilation"] = dilation
    if use_bn:
        gaussian = {"type": "gaussian", "std": 0.01}
        settings |= {"param": rates((lr_mult, 1)), "weight_filler": gaussian, "bias_term": False}
    else:
        settings |= learned(lr_mult)
    conv = named("conv")
    net[conv] = L.Convolution(net[from_layer], **settings)
    if use_bn:
        fixed = options.get("use_global_stats", False)
        _normalise(net, conv, named, use_scale, 0 if fixed else lr_mult, options)
    if use_relu:
        net[f"{conv}_relu"] = L.ReLU(net[conv], in_place=True)


def _window(kernel_size: Pair, pad: Pair, stride: Pair) -> dict[str, Any]:
    sizes = {"kernel": kernel_size, "pad": pad, "stride": stride}
    pairs = {name: UnpackVariable(size, 2) for name, size in sizes.items()}
    high, wide = pairs["kernel"]
    if high == wide:
        return {"kernel_size": high, "pad": pairs["pad"][0], "stride": pairs["stride"][0]}
    return {
        f"{name}_{axis}": pair[i] for name, pair in pairs.items() for i, axis in enumerate("hw")
    }


def _normalise(
    net: NetSpec,
    conv: str,
    named: Any,
    use_scale: bool,
    lr_mult: float,
    options: Mapping[str, Any],
) -> None:
    """BatchNorm and Scale (or Bias) in place; with statistics that stay, neither learns."""
    settings = {"param": rates(*[(0, 0)] * 3), "eps": options.get("eps", 0.001)}
    if fixed := options.get("use_global_stats", False):
        settings["use_global_stats"] = fixed
    else:
        fraction = options.get("moving_average_fraction", 0.999)
        settings["moving_average_fraction"] = fraction
    bn = named("bn")
    net[bn] = L.BatchNorm(net[conv], in_place=True, **settings)
    if use_scale:
        net[named("scale")] = L.Scale(
            net[bn],
            in_place=True,
            bias_term=True,
            param=rates((lr_mult, 0), (lr_mult, 0)),
            filler=constant(1.0),
            bias_filler=constant(0.0),
        )
    else:
        net[named("bias")] = L.Bias(
            net[bn], in_place=True, param=rates((lr_mult, 0)), filler=constant(0.0)
        )


def ResBody(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    block_name: str,
    out2a: int,
    out2b: int,
    out2c: int,
    stride: int,
    use_branch1: bool,
    dilation: int = 1,
    **bn_param: Any,
) -> None:
    """A bottleneck of ResNet, ``res<block_name>``: 1x1, 3x3 and 1x1, added to what came in.

    Args:
        use_branch1: what came in goes through a 1x1 of its own.
    """
    name = f"res{block_name}"
    options: dict[str, Any] = {
        "conv_prefix": f"{name}_",
        "bn_prefix": f"bn{block_name}_",
        "bn_postfix": "",
        "scale_prefix": f"scale{block_name}_",
        "scale_postfix": "",
        **bn_param,
    }

    def branch(
        own: str, bottom: str, channels: int, kernel: int = 1, step: int = 1, relu: bool = True
    ) -> str:
        spread = dilation if kernel > 1 else 1
        pad = spread * (kernel // 2)
        ConvBNLayer(net, bottom, own, True, relu, channels, kernel, pad, step, spread, **options)
        return f"{name}_{own}"

    side = from_layer
    if use_branch1:
        side = branch("branch1", from_layer, out2c, step=stride, relu=False)
    top = branch("branch2a", from_layer, out2a, step=stride)
    top = branch("branch2b", top, out2b, 3)
    top = branch("branch2c", top, out2c, relu=False)
    net[name] = L.Eltwise(net[side], net[top])
    net[f"{name}_relu"] = L.ReLU(net[name], in_place=True)


def InceptionTower(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    tower_name: str,
    layer_params: Sequence[Mapping[str, Any]],
    **bn_param: Any,
) -> Top:
    """Layers one behind the other, ``<tower_name>/<name>``: poolings where that says ``pool``, else
    convolutions with BatchNorm, Bias and ReLU.

    Args:
        layer_params: of each its ``name``, and what it is.
    """
    for param in layer_params:
        settings = {key: value for key, value in param.items() if key != "name"}
        name = f"{tower_name}/{param['name']}"
        if "pool" in name:
            net[name] = L.Pooling(net[from_layer], **settings)
        else:
            settings |= bn_param
            ConvBNLayer(net, from_layer, name, True, True, use_scale=False, **settings)
        from_layer = name
    top: Top = net[from_layer]
    return top
