"""A disk that fails while an annotation is read: the error names the file and the cure."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from support.coco_trees import roboflow

from ssd_data import InputError, find
from ssd_data.core.errors import cure
from ssd_data.core.notes import Tally
from ssd_data.data.formats.cvat import document

CURE = "The disk may be failing: see the system's log (dmesg), and try again"
XML = b"<annotations>" + b"<image/>" * 9999


class Failing(io.RawIOBase):
    """A file of which only so many bytes can be read."""

    def __init__(self, sound: int) -> None:
        self.left = XML[:sound]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.left:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        part, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("sound", [0, 9, 9000])
def test_cvat(sound: int, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = io.BufferedReader(Failing(sound))
    monkeypatch.setattr(document, "open_regular", lambda *_: failing)
    with pytest.raises(InputError) as caught:
        list(document.steps(Path("a.xml"), "a.xml"))
    assert caught.value.sentence == "a.xml: cannot read the annotation: Input/output error"
    assert caught.value.hint == CURE


def test_coco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find(str(roboflow(tmp_path / "raw")))

    def fails(path: Path, flags: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(OSError, match="cannot read the JSON: Input/output error") as caught:
        list(found.entries("train", Tally()))
    assert caught.value.filename.endswith("train/_annotations.coco.json")
    assert cure(caught.value) == CURE
