"""VGG-16 (arXiv:1409.1556) without its last layer, as SSD nets have it: fc6 and fc7 convolutions.

fc6 is thinned to 3x3 and dilated (arXiv:1412.7062), so that it sees what 7x7 saw.
"""

from __future__ import annotations

from typing import Any

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.detector import Settings, new_solver
from ssd_data.proto import caffe_pb2

# Stages 1 … 5: channels and convolutions.
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
FC = 1024


def add_vgg(net: NetBuilder, *, keep_size: bool) -> str:
    """``conv1_1`` … ``fc7``.

    Args:
        net: where they go.
        keep_size: the last pooling keeps the size (SSD) instead of halving it (SFD).

    Returns:
        the last blob's name.
    """
    top = "data"
    for stage, (channels, count) in enumerate(STAGES, 1):
        for number in range(1, count + 1):
            top = net.convolution(f"conv{stage}_{number}", top, channels, 3)
            net.activate(f"relu{stage}_{number}", top)
        if stage < len(STAGES) or not keep_size:
            top = net.max_pool(f"pool{stage}", top, 2, 2)
        else:
            top = net.max_pool(f"pool{stage}", top, 3, 1, pad=1)
    top = net.convolution("fc6", top, FC, 3, dilation=6)
    net.activate("relu6", top)
    top = net.convolution("fc7", top, FC)
    net.activate("relu7", top)
    return top


def add_pair(
    net: NetBuilder, number: int, bottom: str, narrow: int, wide: int, *, last: tuple[int, int, int]
) -> str:
    """``conv<number>_1``, 1x1, and ``conv<number>_2`` of ``last``: kernel, stride, pad."""
    kernel, stride, pad = last
    name = f"conv{number}"
    net.convolution(f"{name}_1", bottom, narrow)
    net.activate(f"{name}_1_relu", f"{name}_1")
    net.convolution(f"{name}_2", f"{name}_1", wide, kernel, stride=stride, pad=pad)
    net.activate(f"{name}_2_relu", f"{name}_2")
    return f"{name}_2"


def vgg_solver(settings: Settings, **values: Any) -> caffe_pb2.SolverParameter:
    """SGD, its rate divided by ten twice."""
    return new_solver(
        settings,
        base_lr=0.001,
        max_iter=120000,
        gamma=0.1,
        momentum=0.9,
        weight_decay=0.0005,
        device_id=0,
        stepvalue=[80000, 100000, 120000],
        type="SGD",
        **values,
    )
