"""What a preflight found: all errors and warnings at once, and where each path leads."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, SsdDataError, cure
from ssd_data.core.files.remote.address import as_path, remote
from ssd_data.core.files.there import is_there
from ssd_data.core.legible import count_of, few, reason, visible
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.training.solver_file import find


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong or doubtful, in an error's three parts."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return str(SsdDataError(self.what, where=self.where, hint=self.hint))


@dataclass(slots=True)
class Resolved:
    """A path that solver, nets or options name.

    Attributes:
        role: what for. stated: as it is written there.
        absolute: from the working folder. target: where links end, empty where there is none.
        there: whether something is there. records: of an LMDB that could be read.
    """

    role: str
    stated: str
    absolute: str
    target: str = ""
    there: bool = True
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a caffemodel would give to the training net: names of layers.

    Attributes:
        kept: it gives them their arrays. new: it has nothing for them.
        left_out: only the file has them. mismatched: ``name: shape in the file, in the net``.
    """

    file: str
    kept: list[str]
    new: list[str]
    left_out: list[str]
    mismatched: list[str]

    def __str__(self) -> str:
        parts = [f"{len(self.kept)} layers load"]
        for names, what in ((self.new, "start anew"), (self.left_out, "are not in the net")):
            if names:
                parts.append(f"{len(names)} {what} ({few(names)})")
        if self.mismatched:
            parts.append(f"{len(self.mismatched)} have another shape")
        return f"{self.file}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Taken:
    """How a mix takes a source.

    Attributes:
        source: its LMDB. weight, turns: of so many turns it has so many. records: it has.
        pictures: that are read of all sources until each of its records was.
        batch: pictures an iteration, of all processes together.
        run: how often each of its records is read in the whole run.
    """

    source: str
    weight: int
    turns: int
    records: int
    pictures: int
    batch: int
    run: float

    @property
    def iterations(self) -> int:
        """Until each of its records was read; 0 where a batch's size is not known."""
        return -(-self.pictures // self.batch) if self.batch else 0


@dataclass(slots=True)
class Preflight:
    """All that is wrong (``errors``) or doubtful (``warnings``), before anything starts.

    Attributes:
        paths: what each path leads to. weights: what each caffemodel would give.
        mix: how long each source of a mix lasts.
        readers: hold the LMDBs that were looked at: as long as they are here, no other ones are
            read that are built in their place.
    """

    errors: list[Trouble] = field(default_factory=list)
    warnings: list[Trouble] = field(default_factory=list)
    paths: list[Resolved] = field(default_factory=list)
    weights: list[Loaded] = field(default_factory=list)
    mix: list[Taken] = field(default_factory=list)
    readers: list[LmdbReader] = field(default_factory=list)

    def error(self, where: object, what: str, hint: str = "") -> None:
        """Note what would crash or corrupt the run; the same is noted once."""
        _add(self.errors, where, what, hint)

    def warn(self, where: object, what: str, hint: str = "") -> None:
        """Note a doubtful choice."""
        _add(self.warnings, where, what, hint)

    def take(self, error: SsdDataError) -> None:
        """Note an error that was raised."""
        self.error(error.where, error.what, error.hint)

    def locate(self, role: str, stated: str, origin: str, *, fatal: bool = True) -> Path | None:
        """Resolve a path as Caffe does, from the working folder; note it, and what is wrong.

        Args:
            origin: the file that names it. fatal: whether the run cannot do without it.

        Returns:
            None where nothing is there.
        """
        note = self.error if fatal else self.warn
        path = as_path(stated)
        try:
            self._resolve(role, path, stated)
            return find(stated, origin)
        except InputError as error:
            note(error.where, error.what, error.hint)
        except (OSError, ValueError) as error:  # no permission; a name that no file can have
            note(origin, f'"{stated}" cannot be looked at: {reason(error)}', cure(error))
        return None

    def _resolve(self, role: str, path: Path, stated: str) -> None:
        """Note where a path leads, once for each that it is used for."""
        if remote(path) is not None:
            real = absolute = str(path)
        else:
            real, absolute = os.path.realpath(path), os.path.normpath(Path.cwd() / path)
        target = visible(real) if real != absolute else ""
        there = is_there(path)
        resolved = Resolved(role, visible(stated), visible(str(absolute)), target, there)
        if all((p.role, p.stated) != (resolved.role, resolved.stated) for p in self.paths):
            self.paths.append(resolved)

    def rows(self) -> list[list[object]]:
        """A table of the paths, its first row the heads."""
        table: list[list[object]] = [["path", "what for", "leads to", "records"]]
        for path in self.paths:
            leads = path.target or path.absolute
            shown = leads if path.there else f"{leads} (missing)"
            table.append([path.stated, path.role, shown, path.records or ""])
        return table

    def mix_rows(self) -> list[list[object]]:
        """A table of a mix's sources, its first row the heads; empty where there is no mix."""
        heads: list[object] = ["mix", "share", "records", "all of them in", "in the run"]
        rows: list[list[object]] = [
            [
                one.source,
                f"{one.weight:,} of {one.turns:,}",
                f"{one.records:,}",
                f"{one.pictures:,} pictures, {count_of(one.iterations, 'iteration')}",
                f"{one.run:,.2f} times",
            ]
            for one in self.mix
        ]
        return [heads, *rows] if rows else []

    def to_json(self) -> dict[str, Any]:
        """``{"errors": […], "warnings": […], "paths": […], "weights": […], "mix": […]}``"""
        return {
            "errors": [asdict(error) for error in self.errors],
            "warnings": [asdict(warning) for warning in self.warnings],
            "paths": [asdict(path) for path in self.paths],
            "weights": [asdict(loaded) for loaded in self.weights],
            "mix": [asdict(one) for one in self.mix],
        }


def _add(found: list[Trouble], where: object, what: str, hint: str) -> None:
    error = SsdDataError(what, where=where, hint=hint)
    trouble = Trouble(error.where, error.what, error.hint)
    if trouble not in found:
        found.append(trouble)
