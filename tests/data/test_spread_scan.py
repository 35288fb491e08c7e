"""Annotations that workers read: what comes of it is what is read here, whatever is wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import everyformat
from support.places import Mixed
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, InputError, build, recognise
from ssd_data.core.files import fences, spill
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Unreadable
from ssd_data.core.tasks import Pool
from ssd_data.data.build.plan import plan
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import from_list
from ssd_data.data.formats import manyfiles


class OneByOne(Mixed):
    """They hear of other tasks only when they have told of all."""

    busy = False

    def run(self, *given: Any) -> Iterator[tuple[int, Any]]:
        assert not self.busy
        self.busy = True
        try:
            yield from super().run(*given)
        except InputError:  # of a list: nothing is asked any more
            self.busy = False
            raise
        self.busy = False


@contextmanager
def workers(most: int = 3, slices: int = 2) -> Iterator[Mixed]:
    """Each reads few files, and all is pickled."""
    mixed = OneByOne(most)
    with pytest.MonkeyPatch.context() as patch, Pool("elsewhere") as pool:
        patch.setattr(manyfiles, "SLICE", slices)
        patch.setattr(pool, "_workers", mixed)
        with manyfiles.read_by(pool):
            yield mixed
    assert not mixed.busy


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def said(dataset: Dataset, options: BuildOptions) -> Any:
    """All that a scan finds, or its error."""
    try:
        made = plan(dataset, options)
        scans = made.scans()
    except InputError as error:
        return str(error)
    found: list[Any] = [made.labelmap.to_text()]
    for name, scan in scans.items():
        found += [name, list(scan.lines), scan.notes.to_json(), list(scan.notes.kinds)]
        found += [dict(scan.unknown), scan.first_place, scan.input_digest(dataset.root)]
        found += [list(scan.stamps(dataset.root)), scan.stated]
        found += [(bad.image, str(bad.error), bad.unannotated) for bad in scan.failures]
        found += [(one.number, one.entry.image, one.entry.places) for one in scan.images]
    return found


KINDS = st.sampled_from(
    ["ok", "ok", "none", "unknown", "broken", "absent", "boxless", "twice", "odd name", "fraction"]
)
OPTIONS = st.builds(
    BuildOptions,
    missing=st.sampled_from(["fail", "skip"]),
    unannotated=st.sampled_from(["fail", "skip", "background"]),
    unknown=st.sampled_from(["fail", "skip"]),
    boxless=st.sampled_from(["fail", "drop"]),
    shuffle=st.booleans(),
    limit=st.sampled_from([None, 3]),
)


def draw(voc: Voc, kinds: list[str]) -> None:
    listed: list[str] = []
    for number, kind in enumerate(kinds, 1):
        path, name = voc.annotation(number), f"{number}.jpg"
        listed.append(str(number))
        if kind == "none":
            path.write_text(xml((), name=name))
        elif kind == "unknown":
            path.write_text(xml([("zebra", 1, 2, 30, 40)], name=name))
        elif kind == "broken":
            path.write_text("<annotation>")
        elif kind == "absent":
            path.unlink()
        elif kind == "boxless":
            path.write_text(xml(extra="<object><name>cat</name></object>", name=name))
        elif kind == "twice":
            listed.append(str(number))
        elif kind == "odd name":
            voc.picture(number).rename(voc.picture(f"other{number}"))
            path.write_text(xml(name=f"other{number}.jpg"))
        elif kind == "fraction":
            path.write_text(xml([("cat", 0.1, 0.2, 0.5, 0.5)], name=name))
    voc.list(listed)


@given(kinds=st.lists(KINDS, min_size=1, max_size=12), options=OPTIONS, most=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_a_scan_is_the_same(kinds: list[str], options: BuildOptions, most: int) -> None:
    with folder() as top:
        voc = Voc(top / "raw", len(kinds))
        draw(voc, kinds)
        here = said(recognise(voc.root), options)
        with workers(most):
            assert said(recognise(voc.root), options) == here


@given(kinds=st.lists(KINDS, min_size=1, max_size=12), options=OPTIONS)
@settings(max_examples=30, deadline=None)
def test_a_scan_that_does_not_fit_in_memory_is_the_same(
    kinds: list[str], options: BuildOptions
) -> None:
    with folder() as top:
        voc = Voc(top / "raw", len(kinds))
        draw(voc, kinds)
        here = said(recognise(voc.root), options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spill, "HELD", 0)
            patch.setattr(spill, "BLOCK", 2)
            assert said(recognise(voc.root), options) == here


@given(kinds=st.lists(KINDS, min_size=1, max_size=8), options=OPTIONS)
@settings(max_examples=20, deadline=None)
def test_a_list_is_the_same(kinds: list[str], options: BuildOptions) -> None:
    with folder() as top:
        voc = Voc(top / "raw", len(kinds))
        draw(voc, [kind for kind in kinds if kind != "odd name"])
        (top / "map").write_text('item { name: "bg" label: 0 }\nitem { name: "cat" label: 1 }\n')
        names = (voc.root / "ImageSets/Main/trainval.txt").read_text().split()
        lines = [f"JPEGImages/{name}.jpg Annotations/{name}.xml\n" for name in names]
        (top / "list.txt").write_text("".join([*lines, "../out.jpg Annotations/1.xml\n"]))
        dataset = from_list(top / "list.txt", voc.root, top / "map")
        here = said(dataset, options)
        with workers():
            assert said(dataset, options) == here
        (top / "list.txt").write_text("".join([*lines, "JPEGImages/1.jpg 7\n"]))
        with workers():
            assert "label number stands" in said(dataset, options)


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_every_format(name: str, tmp_path: Path) -> None:
    found = recognise(everyformat.make(name, tmp_path / "raw"))
    here = said(found, BuildOptions())
    with workers():
        assert said(found, BuildOptions()) == here


def test_workers_do_read(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 9)
    with workers() as mixed:
        list(recognise(voc.root).entries("trainval", Tally()))
        assert mixed.done == 5
    with manyfiles.read_by(Pool("local")):
        list(recognise(voc.root).entries("trainval", Tally()))


def test_what_leads_out_is_refused_there(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 3)
    found = recognise(voc.root)
    (tmp_path / "out.xml").write_text(xml())
    voc.annotation(2).unlink()
    voc.annotation(2).symlink_to(tmp_path / "out.xml")
    with workers() as mixed:
        really = mixed.run

        def elsewhere(function: Any, tasks: Any, needs: Any = None) -> Any:
            """In a process that has not looked at the data set."""
            given = list(tasks)
            before = dict(fences._fences)
            fences._fences.clear()
            fences._places.clear()
            try:
                done = list(really(function, given))
            finally:
                fences._fences.clear()
                fences._fences.update(before)
                fences._places.clear()
            return iter(done)

        mixed.run = elsewhere  # type: ignore[method-assign]
        entries = list(found.entries("trainval", Tally()))
    bad = [one for one in entries if isinstance(one, Unreadable)]
    assert len(bad) == 1
    assert "leaves the data set's folder" in bad[0].error.what


def test_a_build_by_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voc = Voc(tmp_path / "raw", 9)
    voc.held_back("t1")
    monkeypatch.setattr("ssd_data.core.tasks.connect", OneByOne().connect)
    monkeypatch.setattr(manyfiles, "SLICE", 2)
    build(recognise(voc.root), tmp_path / "cut", shards=3, on="elsewhere")
    build(recognise(voc.root), tmp_path / "one")
    for name in ("trainval.txt", "trainval_name_size.txt", "labelmap.prototxt"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_a_picture_that_is_no_text(tmp_path: Path) -> None:
    """Its stamp is asked for like others."""
    voc = Voc(tmp_path / "raw", 2)
    voc.picture("é ü").write_bytes(jpeg())
    voc.annotation("é ü").write_text(xml(name="é ü.jpg"))
    voc.list(["1", "é ü", "2"])
    here = said(recognise(voc.root), BuildOptions())
    with workers(slices=1):
        assert said(recognise(voc.root), BuildOptions()) == here
