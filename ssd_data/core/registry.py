"""Where something may be plugged in: one line a folder, in which a file's name is its registration.

What a plug-in defines, its folder's docstring says. Files whose names begin with ``_`` are none.
Some may also come with other packages, which name them as entry points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from ssd_data.core.errors import InputError, SsdDataError, UsageError
from ssd_data.core.files.there import is_file

_PACKAGE = Path(__file__).resolve().parent.parent
FILES, FOLDERS = frozenset({False}), frozenset({True})


@dataclass(frozen=True, slots=True)
class Registry:
    """The plug-ins of a folder, by name.

    >>> METRICS.names()
    ['coco', 'voc', 'widerface']
    >>> METRICS.check("vok")
    Traceback (most recent call last):
    ssd_data.core.errors.UsageError: no metric "vok"
      Did you mean voc? There are coco, voc, widerface

    Attributes:
        folder: where in the package they lie.
        unknown, known: what is said where there is none of a name (``{}``), and which there are.
        error: what is raised then. where: which option gave the name.
        kinds: whether plug-ins are the folder's files, its folders, or both.
        part: the file of a plug-in's folder that is meant; folders without it do not count.
        dashed: whether names have ``-`` where files have ``_``.
        group: the entry points by which other packages add theirs; a name of ours stays ours.
    """

    folder: str
    unknown: str
    known: str = "There are {}"
    error: type[SsdDataError] = UsageError
    where: str = ""
    kinds: frozenset[bool] = FILES
    part: str = ""
    dashed: bool = False
    group: str = ""

    def names(self) -> list[str]:
        """The plug-ins' names, sorted; none is imported."""
        held = _modules(self.folder, self.kinds, self.part)
        if self.group:
            return sorted({*held, *_foreign(self.group)})
        return [name.replace("_", "-") for name in held] if self.dashed else list(held)

    def check(self, name: str) -> None:
        """Whether there is a plug-in of that name.

        Raises:
            SsdDataError: of the kind :attr:`error`, there is none; the hint says which there are.
        """
        names = self.names()
        if name not in names:
            from difflib import get_close_matches

            near = "".join(f"Did you mean {n}? " for n in get_close_matches(name, names, n=1))
            hint = near + self.known.format(", ".join(names))
            raise self.error(self.unknown.format(name), where=self.where, hint=hint)

    def load(self, name: str) -> Any:
        """A plug-in's module.

        Raises:
            SsdDataError: as :meth:`check`; or another package's cannot be loaded.
        """
        self.check(name)
        if self.group and name not in _modules(self.folder, self.kinds, self.part):
            return _load(_foreign(self.group)[name])
        file = name.replace("-", "_") if self.dashed else name
        parts = ["ssd_data", *self.folder.split("/"), file, *filter(None, [self.part])]
        return import_module(".".join(parts))

    def folder_of(self, name: str) -> Any:
        """The package that one of our plug-ins' folders is, which says what it is and loads nothing
        else; None where it is another package's.

        Raises:
            SsdDataError: as :meth:`check`.
        """
        self.check(name)
        if name not in _modules(self.folder, self.kinds, self.part):
            return None
        return import_module(f"ssd_data.{self.folder.replace('/', '.')}.{name}")


@cache
def _modules(folder: str, kinds: frozenset[bool], part: str) -> tuple[str, ...]:
    place = _PACKAGE / folder
    held = [m.name for m in iter_modules([str(place)]) if m.ispkg in kinds]
    held = [name for name in held if not part or is_file(place / name / f"{part}.py")]
    return tuple(sorted(name for name in held if not name.startswith("_")))


@cache
def _foreign(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _load(point: EntryPoint) -> Any:
    package = point.dist.name if point.dist else "a package"
    try:
        return point.load()
    except Exception as error:  # a stranger's code raises what it likes
        raise SsdDataError(
            f'"{point.name}" of {package} cannot be loaded: {type(error).__name__}: {error}',
            where=point.value,
            hint=f"Mend {package}, or uninstall it",
        ) from error


FORMATS = Registry(
    "data/formats",
    'unknown format "{}"',
    "Known: {}",
    InputError,
    kinds=FOLDERS,
    part="read",
    group="ssd_data.formats",
)
WRITERS = Registry(
    "data/formats",
    'cannot export to "{}"',
    "Known: {}",
    InputError,
    kinds=FOLDERS,
    part="write",
    group="ssd_data.writers",
)
FAMILIES = Registry("families", 'unknown family "{}"', "Known: {}")
METRICS = Registry("metrics", 'no metric "{}"', kinds=FOLDERS)
ENGINES = Registry(
    "engines",
    'no engine is called "{}"',
    "Known are {}",
    where="--engine",
    kinds=FILES | FOLDERS,
    dashed=True,
)
LAYERS = Registry("engines/torch/layers", 'no layer type is called "{}"', "Known are {}")
PROTOCOLS = Registry("evaluation/protocols", 'no protocol "{}"')
TARGETS = Registry("deploy/targets", 'no profile "{}"', dashed=True)
AUGMENTATIONS = Registry("batches/elements", 'no augmentation is called "{}"', "Known are {}")
SCHEDULES = Registry("training/recipe/schedules", 'no schedule is called "{}"', "Known are {}")
OPTIMISERS = Registry("training/recipe/optimisers", 'no optimiser is called "{}"', "Known are {}")
CLASSIFICATION = Registry(
    "training/recipe/classification", 'no classification loss is called "{}"', "Known are {}"
)
BOX_LOSSES = Registry("training/recipe/boxes", 'no box loss is called "{}"', "Known are {}")
MATCHINGS = Registry("training/recipe/matchings", 'no matching is called "{}"', "Known are {}")
PLACES = Registry(
    "core/tasks",
    'there is no place "{}" for work',
    where="--on",
    group="ssd_data.tasks",
)
COMMANDS = Registry("cli", 'no command "{}"', dashed=True)
