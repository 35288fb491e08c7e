"""A detector's heads, one a feature map, and what follows them in each phase."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ssd_data.core.errors import UsageError
from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import TEST, TRAIN
from ssd_data.proto import caffe_pb2

VARIANCES = (0.1, 0.1, 0.2, 0.2)  # of a prior's centre (x, y) and size (width, height)


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A blob that boxes are predicted from, and its priors.

    Attributes:
        blob: its name.
        min_sizes: sides of the square priors, in pixels of the net's input.
        max_sizes: for each of ``min_sizes`` one of another square of side sqrt(min * max); or none.
        aspect_ratios: of more priors beside the square ones.
        flip: each of ``aspect_ratios`` is also taken upside down.
        norm: where not 0, the heads read ``<blob>_norm``: each place's values made 1 long together
            and multiplied by learned factors, which start with this one (arXiv:1506.04579).
        step: pixels from one prior to the next; 0 where the map's size says it.
    """

    blob: str
    min_sizes: tuple[float, ...] = ()
    max_sizes: tuple[float, ...] = ()
    aspect_ratios: tuple[float, ...] = ()
    flip: bool = True
    norm: float = 0
    step: float = 0

    @property
    def name(self) -> str:
        """The blob that the heads read; it begins their names."""
        return f"{self.blob}_norm" if self.norm else self.blob

    @property
    def priors(self) -> int:
        """How many priors each place has (SSD branch, ``prior_box_layer.cpp``)."""
        ratios = 1 + len(self.aspect_ratios) * (2 if self.flip else 1)
        return ratios * len(self.min_sizes) + len(self.max_sizes)


@dataclass(frozen=True, slots=True)
class Heads:
    """How the heads of a family look.

    Attributes:
        kernel: their convolutions' side.
        suffix: ends the names of the heads' layers and of the blobs that gather them.
        conf_name: ends the names of the layers that predict classes, not of their blobs.
        depthwise: a depthwise unit goes before each of their convolutions (SSDLite).
        conf_lr_mult: of the layers that predict classes; None as the net's others.
    """

    kernel: int = 1
    suffix: str = ""
    conf_name: str = ""
    depthwise: bool = False
    conf_lr_mult: float | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """What becomes of the class scores, and what counts as a match.

    Attributes:
        logistic: each class has its own sigmoid; else all share a softmax.
        overlap: Jaccard overlap from which a prior matches a box.
        neg_overlap: overlap below which a prior may be a negative.
    """

    logistic: bool = False
    overlap: float = 0.5
    neg_overlap: float = 0.5


@dataclass(frozen=True, slots=True)
class Output:
    """DetectionOutput's thresholds.

    Attributes:
        nms_threshold: Jaccard overlap from which the lower-scored box goes.
        top_k: boxes of one class that go into the suppression.
        keep_top_k: boxes of a picture that come out.
        confidence_threshold: lower scores are left out at once.
    """

    nms_threshold: float
    top_k: int
    keep_top_k: int
    confidence_threshold: float


def with_sizes(maps: Iterable[FeatureMap], min_sizes: tuple[float, ...]) -> list[FeatureMap]:
    """The maps with other sides of their priors, given for all maps in a row; none keep their own.

    Raises:
        UsageError: there are more or fewer than the maps have.
    """
    maps = list(maps)
    if not min_sizes:
        return maps
    wanted = sum(len(m.min_sizes) for m in maps)
    if len(min_sizes) != wanted:
        raise UsageError(
            f"{len(min_sizes)} sizes, but the feature maps have {wanted}",
            where="--min-sizes",
            hint="Give one for each of "
            + ", ".join(f"{m.blob} ({len(m.min_sizes)})" for m in maps),
        )
    rest = iter(min_sizes)
    return [replace(m, min_sizes=tuple(next(rest) for _ in m.min_sizes)) for m in maps]


def rising_maps(blobs: Iterable[str], sizes: tuple[float, ...], end: float) -> list[FeatureMap]:
    """Maps of one size each; a map's max_size is the next map's min_size, the last one's ``end``.

    Raises:
        UsageError: there are more or fewer sizes than maps.
    """
    maps = with_sizes([FeatureMap(blob, min_sizes=(0.0,)) for blob in blobs], sizes)
    tops = zip(maps, (*sizes[1:], end), strict=True)
    return [replace(one, max_sizes=(high,)) for one, high in tops]


def with_shapes(
    maps: Iterable[FeatureMap],
    max_sizes: tuple[float, ...],
    aspect_ratios: tuple[tuple[float, ...], ...],
) -> list[FeatureMap]:
    """The maps with other max_sizes, given in a row, and other ratios, map by map or one for all.

    Raises:
        UsageError: there are more or fewer than the maps have.
    """
    maps = list(maps)
    wanted = sum(len(m.max_sizes) for m in maps)
    if max_sizes and len(max_sizes) != wanted:
        raise UsageError(
            f"{len(max_sizes)} sizes, but the feature maps have {wanted}", where="--max-sizes"
        )
    if len(aspect_ratios) not in (0, 1, len(maps)):
        raise UsageError(
            f"ratios of {len(aspect_ratios)} maps, but there are {len(maps)}",
            where="--aspect-ratios",
            hint="Part the maps by /, in the order " + ", ".join(m.blob for m in maps),
        )
    rest = iter(max_sizes)
    if max_sizes:
        maps = [replace(m, max_sizes=tuple(next(rest) for _ in m.max_sizes)) for m in maps]
    if aspect_ratios:
        each = aspect_ratios * (len(maps) // len(aspect_ratios))
        maps = [replace(m, aspect_ratios=own) for m, own in zip(maps, each, strict=True)]
    for one in maps:
        _require_different(one)
    return maps


def _require_different(one: FeatureMap) -> None:
    """Caffe leaves out a ratio that is there already, and then the heads would not fit."""
    known = [1.0]
    for ratio in one.aspect_ratios:
        if any(abs(ratio - other) < 1e-6 for other in known):
            raise UsageError(
                f"{one.name} has the ratio {ratio:g} already",
                where="--aspect-ratios",
                hint="1 is always there" + ("; so is 1/r for each r" if one.flip else ""),
            )
        known += [ratio, 1 / ratio] if one.flip else [ratio]


def ssd_maps(
    blobs: Iterable[str], size: tuple[int, int], min_sizes: tuple[float, ...] = ()
) -> list[FeatureMap]:
    """Six maps with priors as the SSD of TensorFlow's models has them, and chuanqi305 after it.

    Sides run from 0.2 to 0.95 of the picture's shorter side in equal steps; a map's max_size is the
    next map's min_size. The first map has three priors, the others six. Sides are whole pixels:
    Caffe's PriorBox cuts off the rest, and OpenCV's does not.
    """
    blobs, side = list(blobs), float(min(size))
    steps = len(blobs) - 1
    scales = [0.2 + 0.75 * i / steps for i in range(steps + 1)]
    sizes = min_sizes or tuple(float(round(side * scale)) for scale in scales)
    first, *others = rising_maps(blobs, sizes, side)
    return [
        replace(first, max_sizes=(), aspect_ratios=(2.0,)),
        *(replace(one, aspect_ratios=(2.0, 3.0)) for one in others),
    ]


def add_heads(
    net: NetBuilder, maps: Iterable[FeatureMap], num_classes: int, how: Heads
) -> tuple[str, str, str]:
    """Heads and priors of all maps, then what gathers them.

    Returns:
        names of the blobs with all offsets, all class scores, all priors.

    Raises:
        UsageError: a prior's max_size is not above its min_size, which Caffe refuses.
    """
    maps = list(maps)
    for one in maps:
        _require_rising(one)
        if one.norm:
            _normalize(net, one)
        _head(net, one, "loc" + how.suffix, one.priors * 4, how)
        _head(net, one, "conf" + how.suffix, one.priors * num_classes, how, how.conf_name)
        _priors(net, one)
    gathered = []
    for what in ("loc" + how.suffix, "conf" + how.suffix):
        gathered.append(f"mbox_{what}")
        bottoms = [f"{one.name}_mbox_{what}_flat" for one in maps]
        net.add("Concat", gathered[-1], bottoms).concat_param.axis = 1
    bottoms = [f"{one.name}_mbox_priorbox" for one in maps]
    net.add("Concat", "mbox_priorbox", bottoms).concat_param.axis = 2
    return gathered[0], gathered[1], "mbox_priorbox"


def _head(
    net: NetBuilder, one: FeatureMap, what: str, outputs: int, how: Heads, ending: str = ""
) -> None:
    blob = f"{one.name}_mbox_{what}"
    bottom, lr_mult = one.name, how.conf_lr_mult if what.startswith("conf") else None
    if how.depthwise:
        bottom = _head_depthwise(net, f"{blob}/depthwise", bottom)
    net.convolution(blob + ending, bottom, outputs, how.kernel, lr_mult=lr_mult, top=blob)
    net.add("Permute", f"{blob}_perm", [blob]).permute_param.order.extend([0, 2, 3, 1])
    net.add("Flatten", f"{blob}_flat", [f"{blob}_perm"]).flatten_param.axis = 1


def _head_depthwise(net: NetBuilder, name: str, bottom: str) -> str:
    """A depthwise unit whose BatchNorm stays even where the rest of the net is merged."""
    channels = net.channels[bottom]
    net.convolution(name, bottom, channels, 3, group=channels, bias=False)
    net.batch_norm(name, name)
    net.activate(f"{name}/relu", name)
    return name


def _require_rising(one: FeatureMap) -> None:
    for low, high in zip(one.min_sizes, one.max_sizes, strict=False):
        if high <= low:
            raise UsageError(
                f"{one.name} would have a min_size of {low:g} and a max_size of {high:g}",
                where="--min-sizes",
                hint="A map's max_size is the next map's size, unless --max-sizes gives it: let "
                "them rise, below the input's",
            )


def _normalize(net: NetBuilder, one: FeatureMap) -> None:
    param = net.add("Normalize", one.name, [one.blob]).norm_param
    param.across_spatial = param.channel_shared = False
    param.scale_filler.type, param.scale_filler.value = "constant", one.norm
    net.channels[one.name] = net.channels[one.blob]


def _priors(net: NetBuilder, one: FeatureMap) -> None:
    name = f"{one.name}_mbox_priorbox"
    param = net.add("PriorBox", name, [one.name, "data"]).prior_box_param
    param.min_size.extend(one.min_sizes)
    param.max_size.extend(one.max_sizes)
    param.aspect_ratio.extend(one.aspect_ratios)
    param.flip = one.flip
    param.clip = False
    param.variance.extend(VARIANCES)
    if one.step:
        param.step = one.step
    param.offset = 0.5


def loss(net: NetBuilder, heads: tuple[str, str, str], num_classes: int, scores: Scoring) -> None:
    """MultiBoxLoss: three negatives for each positive, by loss."""
    layer = net.add("MultiBoxLoss", "mbox_loss", [*heads, "label"])
    layer.include.add(phase=TRAIN)
    layer.propagate_down.extend([True, True, False, False])
    layer.loss_param.normalization = caffe_pb2.LossParameter.VALID
    param = layer.multibox_loss_param
    if scores.logistic:
        param.conf_loss_type = caffe_pb2.MultiBoxLossParameter.LOGISTIC
    param.loc_weight = 1
    param.num_classes = num_classes
    param.share_location = True
    param.overlap_threshold = scores.overlap
    param.use_prior_for_matching = True
    param.background_label_id = 0
    param.use_difficult_gt = True
    param.neg_pos_ratio = 3
    param.neg_overlap = scores.neg_overlap
    param.code_type = caffe_pb2.PriorBoxParameter.CENTER_SIZE


def detections(
    net: NetBuilder, heads: tuple[str, str, str], num_classes: int, scores: Scoring, output: Output
) -> str:
    """Scores to probabilities, then DetectionOutput.

    Returns:
        the name of the blob with the detections.
    """
    loc, conf, priors = heads
    reshape = net.add("Reshape", "mbox_conf_reshape", [conf]).reshape_param
    reshape.shape.dim.extend([0, -1, num_classes])
    if scores.logistic:
        score = net.add("Sigmoid", "mbox_conf_sigmoid", ["mbox_conf_reshape"])
    else:
        score = net.add("Softmax", "mbox_conf_softmax", ["mbox_conf_reshape"])
        score.softmax_param.axis = 2
    net.add("Flatten", "mbox_conf_flatten", [score.name]).flatten_param.axis = 1
    layer = net.add("DetectionOutput", "detection_out", [loc, "mbox_conf_flatten", priors])
    layer.include.add(phase=TEST)
    param = layer.detection_output_param
    param.num_classes = num_classes
    param.share_location = True
    param.background_label_id = 0
    param.nms_param.nms_threshold = output.nms_threshold
    param.nms_param.top_k = output.top_k
    param.code_type = caffe_pb2.PriorBoxParameter.CENTER_SIZE
    param.keep_top_k = output.keep_top_k
    param.confidence_threshold = output.confidence_threshold
    return layer.name


def evaluation(net: NetBuilder, num_classes: int) -> None:
    """DetectionEvaluate at a Jaccard overlap of 0.5, difficult boxes left out."""
    layer = net.add("DetectionEvaluate", "detection_eval", ["detection_out", "label"])
    layer.include.add(phase=TEST)
    param = layer.detection_evaluate_param
    param.num_classes = num_classes
    param.background_label_id = 0
    param.overlap_threshold = 0.5
    param.evaluate_difficult_gt = False
