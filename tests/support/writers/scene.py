"""A command and what it finds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from support import commands

Reduce = Callable[[bytes], object]


def ignored(data: bytes) -> object:
    """What a growing file holds in the end need not be the same: times, numbers of processes."""
    return None


@dataclass(frozen=True)
class Scene:
    """A command and what it finds, prepared once in a folder of its own; a test copies that, and
    runs the command there.

    Attributes:
        prepare: fills the working folder, which is empty.
        words: of the command, paths from the working folder.
        at: the folder below the working folder in which it runs.
        in_steps: it may be seen between old and new, but then our readers refuse the folder.
        parts: folders that change in one step, each by itself.
        pieces: its files come one after another, each of them whole.
        grows: names of files that grow line by line → what of them is the same in the end, however
            often it was killed.
        resumes: stopped, it leaves what is done beside the result, and goes on there.
        measured: names of files that say how large a difference was measured, which rounding moves.
        status: of the command when nothing disturbs it.
        helper: starts what must live as long as the process that looks on.
        elsewhere: a folder that is a link to one on another disk, made in the second.
    """

    prepare: Callable[[], None]
    words: tuple[str, ...]
    at: str = "."
    in_steps: bool = False
    parts: tuple[str, ...] = ()
    pieces: bool = False
    grows: Mapping[str, Reduce] = field(default_factory=dict)
    measured: str = ""
    resumes: bool = False
    status: int = 0
    helper: Callable[[], object] | None = None
    elsewhere: tuple[str, Path] | None = None

    def run(self) -> int:
        """Run it in the working folder."""
        os.chdir(self.at)
        return commands.run(*self.words)

    def reduce_of(self, name: str) -> Reduce | None:
        """For a path below the working folder; None where it does not grow."""
        return next((how for glob, how in self.grows.items() if fnmatch(name, glob)), None)


def run(*words: object) -> None:
    """What a scene is prepared with."""
    assert commands.run(*words, "-q") == 0, words


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
