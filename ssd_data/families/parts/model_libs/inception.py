"""The body of Inception v3 (arXiv:1512.00567), layer by layer as TensorFlow's names have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ssd_data.families.parts.model_libs.blocks import ConvBNLayer, InceptionTower
from ssd_data.nets.netspec import NetSpec, Top
from ssd_data.nets.netspec import layers as L  # noqa: N812
from ssd_data.nets.netspec import params as P  # noqa: N812

Tower = tuple[str, list[dict[str, Any]]]
_TALL, _FLAT = (7, 1), (1, 7)


def _conv(
    number: int,
    channels: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    valid: bool = False,
) -> dict[str, Any]:
    """A convolution of a tower: ``conv``, ``conv_1`` … ; it pads unless valid."""
    name = f"conv_{number}" if number else "conv"
    window: dict[str, Any]
    if isinstance(kernel, tuple):
        pad = [(size - 1) // 2 for size in kernel]
        window = {"kernel_size": list(kernel), "pad": pad, "stride": [1, 1]}
    else:
        pad_of = 0 if valid or stride > 1 else kernel // 2
        window = {"kernel_size": kernel, "pad": pad_of, "stride": stride}
    return {"name": name, "num_output": channels, **window}


def _pool(kind: int, stride: int = 1) -> dict[str, Any]:
    pad = 1 if stride == 1 else 0
    return {"name": "pool", "pool": kind, "kernel_size": 3, "pad": pad, "stride": stride}


def _small(pooled: int) -> list[Tower]:
    """1x1, 5x5, 3x3 twice, and a pooling."""
    return [
        ("", [_conv(0, 64)]),
        ("/tower", [_conv(0, 48), _conv(1, 64, 5)]),
        ("/tower_1", [_conv(0, 64), _conv(1, 96, 3), _conv(2, 96, 3)]),
        ("/tower_2", [_pool(P.Pooling.AVE), _conv(0, pooled)]),
    ]


def _long(width: int) -> list[Tower]:
    """1x1, 7x7 in two parts, the same twice, and a pooling."""
    ways = (_TALL, _FLAT, _TALL)
    twice = [_conv(n + 1, width, way) for n, way in enumerate(ways)]
    return [
        ("", [_conv(0, 192)]),
        ("/tower", [_conv(0, width), _conv(1, width, _FLAT), _conv(2, 192, _TALL)]),
        ("/tower_1", [_conv(0, width), *twice, _conv(4, 192, _FLAT)]),
        ("/tower_2", [_pool(P.Pooling.AVE), _conv(0, 192)]),
    ]


_HALVING = {
    "mixed_3": [
        ("", [_conv(0, 384, 3, 2)]),
        ("/tower", [_conv(0, 64), _conv(1, 96, 3), _conv(2, 96, 3, 2)]),
        ("", [_pool(P.Pooling.MAX, 2)]),
    ],
    "mixed_8": [
        ("/tower", [_conv(0, 192), _conv(1, 320, 3, 2)]),
        (
            "/tower_1",
            [_conv(0, 192), _conv(1, 192, _FLAT), _conv(2, 192, _TALL), _conv(3, 192, 3, 2)],
        ),
        ("", [_pool(P.Pooling.MAX, 2)]),
    ],
}


def InceptionV3Body(  # noqa: N802
    net: NetSpec, from_layer: str, output_pred: bool = False, **bn_param: Any
) -> NetSpec:
    """``conv`` … ``mixed_10/join``; with ``output_pred`` also the classifier, ``softmax_prob``."""
    top = _stem(net, from_layer, bn_param)
    for name, pooled in (("mixed", 32), ("mixed_1", 64), ("mixed_2", 64)):
        top = _mix(net, top, name, _small(pooled), bn_param)
    top = _mix(net, top, "mixed_3", _HALVING["mixed_3"], bn_param)
    for number, width in ((4, 128), (5, 160), (6, 160), (7, 192)):
        top = _mix(net, top, f"mixed_{number}", _long(width), bn_param)
    top = _mix(net, top, "mixed_8", _HALVING["mixed_8"], bn_param)
    for name, kind in (("mixed_9", P.Pooling.AVE), ("mixed_10", P.Pooling.MAX)):
        top = _mix_wide(net, top, name, kind, bn_param)
    if output_pred:
        window = {"kernel_size": 8, "pad": 0, "stride": 1}
        net.pool_3 = L.Pooling(net[top], pool=P.Pooling.AVE, **window)
        net.softmax = L.InnerProduct(net.pool_3, num_output=1008)
        net.softmax_prob = L.Softmax(net.softmax)
    return net


def _stem(net: NetSpec, top: str, bn_param: dict[str, Any]) -> str:
    """Five convolutions and two poolings."""
    for layer in (
        _conv(0, 32, 3, 2),
        _conv(1, 32, 3, valid=True),
        _conv(2, 64, 3),
        "pool",
        _conv(3, 80),
        _conv(4, 192, 3, valid=True),
        "pool_1",
    ):
        if isinstance(layer, str):
            window = {"kernel_size": 3, "stride": 2, "pad": 0}
            net[layer] = L.Pooling(net[top], pool=P.Pooling.MAX, **window)
            top = layer
        else:
            top = _unit(net, top, layer, bn_param)
    return top


def _unit(net: NetSpec, top: str, layer: dict[str, Any], bn_param: dict[str, Any]) -> str:
    settings = {key: value for key, value in layer.items() if key != "name"} | bn_param
    ConvBNLayer(net, top, layer["name"], True, True, use_scale=False, **settings)
    return str(layer["name"])


def _mix(
    net: NetSpec, top: str, name: str, towers: Iterable[Tower], bn_param: dict[str, Any]
) -> str:
    """Towers side by side, their tops joined."""
    ends = [InceptionTower(net, top, f"{name}{own}", way, **bn_param) for own, way in towers]
    return _join(net, f"{name}/join", ends)


def _mix_wide(net: NetSpec, top: str, name: str, pool: int, bn_param: dict[str, Any]) -> str:
    """Towers of which two end in a 1x3 beside a 3x1."""
    ends = [InceptionTower(net, top, name, [_conv(0, 320)], **bn_param)]
    for tower, way in (
        (f"{name}/tower", [_conv(0, 384)]),
        (f"{name}/tower_1", [_conv(0, 448), _conv(1, 384, 3)]),
    ):
        InceptionTower(net, top, tower, way, **bn_param)
        trunk, fork = f"{tower}/{way[-1]['name']}", f"{tower}/mixed"
        both = [
            InceptionTower(net, trunk, fork, [_conv(number, 384, kernel)], **bn_param)
            for number, kernel in enumerate(((1, 3), (3, 1)))
        ]
        ends.append(net[_join(net, fork, both)])
    way = [_pool(pool), _conv(0, 192)]
    ends.append(InceptionTower(net, top, f"{name}/tower_2", way, **bn_param))
    return _join(net, f"{name}/join", ends)


def _join(net: NetSpec, name: str, ends: list[Top]) -> str:
    net[name] = L.Concat(*ends, axis=1)
    return name
