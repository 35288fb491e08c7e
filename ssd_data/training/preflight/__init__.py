"""The preflight: solver, nets, LMDBs, labelmap and weights held against one another.

All that is wrong is said at once, before anything starts. What would crash or corrupt the run is an
error; what is only doubtful is a warning, and the run may go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssd_data.batches.mix import Share
from ssd_data.nets.graph import Graph
from ssd_data.training.options import Extras
from ssd_data.training.preflight import (
    branch,
    data,
    labels,
    mix,
    nets,
    processes,
    recipes,
    solver,
    tests,
)
from ssd_data.training.preflight.data import Lmdb, Source
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.solver_file import SolverFile

if TYPE_CHECKING:
    from ssd_data.engines.torch.shapes import Shapes


def preflight(
    file: SolverFile,
    weights: Sequence[Path] = (),
    resume: Path | None = None,
    *,
    engine: str = "torch",
    skip_mismatch: bool = False,
    other_data: bool = False,
    write_in: Sequence[Path] = (),
    extras: Extras | None = None,
    recipe: TrainRecipe | None = None,
    world: int = 1,
) -> Preflight:
    """Check a training before it starts; nothing is written, and no net is run.

    Args:
        file: from :func:`~ssd_data.training.solver_file.look_at_solver`; of nets that cannot be
            read it is said why, and the rest is checked all the same.
        weights: caffemodels to begin with; resume: a solver state instead.
        engine: ``torch``, or ``caffe``, which needs more (the folder of the snapshots).
        skip_mismatch: arrays of other shapes than the net's are left out on request.
        other_data: a run may go on with an LMDB that was built anew.
        write_in: folders that solver and nets may write into, besides those of the run.
        extras: what the run has beyond the original. recipe: what it does otherwise.
        world: how many processes train.
    """
    found = Preflight()
    found.locate("solver", file.origin, file.origin)
    _locate_nets(found, file)
    for fault in file.faults:
        found.take(fault)
    solver.check_solver(found, file, engine)
    solver.check_places(found, file, write_in, engine)
    tests.check_tests(found, file)
    known: dict[str, Lmdb] = {}
    train = _check_net(found, "train", file.train, known, engine, file.mix)
    tested = [_check_net(found, "test", graph, known, engine) for graph in file.tests]
    mix.check_mix(found, file, train, world)
    labels.check_classes(found, [file.train, *file.tests])
    labels.check_one_labelmap(found, [*train, *chain.from_iterable(tested)])
    shapes = nets.check_shapes(found, file.train, train) if file.train.nodes else None
    if shapes is not None and shapes.whole and not shapes.losses:
        found.warn(file.train.origin, "the training net has no loss: nothing is learned")
    for graph, sources, count in zip(file.tests, tested, file.param.test_iter, strict=True):
        if graph.nodes:
            _check_test(found, graph, train, sources, count, shapes, engine)
    if engine == "caffe":
        branch.check_hdf5(found, file.train, file.param)
    kept = nets.histories(file.param, recipe)
    resume_state: Mapping[str, Any] = {}
    if resume is None:
        nets.check_weights(found, shapes, weights, skip_mismatch, engine)
    else:
        if weights:
            found.warn("--weights", f"not used: the run goes on from {resume}")
        resume_state = nets.check_resume(found, shapes, resume, file.param, kept, engine)
        data.check_same(found, [train, *tested], resume, resume_state, other_data, file.mix)
    solver.check_snapshots(found, file, nets.snapshot_size(shapes, kept), engine)
    data.check_unchanged(found, known.values())
    if recipe is not None:
        recipes.check_recipe(found, file, recipe, extras or Extras(), shapes, train)
    if extras is not None:
        processes.check_processes(found, file, extras, world, resume, resume_state)
    return found


def _check_test(
    found: Preflight,
    graph: Graph,
    train: list[Source],
    sources: list[Source],
    count: int,
    shapes: Shapes | None,
    engine: str,
) -> None:
    """A test net, its data, and whether it fits the training net's shapes."""
    for source in sources[:1]:
        tests.check_coverage(found, source, count)
    data.check_phases(found, train, sources, engine)
    tests.check_saving(found, graph, sources, count, engine)
    tests.check_name_sizes(found, graph, sources)  # before the shapes, which look into it too
    their_shapes = nets.check_shapes(found, graph, sources)
    if shapes is not None and their_shapes is not None:
        nets.check_sharing(found, shapes, their_shapes, graph.origin)


def _locate_nets(found: Preflight, file: SolverFile) -> None:
    param = file.param
    named = [("train net", param.train_net), *(("test net", name) for name in param.test_net)]
    for role, name in [("net", param.net), *named]:
        if name:
            found.locate(role, name, file.origin)


def _check_net(
    found: Preflight,
    role: str,
    graph: Graph,
    known: dict[str, Lmdb],
    engine: str,
    shares: Sequence[Share] = (),
) -> list[Source]:
    sources = data.check_sources(found, role, graph, known, shares)
    classes = labels.classes_of(graph)
    for source in sources:
        data.check_pictures(found, source, engine)
        labels.check_labels(found, source, classes)
        labels.check_labelmap(found, source, classes)
        labels.check_build(found, source)
    if engine == "caffe":
        branch.check_types(found, graph)
    return sources
