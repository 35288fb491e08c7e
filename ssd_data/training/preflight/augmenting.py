"""What a preflight looks for where a recipe augments: elements and sizes that data layers and net
can have."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.batches.composer import faults
from ssd_data.nets.graph import Graph
from ssd_data.training.options import Extras
from ssd_data.training.preflight.data import ANNOTATED, Source, picture_shape
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.augmenting import elements_of, sizes_of
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.solver_file import SolverFile

_FIXED = ("img_size", "img_h", "img_w")


def check_augmentation(
    found: Preflight,
    file: SolverFile,
    recipe: TrainRecipe,
    train: Sequence[Source],
    extras: Extras,
    world: int,
) -> None:
    """That the training net's data layers can augment as the recipe says.

    Args:
        train: its data layers. world: how many processes train.
    """
    elements, where = elements_of(recipe), f"--recipe {recipe.origin}"
    sources = [source for source in train if source.node.type == ANNOTATED]
    part = "augmentation" if elements else "input"
    if (elements or recipe.input is not None) and not sources:
        hint = "Only AnnotatedData is augmented"
        found.error(f"{where}: {part}", f"{file.train.origin} has no AnnotatedData layer", hint)
    for source in sources:
        for fault in faults(elements, source.node.param, extras.min_face, source.node.where):
            found.error(f"{where}: augmentation", f"{fault.where}: {fault.what}", fault.hint)
        if recipe.input is not None:
            _check_sizes(found, file, recipe, source, world, f"{where}: input")
    several = [one.name for one in elements if one.takes_others]
    if several and not extras.cache:
        what = f"{' and '.join(several)} decode pictures again and again"
        found.warn(f"{where}: augmentation", what, "Keep them in memory: --cache MB")


def _check_sizes(
    found: Preflight, file: SolverFile, recipe: TrainRecipe, source: Source, world: int, where: str
) -> None:
    node, param = source.node, source.node.param
    batch = param.data_param.batch_size * world
    sizes = sizes_of(recipe, param.transform_param, max(batch, 1) * file.param.iter_size)
    assert sizes is not None
    before = len(found.errors)
    for fault in sizes.faults(param, batch, node.where):
        found.error(where, f"{fault.where}: {fault.what}", fault.hint)
    for prior in file.train.nodes:
        fixed = [name for name in _FIXED if prior.param.prior_box_param.HasField(name)]
        if prior.type == "PriorBox" and fixed:
            what = f"{prior.where}: {fixed[0]} keeps the priors from following the input"
            found.error(where, what, f"Leave {fixed[0]} out")
    shape = picture_shape(source)
    if len(found.errors) == before and shape is not None:
        for width, height in dict.fromkeys(sizes.known):
            _check_shapes(found, file.train, source, (*shape[:2], height, width), where)


def _check_shapes(
    found: Preflight, graph: Graph, source: Source, shape: tuple[int, ...], where: str
) -> None:
    """That the net can have an input of a size, if it can have its own."""
    try:
        from ssd_data.engines.torch.shapes import infer_shapes
    except ImportError:
        return  # it was said
    tops = source.node.tops
    own = infer_shapes(graph, dict(zip(tops, (picture_shape(source), (1, 1, 1, 8)), strict=False)))
    other = infer_shapes(graph, dict(zip(tops, (shape, (1, 1, 1, 8)), strict=False)))
    if other.errors and not own.errors:
        error = other.errors[0]
        what = f"of {shape[3]}x{shape[2]} pixels: {error.where}: {error.what}"
        found.error(where, what, "Take scales that the net can have")
