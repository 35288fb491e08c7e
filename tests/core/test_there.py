"""What lies at a path, and what is said where the system cannot tell."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ssd_data import InputError
from ssd_data.core.errors import as_input_error
from ssd_data.core.files import there
from ssd_data.core.files.inside import names_in, read_start

QUESTIONS = (
    there.is_there,
    there.is_named_there,
    there.is_file,
    there.is_folder,
    there.is_own_folder,
    there.is_link,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_folder").symlink_to("folder")
    (tmp_path / "to_nothing").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("file", "111000"),
        ("folder", "110110"),
        ("to_folder", "110101"),
        ("to_nothing", "010001"),
        ("circle", "010001"),
        ("nothing", "000000"),
        ("file/inside", "000000"),
        ("a" * 5000, "000000"),
        ("a\0b", "000000"),
    ],
)
def test_what_lies_at_a_path(place: Path, name: str, answers: str) -> None:
    assert "".join(str(int(ask(place / name))) for ask in QUESTIONS) == answers
    assert "".join(str(int(ask(str(place / name)))) for ask in QUESTIONS) == answers


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOMEM])
@pytest.mark.parametrize("ask", QUESTIONS, ids=lambda ask: ask.__name__)
def test_what_cannot_be_told_is_not_taken_for_missing(
    ask: Callable[[Path], bool], code: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **_: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        ask(place / "file")
    assert caught.value.filename == str(place / "file")


def test_a_file_that_a_failing_disk_does_not_give_is_no_other_kind_of_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks at a file's beginning takes an InputError for "not mine"."""

    def fail(code: int) -> None:
        def opened(path: Path, flags: int) -> int:
            raise OSError(code, os.strerror(code), str(path))

        monkeypatch.setattr(os, "open", opened)

    for code in (errno.EIO, errno.EACCES):
        fail(code)
        with pytest.raises(OSError, match=f"cannot read the list: {os.strerror(code)}") as caught:
            read_start(place / "file", "list", 100, place / "file", 10)
        assert caught.value.filename == str(place / "file")
        with pytest.raises(InputError, match="cannot read the list"), as_input_error():
            read_start(place / "file", "list", 100, place / "file", 10)
    fail(errno.ENOENT)
    with pytest.raises(InputError, match="the list is missing"):
        read_start(place / "file", "list", 100, place / "file", 10)


def test_a_folder_that_cannot_be_listed_is_not_empty(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        names_in(place / "nothing") == names_in(place / "file") == names_in(place / "folder") == []
    )

    def fail(path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(OSError, match="Input/output error"):
        names_in(place / "folder")
