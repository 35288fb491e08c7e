"""Bodies without branches: VGG-16 and ZF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.families.parts.model_libs.blocks import learned, rates
from ssd_data.families.parts.vgg import STAGES
from ssd_data.nets.netspec import NetSpec
from ssd_data.nets.netspec import layers as L  # noqa: N812
from ssd_data.nets.netspec import params as P  # noqa: N812

# ZF: channels, kernel and stride of conv1 … conv5.
_ZF = ((96, 7, 2), (256, 5, 2), (384, 3, 1), (384, 3, 1), (256, 3, 1))
WIDE, REDUCED = 4096, 1024


def VGGNetBody(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    need_fc: bool = True,
    fully_conv: bool = False,
    reduced: bool = False,
    dilated: bool = False,
    nopool: bool = False,
    dropout: bool = True,
    freeze_layers: Sequence[str] = (),
    dilate_pool4: bool = False,
) -> NetSpec:
    """``conv1_1`` … ``fc7``.

    Args:
        need_fc: also pool5, fc6 and fc7. fully_conv: these as convolutions; reduced: with 1024
            channels and a 3x3; dilated: pool5 keeps the size, and fc6 sees as far all the same.
        nopool: convolutions of stride 2 in the place of poolings.
        freeze_layers: convolutions that do not learn.
        dilate_pool4: pool4 keeps the size, and conv5 sees as far all the same.
    """
    top = _require(net, from_layer)
    dilation = 2 if dilate_pool4 and not nopool else 1
    for stage, (channels, count) in enumerate(STAGES, 1):
        last = stage == len(STAGES)
        more: dict[str, Any] = {"pad": dilation, "dilation": dilation} if last else {"pad": 1}
        for number in range(1, count + 1):
            name = f"{stage}_{number}"
            settings = more | {"num_output": channels, "kernel_size": 3}
            top = _activated(net, f"conv{name}", f"relu{name}", top, settings)
        if last and not need_fc:
            break
        keep = dilated if last else (stage == len(STAGES) - 1 and dilation > 1)
        if nopool:
            name = f"conv{stage}_{count + 1}"
            window = {"pad": 1, "kernel_size": 3, "stride": 1 if keep else 2}
            net[name] = L.Convolution(net[top], num_output=channels, **window, **learned())
        else:
            name = f"pool{stage}"
            window = {"pad": 1} if keep else {}
            window |= {"kernel_size": 3, "stride": 1} if keep else {"kernel_size": 2, "stride": 2}
            net[name] = L.Pooling(net[top], pool=P.Pooling.MAX, **window)
        top = name
    if need_fc:
        kernel = 3 if reduced else 7
        spread = dilation * _spread(dilated, reduced)
        window = {"kernel_size": kernel, "dilation": spread, "pad": spread * (kernel // 2)}
        _add_fc(net, top, window, fully_conv, reduced, dropout)
    _freeze(net, freeze_layers)
    return net


def _spread(dilated: bool, reduced: bool) -> int:
    """The dilation by which fc6 sees what a 7x7 behind a pool5 that halves would see."""
    if dilated:
        return 6 if reduced else 2
    return 3 if reduced else 1


def ZFNetBody(  # noqa: N802
    net: NetSpec,
    from_layer: str,
    need_fc: bool = True,
    fully_conv: bool = False,
    reduced: bool = False,
    dilated: bool = False,
    dropout: bool = True,
    need_fc8: bool = False,
    freeze_layers: Sequence[str] = (),
) -> NetSpec:
    """``conv1`` … ``fc7``; for its arguments see :func:`VGGNetBody`.

    Args:
        need_fc8: also a classifier of 1000 classes, ``prob``.
    """
    top = _require(net, from_layer)
    for number, (channels, kernel, stride) in enumerate(_ZF, 1):
        settings = {"num_output": channels, "pad": kernel // 2, "kernel_size": kernel}
        settings |= {"stride": stride} if stride > 1 else {}
        top = _activated(net, f"conv{number}", f"relu{number}", top, settings)
        if number <= 2:
            norm = {"local_size": 3, "alpha": 0.00005, "beta": 0.75, "engine": P.LRN.CAFFE}
            region = P.LRN.WITHIN_CHANNEL
            net[f"norm{number}"] = L.LRN(net[top], norm_region=region, **norm)
            top = _zf_pool(net, number, f"norm{number}", 2)
    if need_fc:
        top = _zf_pool(net, 5, top, 1 if dilated else 2)
        window = {"kernel_size": 3 if reduced else 6, "pad": 5 if dilated else 2}
        if reduced or dilated:
            window["dilation"] = 5 if reduced and dilated else 2
        _add_fc(net, top, window, fully_conv, reduced, dropout)
    if need_fc8:
        last = net.keys()[-1]
        if fully_conv:
            net.fc8 = L.Convolution(net[last], num_output=1000, kernel_size=1, **learned())
        else:
            net.fc8 = L.InnerProduct(net[last], num_output=1000)
        net.prob = L.Softmax(net.fc8)
    _freeze(net, freeze_layers)
    return net


def _zf_pool(net: NetSpec, number: int, bottom: str, stride: int) -> str:
    window = {"pad": 1, "kernel_size": 3, "stride": stride}
    net[f"pool{number}"] = L.Pooling(net[bottom], pool=P.Pooling.MAX, **window)
    return f"pool{number}"


# ---- what both have ----


def _require(net: NetSpec, from_layer: str) -> str:
    if from_layer not in net:
        raise UsageError(f'the net has no layer "{from_layer}"', hint=f"It has {net.keys()}")
    return from_layer


def _activated(net: NetSpec, conv: str, relu: str, bottom: str, settings: dict[str, Any]) -> str:
    net[conv] = L.Convolution(net[bottom], **settings, **learned())
    net[relu] = L.ReLU(net[conv], in_place=True)
    return relu


def _add_fc(
    net: NetSpec,
    bottom: str,
    window: dict[str, int],
    fully_conv: bool,
    reduced: bool,
    dropout: bool,
) -> None:
    """fc6 and fc7, as convolutions (of which fc6 has the window) or as inner products."""
    channels = REDUCED if reduced and fully_conv else WIDE
    for number, own in ((6, window), (7, {"kernel_size": 1})):
        name, relu = f"fc{number}", f"relu{number}"
        if fully_conv:
            _activated(net, name, relu, bottom, {"num_output": channels, **own})
        else:
            net[name] = L.InnerProduct(net[bottom], num_output=channels)
            net[relu] = L.ReLU(net[name], in_place=True)
        if dropout:
            net[f"drop{number}"] = L.Dropout(net[relu], dropout_ratio=0.5, in_place=True)
        bottom = relu


def _freeze(net: NetSpec, names: Sequence[str]) -> None:
    for name in names:
        if name in net:
            net.update(name, learned() | {"param": rates((0, 0), (0, 0))})
