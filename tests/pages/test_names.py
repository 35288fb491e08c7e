"""Pages of hostile names: they are text, all of it is seen, and none is longer than a few lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import hostile
from support.commands import run
from support.html_pages import EVIL, Reader, read_safely

from ssd_data.core.legible import MOST
from ssd_data.pages.report.blocks import (
    Bar,
    Gallery,
    Listing,
    Note,
    Page,
    Section,
    Table,
    Thumbnail,
)
from ssd_data.pages.report.render import render


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def look(html: str) -> Reader:
    """A page in which nothing is hidden: no escape, no mark of direction, in no text or value."""
    assert EVIL not in html
    page = read_safely(html)
    for text in page.text:
        assert not {c for c in text if not c.isprintable()} - {"\n"}
        assert max(map(len, text.split("\n"))) <= MOST
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert (value or "").isprintable()
            assert len(value or "") <= MOST or name in ("href", "d")
    return page


@pytest.mark.parametrize("kind", hostile.SPOKEN)
def test_data(kind: str) -> None:
    name = hostile.NAMES[kind]
    hostile.labelmap(name)
    hostile.lmdb(name, "a_lmdb")
    hostile.lmdb(name, "b_lmdb", 0.9, broken=True)
    assert run("report", "a_lmdb", "b_lmdb", "-o", "page.html", "-q") == 0
    page = look(Path("page.html").read_text("utf-8"))
    text = " ".join(page.text)
    shown = {
        "terminal": r"\x1b[31m\x1b]0;owned\x07\r\nerror: forged\tb\x9b1m",
        "long": " characters)…",
    }
    assert shown.get(kind, hostile.NAMES["page"] if kind == "page" else "") in text


def test_a_build_with_a_hostile_record() -> None:
    """build.json is a file as any other."""
    import json

    name = hostile.NAMES["terminal"]
    hostile.Voc(Path("raw"), 2)
    assert run("build", "raw", "-o", "out", "-q") == 0
    manifest = json.loads(Path("out/build.json").read_text())
    manifest["name"] = manifest["root"] = name
    manifest["options"] |= {name: name, "size": [name * 3000]}
    manifest["versions"] = {name: name}
    manifest["splits"]["trainval"]["notes"] = {name: {"count": 1, "listed": [name]}}
    Path("out/build.json").unlink()
    Path("out/build.json").write_text(json.dumps(manifest))
    assert run("report", "out", "-o", "page.html", "--pictures", 0, "-q") == 0
    look(Path("page.html").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["terminal", "page"])
def test_a_run(kind: str) -> None:
    said = hostile.in_prototxt(hostile.NAMES[kind])
    hostile.labelmap(hostile.NAMES[kind])
    for split in ("trainval", "test"):
        hostile.lmdb(hostile.NAMES[kind], f"{split}_lmdb")
    assert run("model", "tiny_ssd", "--num-classes", 3, "-o", "ssd", "-q") == 0
    for path in Path("ssd").glob("*.prototxt"):
        numbers = r"(max_iter|display|test_iter|snapshot|test_interval): \d+"
        text = re.sub(numbers, r"\1: 1", path.read_text())
        for old in ("mbox_loss", "detection_eval", "conv1", "data"):
            text = text.replace(f'"{old}"', f'"{said}{old}"')
        path.write_text(text)
    assert run("train", "ssd/solver.prototxt", "--device", "cpu", "-q") == 0
    options = ("--pictures", 2, "--test-pictures", 2, "--device", "cpu", "-q")
    assert run("report", "ssd", "-o", "page.html", *options) == 0
    look(Path("page.html").read_text("utf-8"))


@pytest.mark.parametrize("kind", hostile.NAMES)
def test_every_block(kind: str) -> None:
    name = hostile.NAMES[kind]
    blocks = [
        Table(name, [name, name], [[name, Bar(1, 0.5)], [name, None]], folded=True),
        Listing(name, 3, [name], 2, "error"),
        Note(name, "warning"),
        Gallery(name, [Thumbnail(name, facts=[name])]),
    ]
    page = look(render(Page(name, name, [(name, name)], [Section("a", name, name, blocks)])))
    assert len(page.text) > 10
