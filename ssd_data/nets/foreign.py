"""Fields that the SSD branch does not know: which of them change nothing, and which do.

Forks of Caffe added fields to its messages. One that says how fast a layer computes, on what, or
how its numbers are quantised for a chip leaves the net as it is, and so does one that says what is
meant without it. Any other may make another net of it, so a layer that has one is refused. The
lists are of the ``caffe.proto`` of BVLC, NVIDIA, Intel, Cambricon, MNN, PSPNet, TextBoxes++,
MobileNet-YOLO and RefineDet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.legible import QUOTE, legible
from ssd_data.proto import caffe_pb2


@dataclass(slots=True)
class ForeignField:
    """One such field, where it stands, or a field that stands a second time.

    Attributes:
        scope: the message it stands in, such as ``PoolingParameter``.
        name: its own. line: where it stands. value: its text, of a message all of it.
        layer: index of the layer in the file; None outside of layers.
        first: the line where it stood first, if the message has it and only one; else 0.
    """

    scope: str
    name: str
    line: int
    layer: int | None = None
    value: str = ""
    first: int = 0


# Whatever they say, the net is the same: engines, precision, memory, seeds, caches, messages.
_ANY = {
    "NetParameter": "default_forward_type default_backward_type default_forward_math "
    "default_backward_math default_conv_algos_override default_cudnn_math_override "
    "eltwise_mem_sharing global_grad_scale global_grad_scale_adaptive reduce_buckets "
    "compile_net_state multinode opt_level top_mlu_dtype debug_dtype mem_param optimize_mem "
    "profile_info profile_iter profile_warmup",
    "SolverParameter": "layer_wise_reduce solver_data_type store_blobs_in_old_format larc_turbo "
    # these say how, where another field says that it is done
    "larc_eta larc_policy local_gw_ratio momentum_power max_momentum weight_decay_power "
    "max_weight_decay rampup_lr warmup_start_lr",
    "LayerParameter": "forward_type backward_type forward_math backward_math debug "
    "cudnn_math_override multinode mn_activation_param mn_grad_compress_param trt_param "
    "blobs_dtype bottom_mlu_dtype top_mlu_dtype datatype debug_dtype external_output showtop "
    "sparsity",
    "BlobProto": "cpu_data_type ipu_data_type ipu_offset ipu_position",
    "ConvolutionParameter": "conv_algorithm conv_algos_override cudnn_convolution_algo_seeker "
    "paramq params scale_in scale_out a_min a_max ipu_sparse sparse_mode input_x8_position "
    "output_x8_position",
    "InnerProductParameter": "paramq params scale_in scale_out a_min a_max ipu_sparse sparse_mode "
    "input_x8_position output_x8_position",
    "LRNParameter": "input_x8_position output_x8_position",
    "ConcatParameter": "per_fla_fuse",
    "RecurrentParameter": "sparse_mode",
    "DropoutParameter": "random_seed",
    "AnnotatedDataParameter": "yolo_data_jitter",  # with another yolo_data_type
    "DataParameter": "threads parser_threads cache precache",
    "ImageDataParameter": "threads cache precache iterations",
    "TransformationParameter": "use_gpu_transform random_seed display debug_params",
}
# With these words they say what is meant without them.
_NEUTRAL = {
    "SolverParameter": {
        "larc": "false", "local_lr_auto": "false", "momentum_policy": "fixed", "min_lr": "0",
        "weight_decay_policy": "fixed", "rampup_interval": "0", "warmup_iter": "0",
        "disabled_update": "false", "test_offset": "0", "test_and_snapshot_last_epochs": "0",
        "apply_fixbit": "false",
    },
    "ArgMaxParameter": {"softmax_threshold": "false"},
    "BatchNormParameter": {
        "relu": "false", "stats_batch_size": "0", "use_alpha_beta": "false",
        "update_global_stats": "false",
    },
    "ConvolutionParameter": {
        "relu": "false", "negative_slope": "0", "half_pad": "false", "same_mode": "false",
        "yuv_input": "false", "input_format": "BGR", "fusion_type": "NONE_FUSION",
    },
    "DetectionOutputParameter": {
        "use_polygon": "false", "clip": "false", "normalized_bbox": "true", "normalized": "true",
    },
    "DropoutParameter": {"scale_train": "true", "sample_weights_test": "false"},
    "ELUParameter": {"lambda": "1"},
    "InnerProductParameter": {"relu": "false", "negative_slope": "0", "normalize": "false"},
    "LossParameter": {
        "label_smoothing": "0", "pre_fixed_normalizer": "1", "weight_by_label_freqs": "false",
    },
    "MultiBoxLossParameter": {"use_polygon": "false", "ignore_difficult_gt": "false"},
    "PoolingParameter": {"axis": "1", "dilation": "1", "torch_pooling": "false"},
    "PriorBoxParameter": {
        "denser_prior_boxes": "false", "reduce_boxes": "false", "p_type": "CLASSIC",
    },
    "ReLUParameter": {"fuse": "false", "upper_limit": "0"},
    "ReshapeParameter": {"pixelshuffler": "1"},
    "DataParameter": {"shuffle": "false", "label_size": "0"},
    "ImageDataParameter": {
        "min_height": "0", "min_width": "0", "short_side": "0", "label_num": "1", "att_num": "1",
    },
    "AnnotatedDataParameter": {
        "train_diffcult": "true", "difficult_label_warmup": "false", "yolo_data_type": "0",
    },
    "TransformationParameter": {
        "allow_upscale": "false", "bgr2rgb": "false", "cvt_bgr2rgb": "false", "flow": "false",
        "pad": "0", "enable_classf_aug": "false", "contrast_brightness_adjustment": "false",
        "smooth_filtering": "false", "max_rotation_angle": "0", "img_rand_resize_lower": "0",
        "img_rand_resize_upper": "0", "rand_resize_ratio_lower": "0",
        "rand_resize_ratio_upper": "0", "vertical_stretch_lower": "1",
        "vertical_stretch_upper": "1", "horizontal_stretch_lower": "1",
        "horizontal_stretch_upper": "1", "num_labels": "0", "forward_packing": "NCHW",
    },
}  # fmt: skip
# What only begins or changes what is learned: nothing where nothing is.
_LEARNING = {
    "BatchNormParameter": {"stats_batch_size", "update_global_stats"},
    "FillerParameter": {"scale"},
    "NetParameter": {"bn_stats_batch_size"},
    "LayerParameter": {"spatial_dropout_param"},
}
_CURES = {
    "ConvolutionParameter.relu": "Write a ReLU layer behind it, with its negative_slope",
    "InnerProductParameter.relu": "Write a ReLU layer behind it, with its negative_slope",
    "BatchNormParameter.relu": "Write a ReLU layer behind it",
    "PoolingParameter.torch_pooling": "NVCaffe itself passes over it; to round sizes down, write "
    "ceil_mode: false",
    "ReLUParameter.threshold": "For a ReLU up to 6 write a layer of type ReLU6",
    "ReLUParameter.upper_limit": "For a ReLU up to 6 write a layer of type ReLU6",
    "DropoutParameter.scale_train": "Values are scaled when it learns, as Caffe does it",
    "DetectionOutputParameter.objectness_score": "A RefineDet is another net than an SSD",
    "MultiBoxLossParameter.objectness_score": "A RefineDet is another net than an SSD",
}
_TRUTH = {"t": "1", "true": "1", "f": "0", "false": "0"}


def changes_nothing(field: ForeignField, learns: bool) -> bool:
    """Whether the net is the same without a field.

    >>> changes_nothing(ForeignField("PoolingParameter", "engine", 1), False)
    True

    Args:
        learns: whether its layer takes part in a training.
    """
    scope, name = field.scope.replace("V1Layer", "Layer"), field.name
    if field.first:
        return False
    if name == "engine" or "quant" in name or name in _ANY.get(scope, "").split():
        return True
    if not learns and name in _LEARNING.get(scope, ()):
        return True
    neutral = _NEUTRAL.get(scope, {}).get(name)
    return neutral is not None and _plain(field.value) == _plain(neutral)


def _plain(value: str) -> str | float:
    word = value.strip("\"'").lower()
    try:
        return float(_TRUTH.get(word, word))
    except ValueError:
        return word


def faults_of(
    fields: Iterable[ForeignField], origin: str, layer: str = "", learns: bool = True
) -> Iterator[InputError]:
    """An error for each field that may change what a net computes, or what it learns.

    Args:
        layer: the name of the layer that they stand in; empty outside of layers.
    """
    for field in fields:
        if not changes_nothing(field, learns):
            where = f"{origin}:{field.line}"
            yield _error(field, where if field.layer is None else f'{where} (layer "{layer}")')


def refuse(
    fields: Iterable[ForeignField], origin: str, layer: str = "", learns: bool = True
) -> None:
    """Refuse such fields.

    Raises:
        InputError: there is one; it names file, line, layer, field, and the cure.
    """
    for fault in faults_of(fields, origin, layer, learns):
        raise fault


def _error(field: ForeignField, where: str) -> InputError:
    name = legible(field.name, QUOTE)
    if field.first:
        return InputError(
            f'"{name}" stands in line {field.first} already; it can stand once',
            where=where,
            hint="Leave one of them: the SSD branch has no choice among several",
        )
    value = legible(field.value, QUOTE)
    said = f"{name}: {value}" if value and not value.startswith("{") else name
    hint = _CURES.get(f"{field.scope}.{field.name}", "")
    near = get_close_matches(field.name, _names(field.scope), n=1, cutoff=0.8)
    if not hint and near and field.name[:-1] != near[0][:-1]:  # pad_l is no pad_w
        hint = f"Did you mean {near[0]}?"
    return InputError(
        f'"{said}" is no field of {_message(field.scope)} in the SSD branch, and may make another '
        f"{'training' if field.scope == 'SolverParameter' else 'net'} of it",
        where=where,
        hint=hint or "Take it out, if the net is the same without it",
    )


def _message(scope: str) -> str:
    """A message's name as prototxts spell it."""
    if scope in ("NetParameter", "SolverParameter"):
        return f"a {scope[:-9].lower()}"
    if scope.endswith("LayerParameter"):
        return "a layer"
    layer: Any = caffe_pb2.LayerParameter.DESCRIPTOR
    holders = [layer, *layer.file.message_types_by_name.values()]
    holding = (field for holder in holders for field in holder.fields if field.message_type)
    return next((str(f.name) for f in holding if f.message_type.name == scope), scope)


def _names(scope: str) -> list[str]:
    found: Any = caffe_pb2.LayerParameter.DESCRIPTOR.file.message_types_by_name.get(scope)
    return [field.name for field in found.fields] if found is not None else []
