"""Pictures are found by the end of the path that names them, where one alone has it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_data import InputError
from ssd_data.data.formats.pictures import Pictures, stem_of

part = st.sampled_from(["a", "b", "ab", "a b", "é"])
path = st.lists(part, min_size=1, max_size=4).map(lambda parts: "/".join(parts) + ".jpg")


def naive(paths: Sequence[str], named: str) -> Sequence[str]:
    """Those that end with most of its parts, looked for one after the other."""
    parts = named.split("/")
    for count in range(len(parts), 0, -1):
        tail = "/".join(parts[-count:])
        if found := [one for one in paths if f"/{one}".endswith(f"/{tail}")]:
            return found
    return []


@settings(max_examples=300, deadline=None)
@given(st.lists(path, max_size=8, unique=True), path, st.sampled_from(["", "D:\\x\\", "/home/u/"]))
def test_the_longest_end_decides(paths: list[str], named: str, before: str) -> None:
    pictures = Pictures(Path(), sorted(paths))
    text = before + (named.replace("/", "\\") if "\\" in before else named)
    expected = [named] if named in paths and not before else naive(paths, named)
    if len(expected) > 1:
        with pytest.raises(InputError, match=f"may be {len(expected)} pictures: "):
            pictures.find(text)
    else:
        found = pictures.find(text)
        assert ([found.path] if found else []) == expected


def test_names_that_all_folders_have_take_no_time(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, sorted(f"c{n:05d}/1.jpg" for n in range(20_000)))
    for n in range(20_000):  # one after the other these would be 400 million
        found = pictures.find(f"x/c{n:05d}/1.jpg")
        assert found is not None
        assert found.path == f"c{n:05d}/1.jpg"


@given(st.lists(st.from_regex(r"\A([ab]/)?[ab.]{1,3}\.(jpg|JPG|png)\Z"), unique=True, max_size=30))
def test_stems_are_those_of_all_paths(paths: list[str]) -> None:
    pictures, wanted = Pictures(Path(), sorted(paths)), dict[str, list[str]]()
    for path in sorted(paths):
        wanted.setdefault(stem_of(path), []).append(path)
    assert list(pictures.by_stem.items()) == list(wanted.items())
    for name in ("", "a", "b/a", "a.b", "zz", *paths):
        assert pictures.by_stem.get(name) == wanted.get(name)
        assert (name in pictures) == (name in paths)
