"""``ssd-data report``: one safe file, whatever the data says, and the numbers that others give."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies
from support.commands import run
from support.html_pages import EVIL, read_safely

from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.data.lmdb.records import encode_record, key_of
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.pages.report import picks
from ssd_data.pages.report.blocks import (
    Bar,
    Chart,
    Gallery,
    Listing,
    Note,
    Page,
    Panel,
    Section,
    Table,
    Thumbnail,
)
from ssd_data.pages.report.charts import bubbles, heat_map, histogram
from ssd_data.pages.report.data_page import data_page
from ssd_data.pages.report.render import render, show
from ssd_data.pages.report.sections import boxes as box_section
from ssd_data.pages.report.sections import findings
from ssd_data.pages.report.subject import Subject, gather
from ssd_data.pages.report.thumbnails import of_records

NAMES = [EVIL, '"onload="alert(1)', "x'y&<b>"]
SECTIONS = ["about", "counts", "findings", "boxes", "pictures", "gallery"]
INF, NAN = float("inf"), float("nan")
# Boxes of the records of an LMDB that has one of each trouble.
RECORDS: list[list[list[float]]] = [
    [[0.1, 0.1, 0.5, 0.6], [0.3, 0.2, 0.9, 0.4]],
    [[-0.3, 0.2, 0.4, 0.9], [0.8, 0.8, 1.6, 1.2]],
    [[NAN, 0, 1, 1], [0.5, 0.5, 0.2, 0.2], *[[0.1, 0.1, k, k] for k in (0.3, 0.6, 0.7, 0.3)]],
    [],
    [[0.2, 0.4, 0.9, 0.404], [0, 0, 1e30, 1]],
    [[0.1, 0.1, 0.2, 0.2]],
    [[INF, -INF, 1, 1], [1e38, -1e38, 3e38, 3e38]],
    [[0.1, 0.1, 0.2, 0.2]],
]
WEB_PAGE, NO_RECORD = 5, 7


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SHAPES, a build of a drawn sample, and SMALL, of the same at another size."""
    folder = tmp_path_factory.mktemp("builds")
    sample = ("--layout", "voc", "--train", 12, "--test", 5, "--size", 96, "-q")
    assert run("sample", folder / "sample", *sample) == 0
    source = folder / "sample" / "voc"
    assert run("build", source, "-o", folder / "SHAPES", "-q") == 0
    assert run("build", source, "-o", folder / "SMALL", "--size", 64, "-q") == 0
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LMDB whose keys, class names, boxes and records are as bad as can be."""
    folder = tmp_path_factory.mktemp("hostile")
    write_labelmap(LabelMap.from_names(NAMES), folder / "labelmap.prototxt")
    gray = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60)
    jpeg = cv2.imencode(".jpg", gray[:, :, None].repeat(3, 2))[1].tobytes()
    with LmdbWriter(folder / "bad_lmdb") as writer:
        for number, boxes in enumerate(RECORDS):
            labels = 1 + np.arange(len(boxes), dtype=np.int32) % 3
            value = encode_record(
                b"<html>" if number == WEB_PAGE else jpeg, (3, 40, 60), labels,
                np.array(boxes, np.float32).reshape(-1, 4), labels == 2,
            )  # fmt: skip
            key = key_of(number, f"{EVIL}\"'&{number}\x07.jpg")
            writer.put(key, b"\xff\xff" if number == NO_RECORD else value)
        raw = encode_record(
            gray.tobytes(), (1, 40, 60), np.ones(1, np.int32),
            np.array([[0.2, 0.2, 0.6, 0.6]], np.float32), np.zeros(1, bool), encoded=False,
        )  # fmt: skip
        writer.put(key_of(8, "gray"), raw)
    return folder / "bad_lmdb"


# ---- pages ----


def test_a_build(builds: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "new" / "page.html"
    assert run("report", builds / "SHAPES", "-o", out, "--pictures", 2) == 0
    assert str(out) in capsys.readouterr().out
    page = read_safely(out.read_text("utf-8"))
    ids = [a["id"] for tag, a in page.tags if tag == "section"]
    assert ids == SECTIONS
    assert {a["href"] for tag, a in page.tags if tag == "a"} == {f"#{name}" for name in SECTIONS}
    text = " ".join(page.text)
    for word in ("trainval", "circle", "options", "versions", "opencv-python-headless"):
        assert word in text
    images = [str(a["href"]) for tag, a in page.tags if tag == "image"]
    assert 8 <= len(images) <= 16
    for uri in images:
        data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert picture is not None
        assert max(picture.shape) <= 400
    charts = [a for tag, a in page.tags if tag == "svg" and a.get("role") == "img"]
    assert all(a.get("aria-label") for a in charts)


def test_hostile_names_are_text(hostile: Path, tmp_path: Path) -> None:
    assert run("report", hostile, "-o", tmp_path / "page.html", "-q") == 0
    html = (tmp_path / "page.html").read_text("utf-8")
    assert EVIL not in html
    page = read_safely(html)
    text = "".join(page.text)
    for name in NAMES:
        assert name in text
    assert f"{EVIL}\"'&0\\x07.jpg" in text
    for trouble in ("not-finite", "empty-box", "outside-box", "unreadable-picture", "stands twice"):
        assert trouble in text
    assert "a web page" in text  # of the broken record


@pytest.mark.parametrize("what", ["name", "root", "version", "link"])
def test_a_hostile_build_json(what: str, builds: Path, tmp_path: Path) -> None:
    manifest = json.loads((builds / "SHAPES" / "build.json").read_text())
    manifest["options"] |= {EVIL: EVIL, "size": [EVIL]}
    if what == "name":
        manifest["name"] = EVIL
    elif what == "root":
        manifest["root"] = {EVIL: [EVIL, None, 1]}
    elif what == "version":
        manifest["versions"] = [EVIL]
    else:
        manifest["links"] = {"test_lmdb": EVIL}
    folder = tmp_path / "build"
    folder.mkdir()
    for path in (builds / "SHAPES").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "build.json").unlink()
    (folder / "build.json").write_text(json.dumps(manifest))
    args = ("-o", tmp_path / "page.html", "--pictures", 0, "--no-decode", "-q")
    assert run("report", folder, *args) == 0
    html = (tmp_path / "page.html").read_text("utf-8")
    assert EVIL not in html
    assert EVIL in "".join(read_safely(html).text)


def test_two_side_by_side(builds: Path, tmp_path: Path) -> None:
    args = ("-o", tmp_path / "page.html", "--pictures", 1, "-q")
    assert run("report", builds / "SHAPES", builds / "SMALL", *args) == 0
    page = read_safely((tmp_path / "page.html").read_text("utf-8"))
    assert "two builds" in page.text
    assert any("[64, 64]" in text and "SHAPES" in text for text in page.text)
    panels = [a for tag, a in page.tags if tag == "div" and a.get("class") == "panel"]
    assert len(panels) == 2 * (len(SECTIONS) - 1)


def test_listings_say_how_many_more_there_are(monkeypatch: Any, hostile: Path) -> None:
    monkeypatch.setattr("ssd_data.pages.report.sections.findings.SHOWN", 1)
    subject = gather(hostile, decode=False)
    (panel,) = findings.section([subject]).panels
    listings = {block.title: block for block in panel.blocks if isinstance(block, Listing)}
    hard = next(one for title, one in listings.items() if "difficult" in title)
    # Of boxes in pictures the places are pictures.
    assert "in 5 pictures" in hard.title
    assert (hard.count, len(hard.items), hard.more) == (6, 1, 4)
    outside = listings["bad: boxes that leave their picture"]
    assert (outside.count, outside.more) == (4, 3)
    assert all(one.more == one.count - 1 for one in listings.values() if one.mark and one.items)


def test_an_lmdb_of_a_build(builds: Path, tmp_path: Path) -> None:
    (lmdb,) = (builds / "SHAPES").glob("*test_lmdb")
    (tmp_path / "test_lmdb").symlink_to(lmdb)
    subject = gather(tmp_path / "test_lmdb", decode=False)
    assert subject.manifest is not None
    assert subject.labelmap is not None
    assert [split.path for split in subject.splits] == [tmp_path / "test_lmdb"]
    # One that only lies beside a build.json is not of that build; a broken one says nothing.
    for text in ((builds / "SHAPES" / "build.json").read_text(), "{"):
        folder = tmp_path / str(len(text))
        folder.mkdir()
        (folder / "other_lmdb").mkdir()
        (folder / "other_lmdb" / "data.mdb").write_bytes((lmdb / "data.mdb").read_bytes())
        (folder / "build.json").write_text(text)
        assert gather(folder / "other_lmdb", decode=False).manifest is None


def test_the_same_twice_is_told_apart(builds: Path) -> None:
    subject = gather(builds / "SHAPES", splits=["test"], decode=False)
    page = data_page([subject, subject], 0)
    assert page.title.count(str(builds)) == 2


def test_numbers_are_those_of_inspect_and_check(hostile: Path, tmp_path: Path, capsys: Any) -> None:
    assert run("report", hostile, "-o", tmp_path / "page.html", "--json") == 0
    table = json.loads(capsys.readouterr().out)
    assert table["bytes"] == (tmp_path / "page.html").stat().st_size
    (subject,) = table["subjects"]
    run("inspect", hostile, "--json")
    inspected = json.loads(capsys.readouterr().out)
    (summary,) = subject["splits"].values()
    assert summary == {key: inspected[key] for key in summary}
    run("check", hostile, "--json")
    assert subject["findings"] == json.loads(capsys.readouterr().out)


def test_a_page_of_any_text() -> None:
    evil = f"{EVIL}\"'&\ud800"
    chart = histogram(evil, box_section.RATIOS, [(evil, np.ones(3))], evil)
    blocks = [Table(evil, [evil], [[evil, Bar(3, 0.5), None, 1.5]]), Note(evil), chart]
    panels = [Panel(evil, [heat_map(evil, [(evil, np.ones((2, 2)))])])]
    page = Page(evil, evil, [(evil, evil)], [Section("a", evil, evil, blocks, panels * 2)])
    html = render(page).encode("utf-8", "backslashreplace").decode()  # as it is written
    assert EVIL not in html
    read_safely(html)


@pytest.mark.parametrize(
    ("args", "status", "what"),
    [
        (["SHAPES"], 2, "-o FILE"),
        (["SHAPES", "-o", "."], 2, "folder"),
        (["absent", "-o", "page.html"], 2, "neither"),
        (["sample", "-o", "page.html"], 2, "neither"),
        (["SHAPES", "-o", "page.html", "--split", "val"], 2, "no split"),
        (["SHAPES/VOC_test_lmdb", "-o", "page.html", "--split", "val"], 2, "belongs to a build"),
        (["SHAPES", "-o", "page.html", "--labelmap", "absent"], 1, "missing"),
        (["SHAPES", "absent", "-o", "page.html"], 2, "neither"),
        (["SHAPES", "-o", "sample/page.html/x", "--pictures", "101"], 2, "101"),
    ],
)
def test_wrong_calls(
    args: list[str], status: int, what: str, builds: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(builds)
    args = [next(iter(builds.glob("SHAPES/*test_lmdb"))) if "_lmdb" in a else a for a in args]
    assert run("report", *args) == status
    assert what in capsys.readouterr().err
    assert not (builds / "page.html").exists()


def test_without_the_template_library(builds: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("ssd_data.pages.report.find_spec", lambda name: None)
    assert run("report", builds / "SHAPES", "-o", builds / "page.html") == 1
    assert "ssd-data[report]" in capsys.readouterr().err


# ---- what is picked and drawn ----


def test_picks(hostile: Path) -> None:
    split = gather(hostile, decode=False).splits[0]
    m = split.measures
    assert [pick.index for pick in picks.crowded(m, 3)] == [2, 0, 1]
    assert [pick.index for pick in picks.broken(m, 9)] == [WEB_PAGE, NO_RECORD]
    drawn = [pick.index for pick in picks.random(m, 99, 0)]
    assert drawn == [0, 1, 2, 3, 4, 6, 8]
    assert len(picks.random(m, 2, 1)) == 2
    found = {pick.index: pick for pick in picks.suspicious(m, 99)}
    assert sorted(found) == [1, 2, 4, 6]
    assert found[1].boxes == {0, 1}
    # Its six boxes lie by label: first, fourth, second, fifth, third, sixth.
    assert found[2].boxes == {0, 2, 5}
    assert any("stands twice" in why for why in found[2].why)
    assert found[4].why[-1] == "a side under 2 pixels"
    small = picks.smallest(m, 2)
    assert [(pick.index, pick.zoom) for pick in small] == [(4, 0), (2, 4)]


@pytest.mark.parametrize("index", range(len(RECORDS) + 1))
def test_thumbnails_of_any_record(index: int, hostile: Path) -> None:
    subject: Subject = gather(hostile, decode=False)
    (drawn,) = of_records(subject.splits[0], [picks.Pick(index)], subject.labelmap)
    if index in (WEB_PAGE, NO_RECORD):
        assert not drawn.uri
        assert drawn.facts
        return
    x, y, width, height = drawn.view
    assert drawn.size == (60, 40)
    assert x <= 0
    assert y <= 0
    assert (x + width >= 60, y + height >= 40) == (True, True)
    assert (width <= 1.5 * 60, height <= 1.5 * 40) == (True, True)
    assert sum(chip.count for chip in drawn.chips) == (len((RECORDS[index:] or [[[]]])[0]))
    for outline in drawn.outlines:
        assert np.isfinite(outline.rect).all()


def test_boxes_are_drawn_where_they_are(hostile: Path) -> None:
    subject = gather(hostile, decode=False)
    (whole,) = of_records(subject.splits[0], [picks.Pick(0)], subject.labelmap)
    rects = {outline.mark.said: outline.rect for outline in whole.outlines}
    np.testing.assert_allclose(rects[NAMES[0]], [6, 4, 24, 20], atol=1e-4)
    assert whole.outlines[0].mark.said == NAMES[0]  # the larger one, below the other
    assert [outline.mark.dashed for outline in whole.outlines] == [False, True]
    (near,) = of_records(subject.splits[0], [picks.Pick(8, zoom=0, boxes={0})], subject.labelmap)
    assert near.outlines[0].mark.marked
    # The whole picture of 60 x 40 is nearer than 4 times the box: enlarged to 400 pixels.
    assert near.size == (400, 267)
    np.testing.assert_allclose(near.outlines[0].rect, [80, 53.4, 160, 106.8], atol=0.1)


# ---- charts ----


def shown_numbers(chart: Chart) -> int:
    return sum(value for row in chart.table.rows for value in row[1:] if isinstance(value, int))


@pytest.mark.parametrize(
    "axis", [box_section.SIZES, box_section.SHARES, box_section.RATIOS, box_section.NUMBERS]
)
@given(values=strategies.lists(strategies.floats(0, 1e9), max_size=20))
def test_a_histogram_counts_every_value(axis: Any, values: Sequence[float]) -> None:
    chart = histogram("title", axis, [("a", np.array(values)), ("b", np.array([1.0]))], "boxes")
    assert shown_numbers(chart) == len(values) + 1
    assert len(axis.edges) == len(axis.names) + 1
    assert chart.legend == ["a", "b"]
    numbers = [float(n) for n in re.findall(r"[MVH](-?[0-9.]+)", str(chart.svg))]
    assert all(0 <= n <= 360 for n in numbers)


def test_a_value_falls_into_its_bin() -> None:
    chart = histogram("sizes", box_section.SIZES, [("a", np.array([64.0, 63.9]))], "boxes")
    assert [row[0] for row in chart.table.rows] == ["45.3 to 64", "64 to 90.5"]


def test_points_at_the_border_count() -> None:
    points = np.array([[0, 0], [1, 1], [0.5, 0.5], [0.99, 0.01]])
    assert shown_numbers(heat_map("where", [("a", points)])) == 4
    assert shown_numbers(heat_map("where", [("a", np.zeros((0, 2)))])) == 0


def test_circles_of_sizes() -> None:
    chart = bubbles("sizes", [(500, 375, 10), (300, 300, 1)])
    assert str(chart.svg).count("<circle") == 2
    assert "<circle" not in str(bubbles("none", []).svg)


def test_cells() -> None:
    assert [show(v) for v in (None, "a", 1234567, 0.12345, 12345.6)] == [
        "–", "a", "1,234,567", "0.123", "12,346",
    ]  # fmt: skip


def test_a_picture_without_boxes_says_so() -> None:
    picture = Thumbnail("key", "data:image/jpeg;base64,", (0, 0, 4, 4), (4, 4))
    html = render(Page("", "", [], [Section("a", "", "", [Gallery("", [picture])])]))
    assert "no boxes" in html
