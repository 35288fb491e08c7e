"""What a preflight looks for in nets: shapes, heads, and what weights and snapshots would give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssd_data.core.errors import InputError
from ssd_data.core.optional import install_line
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.matching import match
from ssd_data.nets.sizes import side_multiple
from ssd_data.proto import caffe_pb2
from ssd_data.training.preflight.data import ANNOTATED, Shape, Source, picture_shape
from ssd_data.training.preflight.report import Loaded, Preflight
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.snapshots import HDF5, learned_net, read_snapshot

if TYPE_CHECKING:
    from ssd_data.engines.torch.shapes import Shapes

CLASSES = {
    "MultiBoxLoss": "multibox_loss_param",
    "MultiBoxFocalLoss": "multibox_loss_param",
    "DetectionOutput": "detection_output_param",
}


def check_shapes(found: Preflight, graph: Graph, sources: Sequence[Source]) -> Shapes | None:
    """Every layer that does not fit what it reads, and the heads map by map.

    Returns:
        what is known of the net; None without PyTorch.
    """
    try:
        from ssd_data.engines.torch.shapes import infer_shapes
    except ImportError:
        found.warn(
            graph.origin,
            "shapes and weights are not checked: that needs PyTorch",
            install_line("torch"),
        )
        return None
    shapes = infer_shapes(graph, _given(sources))
    if shapes.errors:
        _check_sides(found, graph, sources)
    blamed = {
        node.where
        for node in graph.nodes
        if node.type in CLASSES and _check_heads(found, graph, node, shapes)
    }
    # Of a head's sum there is no need to say what was said of a part; nor of a missing file twice.
    missing = tuple(f"{path.stated}: " for path in found.paths if not path.there)
    for error in shapes.errors:
        if error.where not in blamed and not error.what.startswith(missing):
            found.take(error)
    return shapes


def _check_sides(found: Preflight, graph: Graph, sources: Sequence[Source]) -> None:
    """A net that adds up maps of several sizes takes some sides alone."""
    multiple = side_multiple(graph)
    for source in sources:
        shape = picture_shape(source)
        if shape is None or not any(side % multiple for side in shape[2:]):
            continue
        height, width = shape[2:]
        near = [max(round(side / multiple), 1) * multiple for side in (width, height)]
        what = f"pictures of {width}x{height}, but sides have to be multiples of {multiple}"
        hint = f"It adds up maps that were halved: {near[0]}x{near[1]} would do"
        found.error(source.node.where, what, hint)


def _given(sources: Sequence[Source]) -> dict[str, Shape | None]:
    """What the data layers give, none of which is opened; a classifier's reads its own."""
    given: dict[str, Shape | None] = {}
    for source in sources:
        if source.node.type == ANNOTATED:
            shapes = [picture_shape(source), (1, 1, 1, 8)]
        elif source.path is None:
            shapes = [None, None]
        else:
            continue
        given.update(zip(source.node.tops, shapes, strict=False))
    return given


# ---- heads ----


def _check_heads(found: Preflight, graph: Graph, node: Node, shapes: Shapes) -> bool:
    """Each map's locations are priors x 4, its confidences priors x classes; whether one is not."""
    param = getattr(node.param, CLASSES[node.type])
    if len(node.bottoms) < 3 or not param.num_classes:
        return False
    locations = 4 * (1 if param.share_location else param.num_classes)
    parts = [_parts(graph, blob) for blob in node.bottoms[:3]]
    if len({len(part) for part in parts}) > 1:
        return False  # not gathered map by map: the sum is judged
    wrong = False
    for loc, conf, prior in zip(*parts, strict=True):
        if prior not in shapes.blobs:
            continue
        priors = math.prod(shapes.blobs[prior]) // 8
        for blob, each, what in (
            (loc, locations, "locations"),
            (conf, param.num_classes, "confidences"),
        ):
            if blob in shapes.blobs and math.prod(shapes.blobs[blob][1:]) != priors * each:
                wrong = True
                _blame_head(found, graph, shapes, blob, priors, each, what)
    return wrong


def _blame_head(
    found: Preflight, graph: Graph, shapes: Shapes, blob: str, priors: int, each: int, what: str
) -> None:
    head = next((n for n in _way_up(graph, blob) if n.type.endswith("Convolution")), None)
    counted = math.prod(shapes.blobs[blob][1:])
    if head is None or head.tops[0] not in shapes.blobs:
        found.error(f"{graph.origin}: {blob}", f"{counted} {what} for {priors} priors x {each}")
        return
    places = math.prod(shapes.blobs[head.tops[0]][2:])
    has = head.param.convolution_param.num_output
    a_place = priors // max(places, 1)
    found.error(
        head.where,
        f"num_output is {has}, but {a_place} priors a place x {each} {what} are {a_place * each}",
        "Is num_classes right, background included? ssd-data model writes nets that fit",
    )


def _parts(graph: Graph, blob: str) -> list[str]:
    """The blobs that are gathered into one, map by map."""
    concat = next((n for n in _way_up(graph, blob) if n.type == "Concat"), None)
    return list(concat.bottoms) if concat is not None else [blob]


def _way_up(graph: Graph, blob: str) -> Iterator[Node]:
    """The layers that made a blob, from the last, as long as each has one bottom."""
    for index in reversed(graph.needed([blob])):
        yield graph.nodes[index]
        if len(graph.nodes[index].bottoms) != 1:
            return


# ---- nets and what they take ----


def check_sharing(found: Preflight, train: Shapes, test: Shapes, origin: str) -> None:
    """Layers of one name have parameters of one shape in the training and a test net."""
    theirs = {slot.name: slot for slot in train.slots}
    for slot in test.slots:
        other = theirs.get(slot.name)
        if other is not None and other.shapes != slot.shapes:
            found.error(
                slot.where,
                f"its parameters are {_text(slot.shapes)}, but {_text(other.shapes)} in the "
                f"training net ({other.where})",
                "Both nets must be of one kind and size: ssd-data model writes them together",
            )
    if missing := [slot.name for slot in test.slots if slot.name not in theirs]:
        found.warn(
            origin,
            f'its layer "{missing[0]}" is not in the training net: it is tested untrained'
            + (f"; so are {len(missing) - 1} more" if len(missing) > 1 else ""),
            "Rename it, if it is meant to be another",
        )


def check_weights(
    found: Preflight,
    train: Shapes | None,
    files: Sequence[Path],
    skip_mismatch: bool,
    engine: str = "torch",
) -> None:
    """What the caffemodels would give; arrays of other shapes are errors unless skipped. One in
    HDF5 is Caffe's to read."""
    for file in files:
        path = found.locate("weights", str(file), "--weights")
        if path is None or (engine == "caffe" and path.suffix == HDF5):
            continue
        try:
            model = read_caffemodel(path)
            if train is None:
                continue
            result = match(model, train.slots, skip_mismatch=True)
        except InputError as error:
            found.take(error)
            continue
        new = result.new if train.whole else []  # else the net's own list is not complete
        left = result.left_out if train.whole else []
        loaded = Loaded(str(file), result.kept, new, left, result.mismatched)
        found.weights.append(loaded)
        for line in result.mismatched if not skip_mismatch else ():
            found.error(
                file,
                f"arrays of another shape, layer {line}",
                "Start such layers anew with --skip-mismatch, or rename them",
            )


def check_resume(
    found: Preflight,
    train: Shapes | None,
    resume: Path,
    param: caffe_pb2.SolverParameter,
    kept: int,
    engine: str = "torch",
) -> Mapping[str, Any]:
    """A solver state is this net's and this solver type's, and its caffemodel is there. One in HDF5
    is Caffe's to read.

    Args:
        kept: how many arrays of history a parameter has.

    Returns:
        the resume state beside it.
    """
    path = found.locate("snapshot", str(resume), "--resume")
    if path is None or (engine == "caffe" and path.suffix == HDF5):
        return {}
    try:
        snapshot = read_snapshot(path)
    except InputError as error:
        found.take(error)
        return {}
    done = snapshot.progress.iteration
    if done >= param.max_iter:
        found.warn(path, f"it is of iteration {done}, max_iter is {param.max_iter}: nothing to do")
    if train is not None and train.whole:
        wanted = train.parameters * kept
        if len(snapshot.history) != len(wanted):
            found.error(
                path,
                f"it holds {len(snapshot.history)} arrays of history, this solver {len(wanted)}",
                "Is it a snapshot of this net and this solver type?",
            )
        elif any(a.size != math.prod(b) for a, b in zip(snapshot.history, wanted, strict=True)):
            found.error(path, "its history has other shapes than the net")
    try:
        model = learned_net(snapshot, path)
    except InputError as error:
        found.take(error)
    else:
        check_weights(found, train, [model], skip_mismatch=False)
    return snapshot.resume_state


def histories(param: caffe_pb2.SolverParameter, recipe: TrainRecipe | None) -> int:
    """How many arrays of history a parameter has; 1 where the solver's type is not known, or
    PyTorch is not there."""
    if recipe is not None and recipe.optimiser is not None:
        return recipe.optimiser.histories
    try:
        from ssd_data.training.updates import find_type

        return find_type(param).histories
    except (ImportError, InputError):
        return 1


def snapshot_size(train: Shapes | None, kept: int) -> int:
    """Bytes of a snapshot's two files, about, with ``kept`` arrays of history a parameter; 0 where
    the net is not known."""
    if train is None:
        return 0
    return 4 * sum(map(math.prod, train.parameters)) * (1 + kept)


def _text(shapes: tuple[Shape, ...]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes)
