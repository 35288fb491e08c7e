"""Bodies of ResNet (arXiv:1512.03385), with BatchNorm and Scale as SSD's scripts have them."""

from __future__ import annotations

from typing import Any

from ssd_data.families.parts.model_libs.blocks import ConvBNLayer, ResBody
from ssd_data.nets.netspec import NetSpec
from ssd_data.nets.netspec import layers as L  # noqa: N812
from ssd_data.nets.netspec import params as P  # noqa: N812


def ResNet101Body(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    use_pool5: bool = True,
    use_dilation_conv5: bool = False,
    **bn_param: Any,
) -> NetSpec:
    """``conv1`` … ``res5c``, and ``pool5`` where asked; with ``use_dilation_conv5`` the last stage
    keeps the size."""
    return _body(net, from_layer, (3, 22), use_pool5, use_dilation_conv5, bn_param)


def ResNet152Body(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    use_pool5: bool = True,
    use_dilation_conv5: bool = False,
    **bn_param: Any,
) -> NetSpec:
    """See :func:`ResNet101Body`."""
    return _body(net, from_layer, (7, 35), use_pool5, use_dilation_conv5, bn_param)


def _body(
    net: NetSpec,
    from_layer: str,
    more: tuple[int, int],
    use_pool5: bool,
    use_dilation_conv5: bool,
    bn_param: dict[str, Any],
) -> NetSpec:
    """Args: more: how many blocks follow 3a and 4a, which are called 3b1, 3b2 and so on."""
    naming: dict[str, Any] = {
        "bn_prefix": "bn_",
        "bn_postfix": "",
        "scale_prefix": "scale_",
        "scale_postfix": "",
    }
    ConvBNLayer(net, from_layer, "conv1", True, True, 64, 7, 3, 2, **naming, **bn_param)
    net.pool1 = L.Pooling(net.conv1, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    top = "pool1"
    stride, dilation = (1, 2) if use_dilation_conv5 else (2, 1)
    for stage, width, names, first, spread in (
        (2, 64, "abc", 1, 1),
        (3, 128, ["a", *(f"b{n + 1}" for n in range(more[0]))], 2, 1),
        (4, 256, ["a", *(f"b{n + 1}" for n in range(more[1]))], 2, 1),
        (5, 512, "abc", stride, dilation),
    ):
        for name in names:
            block, begins = f"{stage}{name}", name == "a"
            widths = (width, width, 4 * width)
            step = first if begins else 1
            ResBody(net, top, block, *widths, step, begins, dilation=spread, **bn_param)
            top = f"res{block}"
    if use_pool5:
        net.pool5 = L.Pooling(net[top], pool=P.Pooling.AVE, global_pooling=True)
    return net
