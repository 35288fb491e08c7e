"""What forks write in one layer, in the words and layers of everyone.

- A Pooling that rounds its sizes down says ``ceil_mode: false``, as Cambricon's Caffe and OpenCV
  have it; BVLC's has ``round_mode: FLOOR``.
- A mean over what is no padding says ``count_include_pad: false``, Intel's ``avg_include_pad``.
- A BatchNorm with a Scale within (NVCaffe's ``scale_bias``, Intel's ``use_weight_bias``) becomes a
  BatchNorm and a Scale behind it, and its arrays are parted between both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

Layer = caffe_pb2.LayerParameter
Arrays = list[npt.NDArray[np.float32]]
SCALE = "/scale"  # behind the name of a BatchNorm: its Scale's
_SCALING = ("scale_bias", "scale_filler", "bias_filler", "use_weight_bias", "bias_term", "filler")
_FILLERS = (("filler", "filler"), ("scale_filler", "filler"), ("bias_filler", "bias_filler"))
_ROUNDING = ("round_mode", "ceil_mode")
_PADDING = ("count_include_pad", "avg_include_pad")


def plain_layers(param: Layer, where: str) -> list[Layer]:
    """A layer as everyone writes it: itself, if it is no fork's.

    Raises:
        InputError: it says two things at once.
    """
    if param.type == "Pooling" and any(map(param.pooling_param.HasField, _ROUNDING + _PADDING)):
        param = deepcopy(param)
        _plain_pooling(param.pooling_param, where)
    elif param.type == "BatchNorm" and any(map(param.batch_norm_param.HasField, _SCALING)):
        return _parted(param)
    return [param]


def _plain_pooling(p: caffe_pb2.PoolingParameter, where: str) -> None:
    down = _agreed([
        (p.HasField("round_mode"), p.round_mode == caffe_pb2.PoolingParameter.FLOOR),
        (p.HasField("ceil_mode"), not p.ceil_mode),
    ], _ROUNDING, where)  # fmt: skip
    leaves_out = _agreed(
        [(p.HasField(name), not getattr(p, name)) for name in _PADDING], _PADDING, where
    )
    for name in (*_ROUNDING, *_PADDING):
        p.ClearField(name)
    if down and not p.global_pooling:
        p.ceil_mode = False
    if leaves_out and p.pool == caffe_pb2.PoolingParameter.AVE and max(p.pad, p.pad_h, p.pad_w):
        p.count_include_pad = False


def _agreed(said: Iterable[tuple[bool, bool]], names: Sequence[str], where: str) -> bool:
    """What several fields say, of those that are set."""
    values = {value for given, value in said if given}
    if len(values) > 1:
        raise InputError(f"{' and '.join(names)} contradict one another", where=where)
    return values == {True}


def _parted(param: Layer) -> list[Layer]:
    """A BatchNorm, and the Scale that it says it holds."""
    first, p = deepcopy(param), param.batch_norm_param
    for name in _SCALING:
        first.batch_norm_param.ClearField(name)
    if not (p.use_weight_bias if p.HasField("use_weight_bias") else _scales(p)):
        return [first]
    del first.param[3:]
    if len(first.param) == 3:
        del first.param[:]  # rates for statistics, which are not learned
    top = param.top[:1]
    second = Layer(name=param.name + SCALE, type="Scale", bottom=top, top=top)
    second.scale_param.bias_term = p.bias_term
    for source, target in _FILLERS:
        if p.HasField(source):
            getattr(second.scale_param, target).CopyFrom(getattr(p, source))
    second.param.extend(param.param[3:5])
    if param.HasField("phase"):
        second.phase = param.phase
    return [first, second]


def _scales(p: caffe_pb2.BatchNormParameter) -> bool:
    return p.scale_bias or any(map(p.HasField, ("scale_filler", "bias_filler", "filler")))


def parted_arrays(arrays: Arrays) -> tuple[Arrays, Arrays]:
    """A BatchNorm's arrays as Caffe has them (mean, variance, factor), and those of a Scale.

    Of five arrays the last has one value in NVCaffe up to 0.15 (scale, bias, mean, variance, and
    one that is not used); else they are mean, variance, factor, scale, bias, and of four the
    factor, or Intel's bias, is missing. Of two both are statistics.
    """
    count, one = len(arrays), np.ones(1, np.float32)
    flat = [array.reshape(-1) for array in arrays]
    if count == 2:
        return [*flat, one], []
    if count == 4 and (flat[2].size > 1 or flat[0].size == 1):
        return [*flat[:2], one], flat[2:]
    if count == 4:
        return flat[:3], flat[3:]
    if count != 5:
        return arrays, []
    if flat[4].size == 1 and (flat[0].size > 1 or flat[2].tolist() != [1]):
        return [flat[2], flat[3], one], flat[:2]
    return [*flat[:2], flat[2] if flat[2].any() else one], flat[3:]
