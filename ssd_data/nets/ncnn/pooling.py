"""Pooling, with Caffe's sizes."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.geometry import pooled_areas, pooling_window
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes
from ssd_data.nets.ncnn.model import Param
from ssd_data.nets.ncnn.pointwise import MULTIPLY
from ssd_data.proto import caffe_pb2

_P = caffe_pb2.PoolingParameter
VALID = 1  # pad_mode: as many windows as fit, with the padding that is given


@writes("Pooling")
def pooling(step: NcnnStep) -> NcnnBlob:
    """The padding on the far side that makes Caffe's last window whole is written; where an average
    is over less than a window holds, a factor follows."""
    p, shape = step.param.pooling_param, step.picture_map()
    if len(step.node.tops) > 1:
        raise step.error("its mask, the second top, cannot be written for ncnn")
    if p.pool not in (_P.MAX, _P.AVE):
        raise step.error("stochastic pooling is not supported")
    window = pooling_window(step.node, shape[2:])
    kernel, stride = window.kernel, window.stride
    sizes, far = window.pooled(shape[2:]), window.far_pad(shape[2:])
    if min(sizes) < 1 or any(f >= k for f, k in zip(far, kernel, strict=True)):
        raise ValueError("a window would hold nothing of it")
    average = p.pool == _P.AVE
    params: dict[int, Param] = {
        0: int(average), 1: kernel[1], 11: kernel[0], 2: stride[1], 12: stride[0],
        3: window.pad[1], 13: window.pad[0], 14: max(far[1], 0), 15: max(far[0], 0), 5: VALID,
        6: int(average),
    }  # fmt: skip
    made = step.emission.add("Pooling", [step.bottom], (*shape[:2], *sizes), params)
    areas = np.outer(*pooled_areas(step.node, window, shape[2:]))
    if not average or (areas == kernel[0] * kernel[1]).all():
        return made
    factor = np.broadcast_to(kernel[0] * kernel[1] / areas, made.shape).astype(np.float32)
    held = step.emission.constant(factor)
    return step.emission.add("BinaryOp", [made, held], made.shape, {0: MULTIPLY})
