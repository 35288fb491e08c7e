"""What a page of a training is about: a run's table or log, and the files that belong to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.there import is_file, is_folder, is_there
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data.lmdb.shards import SHARDS
from ssd_data.data.lmdb.strangers import DATA
from ssd_data.nets.graph import Node, read_graph
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.pages.report.history import History, Session, read_history
from ssd_data.proto import caffe_pb2
from ssd_data.training.log import SNAPSHOT, TABLE
from ssd_data.training.run_folder import DEPLOY, SOLVER, RunFolder, SavedModel, best_of

TRAIN_NET, TEST_NET = "train.prototxt", "test.prototxt"


@dataclass(frozen=True, slots=True, eq=False)
class RunSubject:
    """A run.

    Attributes:
        title: what it is called on the page.
        path: what was given: its folder, table or log.
        folder: where its nets lie.
        solver: what ``solver_file`` says; None where there is none.
        train, test, deploy: its nets, where they are there.
        kept: its snapshots that are still there, by iteration.
        bases: folders that the paths in its nets may start from, the likeliest first.
        notes: what is missing or odd.
    """

    title: str
    path: Path
    folder: Path
    history: History
    solver: caffe_pb2.SolverParameter | None = None
    solver_file: Path | None = None
    train: Path | None = None
    test: Path | None = None
    deploy: Path | None = None
    kept: tuple[SavedModel, ...] = ()
    labelmap: LabelMap | None = None
    bases: tuple[Path, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def on_caffe(self) -> bool:
        """Whether a real Caffe trained it."""
        return self.history.is_log or self.facts.get("engine") == "caffe"

    @property
    def facts(self) -> dict[str, Any]:
        """What the table says of its last session."""
        return self.history.sessions()[-1].facts

    def best(self) -> tuple[SavedModel, str] | None:
        """The snapshot of the best test, else the newest, and why it is that one."""
        iterations, scores = self.history.scores()
        known = {int(i): s for i, s in zip(iterations, scores, strict=True) if np.isfinite(s)}
        if best := best_of(reversed(self.kept), lambda one: known.get(one.iteration)):
            return best[0], f"the best test of those kept, {best[1]:.4f}"
        return (self.kept[-1], "the newest; no test was made of one") if self.kept else None

    def data_layer(self, net: Path, phase: str) -> Node:
        """The layer that reads an LMDB of pictures with boxes.

        Raises:
            InputError: the net cannot be read, or has none.
        """
        for node in read_graph(net, phase).nodes:
            if node.type == "AnnotatedData":
                return node
        raise InputError("the net has no AnnotatedData layer", where=net)

    def find_lmdb(self, name: str) -> Path:
        """An LMDB that a net names.

        Raises:
            InputError: it is not there.
        """
        for base in self.bases:
            if any(_is_there(base / name / file) for file in (DATA, SHARDS)):
                return base / name
        looked = ", ".join(map(str, self.bases))
        raise InputError(f'the LMDB "{name}" is not there; looked from {looked}')

    def session(self, iteration: int) -> Session:
        """The session that made an iteration."""
        return [one for one in self.history.sessions() if one.start <= iteration][-1]

    def position(self, iteration: int, batch: int) -> int:
        """How many records all its processes had read before an iteration."""
        sessions = self.history.sessions()
        ends = [*(one.start for one in sessions[1:]), iteration]
        counts = (
            max(min(end, iteration) - one.start, 0) * processes(one)
            for one, end in zip(sessions, ends, strict=True)
        )
        return sum(counts) * batch * self.updates_of

    @property
    def updates_of(self) -> int:
        """Batches that one iteration adds up."""
        return self.solver.iter_size if self.solver is not None else 1

    def pictures(self) -> int:
        """Pictures of an iteration; 0 where the net does not say."""
        if self.train is None:
            return 0
        try:
            batch = self.data_layer(self.train, "TRAIN").param.data_param.batch_size
        except InputError:
            return 0
        return int(batch) * self.updates_of * processes(self.history.sessions()[-1])


def processes(session: Session) -> int:
    """How many processes shared each batch."""
    count = session.facts.get("processes", 1)
    return count if type(count) is int and 0 < count < 1 << 16 else 1


def is_run(path: Path) -> bool:
    """Whether it is a table or log, or a folder of a training run."""
    if is_file(path):
        return True
    return is_folder(path) and (is_file(path / SOLVER) or bool(RunFolder(path).records))


def gather_run(path: Path, labelmap: LabelMap | None = None) -> RunSubject:
    """Read what is there of a run.

    Args:
        path: its folder, or its table or log.
        labelmap: names the classes; else the one that lies there does.

    Raises:
        InputError: nothing of a training is there.
    """
    notes: list[str] = []
    run = RunFolder(path if is_folder(path) else path.parent)
    folder = run.folder
    record = _choose(run, notes) if is_folder(path) else path
    history = read_history(record)
    if history.broken:
        count = f"{history.broken:,} lines" if history.broken > 1 else "1 line"
        notes.append(f"{count} of {record.name} cannot be read and are left out")
    file, solver = _solver(folder, history, notes)
    bases = _bases(folder, history)
    return RunSubject(
        path.resolve().name,
        path,
        folder,
        history,
        solver,
        file,
        train=_net(folder, bases, TRAIN_NET, _named(solver, "train_net")),
        test=_net(folder, bases, TEST_NET, _named(solver, "test_net")),
        deploy=folder / DEPLOY if is_file(folder / DEPLOY) else None,
        kept=_kept(run, history, notes),
        labelmap=labelmap or _labelmap(run, notes),
        bases=bases,
        notes=notes,
    )


def _choose(run: RunFolder, notes: list[str]) -> Path:
    """The table that the solver's prefix names, else the newest."""
    found = run.records
    if not found:
        hint = f"Give the folder that holds its *{TABLE}, or a log of caffe train"
        what = "the folder has no table or log of a training"
        raise InputError(what, where=run.folder, hint=hint)
    chosen = next((path for path in found if path.stem == Path(run.prefix).name), found[0])
    if others := [path.name for path in found if path != chosen]:
        notes.append(f"this is {chosen.name}; there are also {', '.join(others[:5])}")
    return chosen


def _solver(
    folder: Path, history: History, notes: list[str]
) -> tuple[Path | None, caffe_pb2.SolverParameter | None]:
    """The solver that the table names, if it lies in the folder, else the folder's own."""
    stated = history.sessions()[-1].facts.get("solver")
    names = [Path(stated).name] if isinstance(stated, str) else []
    for name in (*names, SOLVER):
        file = folder / name
        if not _is_there(file):
            continue
        try:
            return file, read_prototxt(file, caffe_pb2.SolverParameter).message
        except InputError as error:
            notes.append(error.sentence)
            return file, None
    notes.append(f"there is no {SOLVER}")
    return None, None


def _bases(folder: Path, history: History) -> tuple[Path, ...]:
    stated = history.sessions()[-1].facts.get("folder")
    recorded = [Path(stated)] if isinstance(stated, str) else []
    there = [base for base in recorded if base.is_absolute() and _is_there(base / ".")]
    near = [folder.resolve().parent, folder.resolve(), Path.cwd()]
    return tuple(dict.fromkeys([*there, *near]))


def _named(solver: caffe_pb2.SolverParameter | None, field_name: str) -> str:
    """The net that a solver names for a phase; empty where it names none."""
    if solver is None:
        return ""
    own = getattr(solver, field_name)
    name = own if isinstance(own, str) else next(iter(own), "")
    return str(name or solver.net)


def _net(folder: Path, bases: tuple[Path, ...], usual: str, stated: str) -> Path | None:
    """The file of that name in the folder; else the one that is named; else the usual one."""
    stated = stated or usual
    places = [folder / Path(stated).name, *(base / stated for base in bases), folder / usual]
    return next((place for place in places if _is_there(place)), None)


def _is_there(path: Path) -> bool:
    return is_there(path)


def _kept(run: RunFolder, history: History, notes: list[str]) -> tuple[SavedModel, ...]:
    """The snapshots that are there of those that it speaks of, or of its own prefix."""
    if run.fault is not None:
        notes.append(run.fault.sentence)
    stated = [row.get("model") for row in history.of(SNAPSHOT)]
    names = {Path(name).name for name in stated if isinstance(name, str)}
    own = [m for m in run.models if m.prefix == history.origin.stem or m.path.name in names]
    by_iteration = {model.iteration: model.averaged() for model in own}
    return tuple(by_iteration[iteration] for iteration in sorted(by_iteration))


def _labelmap(run: RunFolder, notes: list[str]) -> LabelMap | None:
    for path in run.labelmaps:
        try:
            return read_labelmap(path)
        except InputError as error:
            notes.append(error.sentence)
    return None
