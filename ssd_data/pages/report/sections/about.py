"""What it is and how it was built; of two, what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ssd_data.data.build.options import BuildOptions
from ssd_data.data.lmdb.manifest import differences
from ssd_data.pages.report.blocks import Block, Cell, Note, Panel, Section, Table
from ssd_data.pages.report.subject import Subject


def section(subjects: Sequence[Subject]) -> Section:
    """From ``build.json`` where there is one."""
    blocks: list[Block] = [_differences(*subjects)] if len(subjects) == 2 else []
    panels = [Panel(s.title, _blocks(s)) for s in subjects]
    return Section("about", "What it is and how it was built", "", blocks, panels)


def _blocks(subject: Subject) -> list[Block]:
    made = subject.manifest
    rows: list[list[Cell]] = [["folder", str(subject.path.absolute())]]
    rows.append(["labelmap", subject.labelmap_file or "none"])
    if subject.labelmap is not None:
        rows.append(["classes", f"{len(subject.labelmap)}, the background counted"])
    if made is None:
        text = "There is no build.json: how it was built is not recorded."
        return [Table("", ["", ""], rows), Note(text)]
    rows += [["data set", made.name], ["format", made.format]]
    stated = {"metric": made.metric, "root": made.root}
    rows += [[name, _text(value)] for name, value in stated.items() if value]
    defaults = BuildOptions().to_json()
    changed = [[k, _text(v)] for k, v in made.options.items() if v != defaults.get(k)]
    rows += [["option", f"{name} = {value}"] for name, value in changed]
    if not changed:
        rows.append(["options", "the defaults"])
    rows += [["link", f"{link} is {split}"] for link, split in made.links.items()]
    digests = {name: str(split.content_digest) for name, split in made.splits.items()}
    return [
        Table("", ["", ""], rows),
        Table("all options", ["option", "value"], _pairs(made.options), folded=True),
        Table("versions", ["", "version"], _pairs(made.versions), folded=True),
        Table("digests", ["split", "content_digest"], _pairs(digests), folded=True),
    ]


def _pairs(table: Any) -> list[list[Cell]]:
    if not isinstance(table, Mapping):
        return []
    return [[str(name), _text(value)] for name, value in table.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _differences(first: Subject, second: Subject) -> Table:
    rows: list[list[Cell]] = []
    if first.manifest and second.manifest:
        found = differences(second.manifest, first.manifest)
        rows += [["build", text.replace("(now ", f"({first.title}: ")] for text in found]
        theirs, ours = second.manifest.versions, first.manifest.versions
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            for name in sorted({*theirs, *ours}):
                if theirs.get(name) != ours.get(name):
                    text = f"{name} {theirs.get(name)} ({first.title}: {ours.get(name)})"
                    rows.append(["version", text])
    if first.labelmap is not None and second.labelmap is not None:
        found = second.labelmap.differences(first.labelmap)
        rows += [["labelmap", text] for text in found]
    title = f"How {second.title} differs from {first.title}"
    return Table(title, ["", "difference"], rows or [["", "options and classes are the same"]])
