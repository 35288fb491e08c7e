"""The exact command, versions and files of a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from ssd_data.core.errors import InputError
from ssd_data.core.legible import legible
from ssd_data.data.lmdb.store import bytes_on_disk
from ssd_data.pages.report.blocks import Block, Cell, Note, Panel, Section, Table
from ssd_data.pages.report.history import Session
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.training.recipe.change import flat

MOST_TEXT, MOST_LINES = 2000, 200
FACTS = ("engine", "device", "processes", "threads", "seed", "resumed")


def section(subjects: Sequence[RunSubject]) -> Section:
    """Of each session its command and options, then what lies in the folder."""
    panels = [Panel(s.title, _blocks(s)) for s in subjects]
    return Section("origins", "Command, versions and files", "", (), panels)


def _blocks(subject: RunSubject) -> list[Block]:
    sessions = [one for one in subject.history.sessions() if one.facts]
    blocks: list[Block] = []
    for number, session in enumerate(sessions, 1):
        title = f"session {number}, from iteration {session.start:,}" if sessions[1:] else ""
        blocks.append(Table(title, ["", ""], [*_session(session)]))
    if not sessions:
        text = f"{subject.history.origin.name} does not say how the run was started."
        blocks.append(Note(text))
    else:
        options = _options(sessions[-1].facts)
        pairs = [[_text(name), _text(value)] for name, value in options.items()]
        blocks.append(Table("all options", ["option", "value"], pairs, True))
    blocks.append(Table("Files", ["file", "what", "MB"], [*_files(subject)]))
    if subject.solver is not None:
        lines = text_format.MessageToString(subject.solver).splitlines()
        rows: list[list[Cell]] = [[_text(line)] for line in lines[:MOST_LINES]]
        blocks.append(Table("the solver", [""], rows, True))
    return blocks


def _session(session: Session) -> Iterator[list[Cell]]:
    facts = session.facts
    command = facts.get("command")
    if isinstance(command, list) and command:
        words = [str(word) for word in command]
        program = Path(words[0]).name
        first = "ssd-data" if program == "__main__.py" else program
        yield ["command", _text(shlex.join([first, *words[1:]]))]
    if "folder" in facts:
        yield ["in", _text(facts["folder"])]
    for name in FACTS:
        if facts.get(name) is not None:
            yield [name, _text(facts[name])]
    versions = facts.get("versions")
    if isinstance(versions, dict):
        yield ["versions", _text(", ".join(f"{name} {value}" for name, value in versions.items()))]


def _options(facts: dict[str, Any]) -> dict[str, Any]:
    """The options, those beyond the original among them."""
    options = facts.get("options")
    if not isinstance(options, dict):
        return {}
    beyond = options.get("extras")
    rest = {name: value for name, value in options.items() if name not in ("extras", "recipe")}
    recipe = dict(flat({"recipe": options["recipe"]})) if "recipe" in options else {}
    return {**rest, **recipe, **beyond} if isinstance(beyond, dict) else options


def _files(subject: RunSubject) -> Iterator[list[Cell]]:
    for what, path in (
        ("what was recorded", subject.history.origin),
        ("solver", subject.solver_file),
        ("training net", subject.train),
        ("test net", subject.test),
        ("net for use", subject.deploy),
    ):
        if path is not None:
            yield [str(path), what, _megabytes(path)]
        else:
            yield ["–", f"{what}: not there", None]
    for net, phase in ((subject.train, "TRAIN"), (subject.test, "TEST")):
        if net is not None:
            yield _lmdb(subject, net, phase)
    for one in subject.kept:
        average = ", average" if one.is_average else ""
        yield [
            str(one.path),
            f"snapshot, iteration {one.iteration:,}{average}",
            _megabytes(one.path),
        ]


def _lmdb(subject: RunSubject, net: Path, phase: str) -> list[Cell]:
    what = "training LMDB" if phase == "TRAIN" else "test LMDB"
    try:
        name = subject.data_layer(net, phase).param.data_param.source
    except InputError:
        return ["–", f"{what}: the net names none", None]
    try:
        path = subject.find_lmdb(name)
    except InputError:
        return [name, f"{what}: not there", None]
    return [str(path), f"{what}, {name}", _lmdb_megabytes(path)]


def _lmdb_megabytes(path: Path) -> float | None:
    try:
        return bytes_on_disk(path) / 1e6
    except (OSError, InputError):
        return None


def _megabytes(path: Path) -> float | None:
    try:
        return path.stat().st_size / 1e6
    except OSError:
        return None


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return legible(text, MOST_TEXT)
