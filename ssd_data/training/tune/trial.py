"""One trial at one length: a run's folder, which goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, SsdDataError
from ssd_data.core.files.paths import read_text, spelled
from ssd_data.core.files.there import is_file
from ssd_data.core.files.whole import write_whole
from ssd_data.families.parts.data import LABEL_MAP_FILE, TEST_SOURCE, TRAIN_SOURCE
from ssd_data.families.parts.write import write_model
from ssd_data.nets.prototxt import read_prototxt, to_text
from ssd_data.proto import caffe_pb2
from ssd_data.training.run_folder import RunFolder, continuous, read_rows, scores_of
from ssd_data.training.tune.held import test_lmdb, training_lmdb
from ssd_data.training.tune.space import BATCH, OWN, PRIORS, RATE, Config, recipe_table, told

RESULT, RECIPE_FILE = "result.json", "recipe.toml"
TESTS, SNAPSHOTS, SHOWN = 2, 4, 40  # so many of each in a run
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of it.

    Attributes:
        score: of the last test; None where it could not be trained, and ``why``.
        loss: the last one. seconds: it took.
    """

    score: float | None
    loss: float | None = None
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class TrialNets:
    """Whose nets a search trains, and how.

    Attributes:
        family: its name. build: LMDBs to train and test on.
        options: of the family, besides what is tried. priors: those that ``fit`` proposes.
        full: iterations and batch of a full training, as the family's solver has them.
        weights: to begin with. run: further options of :func:`ssd_data.train`.
    """

    family: str
    build: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    priors: Mapping[str, Any] = field(default_factory=dict)
    full: tuple[int, int] = (1, 1)
    weights: tuple[Path, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, config: Config, share: float) -> Path:
        """Write a trial's nets, solver and recipe; the solver.

        Args:
            share: of the iterations of a full training that it is trained for.
        """
        more = dict(self.options)
        if config.get(BATCH, OWN) != OWN:
            more["batch_size"] = int(config[BATCH])
        if config.get(PRIORS) == "fit":
            more |= self.priors
        write_model(self.family, folder, build=self.build, redo=True, **more)
        for name in ("train", "test"):
            self._name_sources(folder / f"{name}.prototxt")
        solver = folder / "solver.prototxt"
        write_whole(solver, to_text(self._solver(solver, config, share)))
        if table := recipe_table(config, share):
            from ssd_data.training.recipe.read import as_toml, from_table

            write_whole(folder / RECIPE_FILE, as_toml(from_table(table, told(config))))
        return solver

    def _name_sources(self, net: Path) -> None:
        """The LMDBs themselves: links of a working folder may lead elsewhere."""
        message = read_prototxt(net, caffe_pb2.NetParameter).message
        places = {TRAIN_SOURCE: training_lmdb, TEST_SOURCE: test_lmdb}
        for layer in message.layer:
            if layer.data_param.source in places:
                layer.data_param.source = spelled(places[layer.data_param.source](self.build))
                layer.annotated_data_param.label_map_file = spelled(self.build / LABEL_MAP_FILE)
        write_whole(net, to_text(message))

    def _solver(self, path: Path, config: Config, share: float) -> caffe_pb2.SolverParameter:
        solver: caffe_pb2.SolverParameter = read_prototxt(path, caffe_pb2.SolverParameter).message
        full, own = self.full
        batch = own if config.get(BATCH, OWN) == OWN else int(config[BATCH])
        solver.max_iter = most = max(round(full * share * own / batch), 1)
        ratio = most / full
        solver.base_lr *= float(config.get(RATE, 1.0))
        solver.stepvalue[:] = [max(round(step * ratio), 1) for step in solver.stepvalue]
        if solver.stepsize:
            solver.stepsize = max(round(solver.stepsize * ratio), 1)
        if share < 1:
            solver.test_interval = -(-most // TESTS)
            solver.snapshot = -(-most // SNAPSHOTS)
            solver.display = solver.average_loss = max(most // SHOWN, 1)
            solver.test_initialization = False
        return solver


def run_trial(
    nets: TrialNets, folder: Path, config: Config, share: float, say: Callable[[str], None]
) -> TrialResult | None:
    """Make a trial's run, or go on with it; None where it was stopped. One that is done is not
    made again.

    What cannot be trained so (an element that does not fit the net, a loss that is no number) has
    no score.

    Raises:
        InputError: data or weights cannot be read.
    """
    if (done := read_result(folder)) is not None:
        return done
    from ssd_data.training.display import DivergedError
    from ssd_data.training.run import train

    solver = nets.write(folder, config, share)
    recipe = folder / RECIPE_FILE
    own = recipe if is_file(recipe) else None
    try:
        run = train(solver, nets.weights, resume="auto", recipe=own, keep=1, say=say, **nets.run)
    except DivergedError as error:
        return _note(folder, TrialResult(None, why=error.what))
    except InputError as error:
        if own is None:  # as it is: not the trial is wrong
            raise
        return _note(folder, TrialResult(None, why=_reason(error)))
    if not run.finished:
        return None
    (table,) = [path for path in RunFolder(folder).records if path.suffix == ".jsonl"][:1]
    rows = continuous(read_rows(table)[0])
    scores = scores_of(rows)
    seconds = max((row.get("seconds") or 0.0 for row in rows), default=0.0)
    last = scores[max(scores)] if scores else None
    return _note(folder, TrialResult(last, run.loss, seconds, "" if scores else "no test"))


def _reason(error: SsdDataError) -> str:
    """The first of the faults that a preflight has found, in a line."""
    text = str(error.hint or error.what)
    return text.split("\n", maxsplit=1)[0].strip("[]'\" ")


def _note(folder: Path, result: TrialResult) -> TrialResult:
    names = TrialResult.__dataclass_fields__
    text = json.dumps({name: getattr(result, name) for name in names})
    write_whole(folder / RESULT, text)
    return result


def read_result(folder: Path) -> TrialResult | None:
    """What a trial has come to; None where it is not done.

    Raises:
        InputError: what lies there is something else.
    """
    path = folder / RESULT
    if not is_file(path):
        return None
    try:
        return TrialResult(**json.loads(read_text(path, "result of a trial", MOST_BYTES)))
    except (ValueError, TypeError, RecursionError):
        hint = "Remove it: the trial is made again"
        raise InputError("this is no result of a trial", where=path, hint=hint) from None
