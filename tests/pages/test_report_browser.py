"""Reports in a real browser, from their files: they look as they should, and nothing is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.browser import Browser
from support.commands import run
from support.viewed import EVIL, hostile, ordinary

from ssd_data.core.scene import Chip, Mark
from ssd_data.pages.report.blocks import (
    Bar,
    Block,
    Gallery,
    Listing,
    Note,
    Page,
    Panel,
    Section,
    Table,
    Thumbnail,
)
from ssd_data.pages.report.charts import bubbles, heat_map
from ssd_data.pages.report.curves import chart
from ssd_data.pages.report.render import write_page
from ssd_data.pages.svg import Outline

PICTURE = (  # a GIF of one red point
    "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
)


def show(page: Browser, path: Path) -> None:
    page.complaints.clear()
    page.own.add(path.as_uri())
    page.open(path.as_uri())


def blocks() -> Sequence[Block]:
    """One of each kind, with names that attack."""
    boxes = [Outline(Mark(1, EVIL), (0.1, 0.1, 0.5, 0.5))]
    counts = [[EVIL, Bar(7, 0.5)], ["all", Bar(14, 1.0)], ["none", Bar(0, 0.0)]]
    chips = [Chip(1, EVIL, 2), Chip(None, "others", 1)]
    steps = np.arange(5.0)
    return [
        Table(EVIL, [EVIL, "n"], counts),
        Table("folded", ["x"], [[1]], folded=True),
        Listing(EVIL, 3, [EVIL], 2, "error"),
        Listing("warned of", 1, ["here"], 0, "warning"),
        Note(EVIL, "error"),
        chart("loss", [(EVIL, (steps, steps)), ("b", (steps, 2 * steps))]),
        heat_map("centres", [(EVIL, np.array([[0.1, 0.2], [0.1, 0.2], [0.5, 0.5]]))]),
        bubbles("sizes", [(100, 50, 3), (50, 50, 1)]),
        Gallery(EVIL, [
            Thumbnail(EVIL, PICTURE, outlines=boxes, chips=chips, facts=[EVIL]),
            Thumbnail("none"),
        ]),
    ]  # fmt: skip


def test_every_kind_of_block(page: Browser, tmp_path: Path) -> None:
    panels = [Panel(EVIL, blocks()), Panel("b", blocks())]
    made = Page(EVIL, EVIL, [(EVIL, EVIL)], [Section("one", EVIL, EVIL, blocks(), panels)])
    path = tmp_path / "page.html"
    write_page(made, path)
    show(page, path)
    assert page.complaints == []
    assert page.js("document.scripts.length + document.images.length") == 0
    assert EVIL in page.js("document.body.textContent")
    # The style sheet counts, and what it says of colours and widths.
    assert page.js("getComputedStyle(document.body).marginLeft") == "0px"
    widths = "[...document.querySelectorAll('.bar rect')].map(r => r.getBoundingClientRect().width)"
    half, whole, nothing = page.js(widths)[:3]
    assert (whole, nothing) == (pytest.approx(2 * half), 0)
    chip = "document.querySelector('.chip rect')"
    numbers = re.findall("[0-9]+", page.js(f"getComputedStyle({chip}).fill"))
    assert "#" + "".join(f"{int(n):02x}" for n in numbers) == Chip(1, EVIL, 2).colour
    assert 8 < page.js(f"{chip}.getBoundingClientRect().width") < 16
    box = "document.querySelector('.picture g rect:last-of-type')"
    assert page.js(f"getComputedStyle({box}).fill") == "rgba(0, 0, 0, 0)"
    # An image that the policy lets in has been drawn.
    assert page.js(
        "(() => { const i = document.querySelector('image'); return i.getBBox().width })()"
    ) == pytest.approx(1)


def test_reports_of_data(page: Browser, tmp_path: Path) -> None:
    for make in (ordinary, hostile):
        lmdb, path = make(tmp_path / f"{make.__name__}_lmdb"), tmp_path / f"{make.__name__}.html"
        assert run("report", lmdb, "-o", path, "-q") == 0
        show(page, path)
        assert page.complaints == []
        assert page.js("document.querySelectorAll('.picture > svg').length") > 0
        page.size(390, 844, dark=True)
        show(page, path)
        assert page.js("document.documentElement.scrollWidth") == 390
        page.size(1280, 900)


@pytest.mark.parametrize("width", [1280, 1920, 2560])
def test_a_report_uses_the_whole_width(page: Browser, tmp_path: Path, width: int) -> None:
    lmdb, path = ordinary(tmp_path / "x_lmdb"), tmp_path / "page.html"
    assert run("report", lmdb, "-o", path, "-q") == 0
    page.size(width, 1000)
    show(page, path)
    assert page.js("document.documentElement.scrollWidth") == width
    edges = "[...document.querySelectorAll('.gallery')].map(p => p.getBoundingClientRect().right)"
    assert max(page.js(edges)) > width - 40


@pytest.mark.parametrize(
    "more",
    [
        "<script>document.title = 'ran'</script>",
        '<p style="color: red">x</p>',
        "<style>p { color: red }</style>",
        '<img src="http://127.0.0.1:1/x.png">',
        '<p onclick="0">x</p><script>document.querySelector("[onclick]").click()</script>',
        '<iframe src="http://127.0.0.1:1/"></iframe>',
        '<base href="http://127.0.0.1:1/">',
    ],
)
def test_what_is_put_into_a_page_does_nothing(page: Browser, tmp_path: Path, more: str) -> None:
    """And the browser says so: the tests here would hear of it."""
    path = tmp_path / "page.html"
    write_page(Page("title", "", [], []), path)
    path.write_text(path.read_text().replace("<main>", f"<main>{more}"))
    show(page, path)
    assert page.js("document.title") == "title"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)
    page.complaints.clear()
