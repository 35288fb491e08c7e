"""Listings with odd keys, and stores that fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data.core.errors import InputError
from ssd_data.core.files import inside, paths, there
from ssd_data.core.files.remote import fetching
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.remote.fetching import ATTEMPTS, ShortError, StoreError, attempt
from ssd_data.core.files.remote.listing import StoredFile, StoreListing, found_of, names_of
from ssd_data.core.files.spool import LARGE, Spool

ONE = StoredFile(7, 1)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("key", ["../a", "a/../b", "a//b", "/a", "./a", "a/.", "a/..", "..", "."])
def test_a_key_that_is_no_path_stops_all(key: str) -> None:
    with pytest.raises(InputError, match=r"is no path") as caught:
        StoreListing("s3://b").add(key, ONE)
    assert "Rename it in the store" in caught.value.hint


def test_folders_are_what_keys_say() -> None:
    listing = StoreListing("s3://b")
    for key in ("a.txt", "x/y/b.txt", "x/", "empty/", "x/y/c.txt"):
        listing.add(key, ONE)
    listing.settle()
    assert set(listing.folders) == {"", "x", "x/y", "empty"}
    assert list(listing.folders[""].folders) == ["x", "empty"]
    assert list(listing.folders["x/y"].files) == ["b.txt", "c.txt"]


def test_a_file_that_is_a_folder_too() -> None:
    marked = StoreListing("s3://b")
    for key, size in (("x", 0), ("x/a", 1)):
        marked.add(key, StoredFile(size, 1))
    marked.settle()
    assert not marked.folders[""].files
    both = StoreListing("s3://b")
    for key in ("y/x", "y/x/a"):
        both.add(key, ONE)
    with pytest.raises(InputError, match="a file, and a folder as well") as caught:
        both.settle()
    assert caught.value.where == "s3://b/y/x"


@given(st.lists(st.text("ab./\x00\u00e9", max_size=8), max_size=12))
def test_any_keys_are_found_again_or_refused(keys: list[str]) -> None:
    listing = StoreListing("s3://b")
    try:
        for key in keys:
            listing.add(key, ONE)
        listing.settle()
    except InputError:
        assert any(part in ("", ".", "..") for key in keys for part in key.split("/")) or any(
            other.startswith(f"{key}/") for key in keys for other in keys
        )
        return
    held = {
        f"{folder}/{name}".lstrip("/")
        for folder, one in listing.folders.items()
        for name in one.files
    }
    assert held == {key for key in keys if key and not key.endswith("/")}


def test_a_stamp_is_of_the_content_where_the_store_tells() -> None:
    first = found_of({"size": 3, "ETag": '"abc"', "LastModified": "1"})
    assert first == found_of({"size": 3, "ETag": "abc", "LastModified": "2"})
    assert first != found_of({"size": 3, "ETag": "abd", "LastModified": "1"})
    assert found_of({"size": 3, "mtime": 1.5}) != found_of({"size": 3, "mtime": 2.5})
    assert found_of({"size": None}).st_size == -1
    assert 0 <= first.st_mtime_ns < 1 << 63


def test_names_start_at_the_top() -> None:
    infos = {"b/x/a": {}, "b/x/d": {"type": "directory"}, "b/xy/c": {}, "b/x": {}}
    assert [name for name, _ in names_of(infos.items(), "b/x")] == ["a", "d/", ""]


def failing(*errors: Exception) -> Iterator[Any]:
    yield from errors


@pytest.mark.parametrize("error", [OSError(5, "EIO"), TimeoutError(), ConnectionError("reset")])
def test_what_passes_is_asked_again(error: Exception) -> None:
    answers = iter([error] * (ATTEMPTS - 1))

    def ask() -> str:
        for one in answers:
            raise one
        return "here"

    assert attempt(ask, "s3://b") == "here"


def test_what_does_not_pass_is_said() -> None:
    calls = []

    def ask() -> None:
        calls.append(1)
        raise ConnectionError("no route to me:hunter2@host")

    with pytest.raises(StoreError) as caught:
        attempt(ask, "s3://b/a", "me:hunter2")
    assert len(calls) == ATTEMPTS
    assert caught.value.sentence == "s3://b/a: the store failed, 5 times: no route to ***@host"


class ClientResponseError(Exception):
    status = 403


class NoCredentialsError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError("Access Denied"), "does not let you in: Access Denied"),
        (ClientResponseError("forbidden"), "does not let you in: forbidden"),
        (NoCredentialsError("none"), "does not let you in: none"),
        (ValueError("Protocol not known: s4"), "the store failed: Protocol not known: s4"),
        (ImportError("Install s3fs to access S3"), "Install s3fs"),
    ],
)
def test_what_cannot_pass_is_asked_once(error: Exception, said: str) -> None:
    calls = []

    def ask() -> None:
        calls.append(1)
        raise error

    with pytest.raises(StoreError, match=said):
        attempt(ask, "s3://b/a")
    assert calls == [1]


def test_no_file_there_is_no_failure() -> None:
    def ask() -> None:
        raise FileNotFoundError("a")

    with pytest.raises(FileNotFoundError):
        attempt(ask, "s3://b/a")
    with pytest.raises(StoreError, match="3 bytes"):
        attempt(lambda: (_ for _ in ()).throw(ShortError("3 bytes")), "s3://b/a")


@given(st.lists(st.integers(0, 2 * LARGE), max_size=6))
def test_a_spool_gives_back_what_it_took(sizes: list[int]) -> None:
    spool = Spool()
    held = []
    for number, size in enumerate(sizes):
        data = bytes([number + 1]) * size
        kept = spool.room(size)
        spool.write(data, kept.start)
        held.append((data, kept))
    for data, kept in held:
        assert spool.read(kept) == bytes(spool.mapped(kept)[:]) == data
        file = spool.opened(kept)
        assert file.read() == data
        assert file.read() == b""
        assert file.seek(-1, 2) == max(len(data) - 1, 0)
        assert file.read() == data[-1:]


def test_the_doors_say_of_a_store_what_they_say_of_the_disk(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    (tmp_path / "folder").mkdir()
    for name in ("a.txt", "folder/b.txt"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
        with fsspec.open(f"memory://doors/{name}", "wb") as file:
            file.write((tmp_path / name).read_bytes())
    root = as_path("memory://doors")
    for top in (tmp_path, root):
        assert inside.read_lines(top / "a.txt", "list") == ["one", "two"]
        assert inside.names_in(top) == ["a.txt", "folder"]
        assert inside.names_in(top / "no") == []
        assert [there.is_there(f"{top}/{n}") for n in ("a.txt", "folder", "no")] == [1, 1, 0]
        assert [there.is_file(top / n) for n in ("a.txt", "folder", "x\0")] == [1, 0, 0]
        assert [there.is_folder(top / n) for n in ("a.txt", "folder", "n" * 300)] == [0, 1, 0]
        assert there.is_file(top / "folder/../a.txt")
        assert not there.is_file(top / "../doors/x")
        for name, said in (
            ("A.TXT", 'the list is missing\n  There is "a.txt": capitals count'),
            ("folder", "the list is no regular file"),
            ("no/b", "the list is missing"),
        ):
            with pytest.raises(InputError) as caught:
                inside.read_bytes(top / name, "list", 100)
            assert str(caught.value) == f"{top}/{name}: {said}"
        with pytest.raises(InputError, match="larger than 3 bytes"):
            inside.open_regular(top / "a.txt", "list", 3)
        with pytest.raises(InputError, match="larger than 3 bytes"):
            paths.read_start(top / "a.txt", "picture", 3, "a", 2)
        assert paths.read_start(top / "a.txt", "picture", 99, "a", 4) == (b"\xef\xbb\xbfo", 12)
        assert inside.mapped(top / "a.txt", "JSON", "a")[3:6] == b"one"
