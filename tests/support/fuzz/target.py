"""A reader, and small good inputs for it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

Case = dict[str, bytes]
"""The files of an input, by their paths below its folder."""


@dataclass(frozen=True)
class Target:
    """What reads strangers' bytes.

    Attributes:
        name: such as ``format.voc``; the first word is its group.
        make: makes good inputs, each the files of a folder.
        run: reads what lies in a folder, as the package's users do.
        reads: the modules that it is about, or packages of such, without ``ssd_data.``.
        kept: patterns of names that are never changed.
        kinds: by patterns of names how files are changed, where their endings do not say it.
        renames: whether it reads folders, so that files are also called otherwise.
        batch: how many inputs one process takes.
    """

    name: str
    make: Callable[[], Sequence[Case]]
    run: Callable[[Path], object]
    reads: tuple[str, ...]
    kept: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    renames: bool = False
    batch: int = 300

    @property
    def modules(self) -> set[str]:
        """The names of all modules that it is about."""
        found: set[str] = set()
        for name in self.reads:
            module = importlib.import_module(f"ssd_data.{name}")
            found.add(module.__name__)
            if hasattr(module, "__path__"):
                walked = pkgutil.walk_packages(module.__path__, f"{module.__name__}.")
                found |= {one.name for one in walked}
        return found


def write(case: Case, folder: Path) -> None:
    """Write the files; where one is a folder of another's path, the first of them."""
    for name, data in case.items():
        path = folder / name
        with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def read(folder: Path) -> Case:
    """The files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
