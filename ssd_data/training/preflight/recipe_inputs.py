"""What a preflight looks for where a recipe changes what a net is fed, or gives it a teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_data.core.errors import InputError
from ssd_data.nets.detection import DetectionHead, find_detection_head
from ssd_data.nets.graph import Node
from ssd_data.nets.sizes import fixed_size, side_multiple
from ssd_data.proto import caffe_pb2
from ssd_data.training.options import Extras
from ssd_data.training.preflight.data import ANNOTATED, Shape, Source, picture_shape
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import Augmentation, Distillation, InputSizes
from ssd_data.training.solver_file import SolverFile

if TYPE_CHECKING:
    from ssd_data.engines.torch.shapes import Shapes

_FIXED = ("img_size", "img_h", "img_w")
_LOSSES = ("MultiBoxLoss", "MultiBoxFocalLoss")


def check_sizes(
    found: Preflight, file: SolverFile, how: InputSizes, sources: Sequence[Source], where: str
) -> None:
    """That the data layers resize to a size that can be another, and the net takes all of them."""
    annotated = [source for source in sources if source.node.type == ANNOTATED]
    if not annotated:
        found.error(where, f"{file.train.origin} has no AnnotatedData layer", "Leave [input] out")
    for node in file.train.nodes:
        fixed = [name for name in _FIXED if node.param.prior_box_param.HasField(name)]
        if node.type == "PriorBox" and fixed:
            what = f"{fixed[0]} keeps the priors from following the input"
            found.error(node.where, what, f"Leave {fixed[0]} out, or [input]")
    for source in annotated:
        param = source.node.param.transform_param
        resize, size = param.resize_param, fixed_size(param)
        if size is None or size != (resize.height, resize.width):
            what = "has no resize_param that says the input's size alone"
            found.error(source.node.where, what, "Pictures of several sizes need one, and no crop")
            continue
        for width, height in dict.fromkeys(how.sizes(resize.width, resize.height)):
            _check_size(found, file, source, (width, height), where)


def _check_size(
    found: Preflight, file: SolverFile, source: Source, size: tuple[int, int], where: str
) -> None:
    from ssd_data.engines.torch.shapes import infer_shapes

    own = picture_shape(source)
    if own is None or len(source.node.tops) < 2:
        return
    given: dict[str, Shape | None] = {
        source.node.tops[0]: (*own[:2], size[1], size[0]),
        source.node.tops[1]: (1, 1, 1, 8),
    }
    for error in infer_shapes(file.train, given).errors[:1]:
        what = f"the net does not take pictures of {size[0]}x{size[1]}: {error.where}: {error.what}"
        multiple = side_multiple(file.train)
        other = f"to multiples of {multiple}" if multiple > 1 else "to another multiple"
        found.error(where, what, f"Leave that scale out, or round {other}")


def check_rest(
    found: Preflight, file: SolverFile, how: Augmentation, sources: Sequence[Source], where: str
) -> None:
    """That there is something that can rest."""
    annotated = [source for source in sources if source.node.type == ANNOTATED]
    if not annotated:
        what = f"{file.train.origin} has no AnnotatedData layer"
        found.error(where, what, "Leave [augmentation] out")
    for source in annotated:
        param = source.node.param.transform_param
        there = {
            "distort": param.HasField("distort_param"),
            "expand": param.HasField("expand_param"),
            "noise": param.HasField("noise_param"),
            "crop": bool(source.node.param.annotated_data_param.batch_sampler),
        }
        strong = any(element.strong for element in how.elements())
        if how.close and not strong and not any(there[step] for step in how.rest):
            what = f"has nothing of what is to rest: {', '.join(how.rest) or 'no step is named'}"
            found.warn(source.node.where, what, "Say in [augmentation] rest what it has")


def check_teacher(
    found: Preflight,
    file: SolverFile,
    how: Distillation,
    extras: Extras,
    shapes: Shapes | None,
    where: str,
) -> None:
    """That the teacher can be had, and answers what the net is asked."""
    net = found.locate("teacher", how.net, where)
    weights = found.locate("teacher's weights", how.weights, where)
    if extras.compile and how.features:
        what = "maps inside of the net cannot be compared where it is compiled"
        found.error(f"{where}: features", what, "Leave out --compile, or features")
    if how.features and not how.maps:
        found.error(f"{where}: maps", "no blobs are named to compare", "Say maps, or features = 0")
    if net is None or weights is None or shapes is None:
        return
    loss = next((node for node in file.train.nodes if node.type in _LOSSES), None)
    if loss is None or len(loss.bottoms) < 3:
        found.error(where, f"{file.train.origin} has no MultiBoxLoss", "Leave [distillation] out")
        return
    try:
        _compare(found, how, net, weights, loss, shapes, where)
    except InputError as error:
        found.take(error)


def _check_meaning(found: Preflight, loss: Node, head: DetectionHead, where: str) -> None:
    """Scores and locations of both nets mean the same."""
    p, theirs = loss.param.multibox_loss_param, head.settings
    scores = "sigmoid" if p.conf_loss_type == p.LOGISTIC else "softmax"
    if head.activation not in (scores, "none"):
        what = f"the teacher's scores are those of a {head.activation}, the net's of a {scores}"
        found.error(where, what, "Both must score classes in the same way")
    code = caffe_pb2.PriorBoxParameter.CodeType.Name(p.code_type)
    own = (code, p.encode_variance_in_target)
    if (theirs["code_type"], theirs["variance_encoded_in_target"]) != own:
        what = f"the teacher's locations are of code_type {theirs['code_type']}, the net's {code}"
        found.error(where, what, "Both must say boxes in the same way")


def _compare(
    found: Preflight,
    how: Distillation,
    net: Path,
    weights: Path,
    loss: Node,
    shapes: Shapes,
    where: str,
) -> None:
    from ssd_data.engines.torch.shapes import infer_shapes
    from ssd_data.nets.caffemodel import read_caffemodel
    from ssd_data.nets.edit.deploy_form import read_deploy_form
    from ssd_data.nets.matching import match

    graph = read_deploy_form(net, weights)
    head, theirs = find_detection_head(graph), infer_shapes(graph, {})
    for error in theirs.errors[:1]:
        found.take(error)
    _check_meaning(found, loss, head, where)
    result = match(read_caffemodel(weights), theirs.slots, skip_mismatch=True)
    for line in (*result.mismatched, *result.new):
        what = f"the teacher's weights do not fit its net: layer {line}"
        found.error(f"{where}: weights", what, "Give the caffemodel of that net")
        break
    names = ("locations", "confidences", "priors")
    pairs = zip(
        loss.bottoms[:3], (head.locations, head.confidences, head.priors), names, strict=True
    )
    for own, other, what in pairs:
        counts = [
            math.prod(table.blobs[blob][1:]) if blob in table.blobs else 0
            for table, blob in ((shapes, own), (theirs, other))
        ]
        if all(counts) and counts[0] != counts[1]:
            text = f"the teacher has {counts[1]} {what}, the net {counts[0]}"
            hint = "Both must have the same classes, input, feature maps and priors"
            found.error(where, text, hint)
    for name in how.maps if how.features else ():
        sizes = [table.blobs.get(name, ())[2:] for table in (shapes, theirs)]
        if len(sizes[0]) != 2 or sizes[0] != sizes[1]:
            text = f'"{name}" is no map of one size in both nets'
            found.error(f"{where}: maps", text, "Name blobs that both have")
