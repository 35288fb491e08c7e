"""What a preflight looks for where a recipe changes the loss of the boxes."""

from __future__ import annotations

from ssd_data.core.errors import InputError
from ssd_data.nets.detection import find_detection_head
from ssd_data.nets.graph import Graph, Node
from ssd_data.proto import caffe_pb2
from ssd_data.training.options import Extras
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.solver_file import SolverFile

LOGISTIC = caffe_pb2.MultiBoxLossParameter.LOGISTIC
LOSSES = ("MultiBoxLoss", "MultiBoxFocalLoss")
_CURE = "ssd-data model … --scores {} writes such nets"


def check_losses(found: Preflight, file: SolverFile, recipe: TrainRecipe, extras: Extras) -> None:
    """That the training net's MultiBoxLoss can be put together anew, and that the test nets score
    classes as it learns them."""
    where = f"--recipe {recipe.origin}"
    losses = [node for node in file.train.nodes if node.type in LOSSES]
    if not losses:
        found.error(where, f"{file.train.origin} has no MultiBoxLoss", "Leave out what is about it")
    for node in losses:
        _check_one(found, node, recipe, where)
        if recipe.matching is not None and not recipe.matching.by_priors:
            _check_maps(found, file.train, node, recipe.matching.kind)
        if recipe.classification is not None:
            _check_scores(found, node, recipe.classification, where)
            for graph in file.tests:
                _check_test(found, node, graph)
    matching = recipe.matching
    if matching is not None and not matching.by_priors and extras.scale_compensation:
        what = f"matching by {matching.kind} has no second stage"
        found.error("--scale-compensation", what, "--no-scale-compensation, or another matching")


def _check_one(found: Preflight, node: Node, recipe: TrainRecipe, where: str) -> None:
    p = node.param.multibox_loss_param
    if not p.share_location:
        what = "share_location is false: each class has boxes of its own, which no recipe is for"
        found.error(node.where, what, f"Train without {where}, or share the locations")
    if p.map_object_to_agnostic:
        what = "map_object_to_agnostic is true, which no recipe is for"
        found.error(node.where, what, f"Train without {where}")
    matching, boxes = recipe.matching, recipe.boxes
    if matching is not None and not matching.by_priors and p.ignore_cross_boundary_bbox:
        what = f"ignore_cross_boundary_bbox is for the net's own matching, not {matching.kind}"
        found.error(node.where, what, "Leave it out, or [matching]")
    if boxes is not None and boxes.kind != "original" and p.bp_inside:
        what = f"bp_inside is for the errors of offsets, not for {boxes.kind}"
        found.error(node.where, what, "Leave bp_inside out, or [boxes]")
    if recipe.classification is not None and node.type != "MultiBoxLoss":
        what = f"its focal_loss_param is not used: the recipe says {recipe.classification.kind}"
        found.warn(node.where, what)


def _check_maps(found: Preflight, graph: Graph, node: Node, kind: str) -> None:
    """The priors are gathered from PriorBox layers: so it is known which map each stands on."""
    try:
        from ssd_data.training.recipe.objective import prior_maps
    except ImportError:
        return  # without PyTorch nothing trains by a recipe
    pairs, _ = prior_maps(graph, node.bottoms[2])
    if odd := [part for part, name in pairs if not name]:
        what = f'"{odd[0]}" is not a PriorBox\'s, so that {kind} cannot tell where its priors stand'
        found.error(node.where, what, "Gather the priors by one Concat, or leave [matching] out")


def _check_scores(found: Preflight, node: Node, classes: object, where: str) -> None:
    p = node.param.multibox_loss_param
    kind, needs = getattr(classes, "kind", ""), getattr(classes, "needs_sigmoid", False)
    if needs and p.conf_loss_type != LOGISTIC:
        found.error(
            f"{where}: classification",
            f"{kind} needs a net whose classes have a sigmoid each, and {node.where} has a softmax",
            f"{_CURE.format('sigmoid')}; or take focal, which is for both",
        )


def _check_test(found: Preflight, node: Node, graph: Graph) -> None:
    """A test net makes of the scores what the loss takes them for."""
    if not graph.nodes:
        return
    try:
        head = find_detection_head(graph)
    except InputError:
        return  # not one detector: nothing is known of it
    p = node.param.multibox_loss_param
    wanted = "sigmoid" if p.conf_loss_type == LOGISTIC else "softmax"
    if head.activation != wanted:
        has = "no softmax or sigmoid" if head.activation == "none" else f"a {head.activation}"
        found.error(
            head.node.where,
            f"{has} gives its scores, and the loss learns those of a {wanted} ({node.where})",
            f"Both must be of one kind, and the deploy net too: {_CURE.format(wanted)}",
        )
