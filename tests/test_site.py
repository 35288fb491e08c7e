"""The documentation: its links and anchors, its index, and the site that is built from it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

DOCS = ROOT / "docs"
OTHERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
PAGES = [*OTHERS, *sorted(DOCS.glob("*.md"))]


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^(```+).*?^\1", "", page.read_text("utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """What GitHub calls a page's headings."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        again = found.get(name, 0)
        found[name] = again + 1
        if again:
            found[f"{name}-{again}"] = 1
    return set(found)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The files that a page's links and pictures name, and the headings there."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield (page.parent / name).resolve() if name else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    for file, anchor in links(page):
        assert file.is_file(), file
        assert not anchor or anchor in anchors(file), f"{file.name}#{anchor}"


def test_headings_as_github_names_them(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "# `a_b`: What's *in* it?\n## [B](c.md)\n## B\n```sh\n# no\n```\n"
    )
    assert anchors(tmp_path / "a.md") == {"a_b-whats-in-it", "b", "b-1"}


@pytest.fixture(scope="module")
def maker() -> Any:
    """``docs/make_site.py`` as a module."""
    spec = importlib.util.spec_from_file_location("make_site", DOCS / "make_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_site"] = module  # named tuples look there
    spec.loader.exec_module(module)
    return module


def test_the_index_lists_every_page_once_and_no_other(maker: Any) -> None:
    sections = maker.listed()
    assert list(sections) == ["Tutorials", "How-to", "Reference", "Explanation"]
    entries = [entry for entries in sections.values() for entry in entries]
    names = [entry.page for entry in entries]
    assert len(set(names)) == len(names)
    there = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert set(names) == there | {"readme", "speed", "contributing", "changes"}
    assert all(entry.brief.endswith(".") for entry in entries)


def test_llms_txt_is_as_its_definition_says(maker: Any) -> None:
    """A title, a summary in a quotation, then sections of links: llmstxt.org."""
    title, summary, *sections = maker.llms().split("\n\n")
    assert title == "# ssd-data"
    assert re.fullmatch(r"> .+", summary)
    for head, body in zip(sections[::2], sections[1::2], strict=True):
        assert re.fullmatch(r"## [\w-]+", head)
        for line in body.splitlines():
            assert re.fullmatch(r"- \[[^\]]+\]\([\w-]+\.(md|html)\): .+", line)


def test_links_of_a_page_follow_it_into_the_site(maker: Any, tmp_path: Path) -> None:
    for page in PAGES:
        text = maker.moved(page)
        assert "](docs/" not in text
        assert "](../" not in text


class Read(HTMLParser):
    """What an HTML page asks for, links to, and can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag in ("link", "script", "img", "iframe"):
            target = given.get("src") or given.get("href", "")
            self.asked += [target] if target.strip("#") else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("sphinx", "myst_parser", "furo", "torch"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (make site brings it)")
    out = tmp_path_factory.mktemp("site") / "html"
    done = subprocess.run(
        [sys.executable, DOCS / "make_site.py", out], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # a warning is an error
    return out


def test_the_site_is_whole_and_asks_no_network(site: Path) -> None:
    pages = {path.name: Read(path.read_text("utf-8")) for path in site.glob("*.html")}
    assert len(pages) > 25
    for name, page in pages.items():
        for target in page.asked:
            assert not re.match(r"https?:|//", target), (name, target)
            assert (site / target.split("?")[0]).is_file(), (name, target)
        for link in page.links:
            file, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", file):
                continue
            if file.startswith("_downloads/"):
                assert (site / file).is_file(), (name, link)
                continue
            other = pages[file or name]
            assert not anchor or anchor in other.ids, (name, link)
    for style in (site / "_static").rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", style.read_text("utf-8")), style


def test_the_site_has_every_public_name_and_every_page_as_markdown(site: Path) -> None:
    import ssd_data

    ids = Read((site / "api.html").read_text("utf-8")).ids
    modules = {*ssd_data._MODULES, "TEST", "TRAIN"}
    assert {f"ssd_data.{name}" for name in ssd_data.__all__ if name not in modules} <= ids
    for name in re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text("utf-8")):
        assert (site / name).is_file()
    assert "quality" in (site / "searchindex.js").read_text("utf-8")
