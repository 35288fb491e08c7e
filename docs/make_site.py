"""Builds the documentation site from ``docs/``: ``make site``, or ``python docs/make_site.py DIR``.

``index.md`` says which pages there are and in which order: its lists become the site's menu and
``llms.txt``. Pages that lie elsewhere in the repository, and the one of the package's public names,
are put beside them. The site asks no network, neither when it is built nor when it is read.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ELSEWHERE = {
    "readme.md": ROOT / "README.md",
    "contributing.md": ROOT / "CONTRIBUTING.md",
    "speed.md": ROOT / "benchmarks" / "README.md",
    "changes.md": ROOT / "CHANGELOG.md",
}
TITLES = {
    "data": "Data sets, LMDBs and builds",
    "batches": "What a net is fed",
    "nets": "Nets' files",
    "families": "Families of nets",
    "training": "Training",
    "engines": "Nets that compute, and pycaffe's names",
    "metrics": "Scores",
    "core": "Labelmaps, boxes and errors",
}
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\): (.+(?:\n  .+)*)", re.M)


class Entry(NamedTuple):
    """A page as ``index.md`` lists it: its title there, its path from ``docs/``, what it is."""

    title: str
    path: str
    brief: str

    @property
    def page(self) -> str:
        """Its name in the site, without an ending."""
        return site_name((HERE / self.path).resolve()).removesuffix(".md")


def listed() -> dict[str, list[Entry]]:
    """The pages of each section of ``index.md``."""
    parts = re.split(r"^## (.+)\n", (HERE / "index.md").read_text("utf-8"), flags=re.M)[1:]
    sections = zip(parts[::2], parts[1::2], strict=True)
    return {
        title: [Entry(a, b, " ".join(c.split())) for a, b, c in ENTRY.findall(text)]
        for title, text in sections
    }


def site_name(file: Path) -> str:
    """What a page of the repository is called in the site; of other files, what they are called."""
    known = {path: name for name, path in ELSEWHERE.items()}
    return known.get(file, file.name)


def moved(page: Path) -> str:
    """A page's text with links as they are in the site, where all pages lie in one folder."""

    def to(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        if "://" in target:
            return match[0]
        return f"]({site_name((page.parent / target).resolve())}{anchor})"

    return LINK.sub(to, page.read_text("utf-8"))


def menu() -> str:
    """The lists of ``index.md`` as Sphinx takes them."""
    parts = []
    for title, entries in listed().items():
        pages = "\n".join(f"{entry.title} <{entry.page}>" for entry in entries)
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n")
    return "\n" + "\n".join(parts)


def public_names() -> str:
    """The page of what ``import ssd_data`` gives, for autodoc to fill."""
    import ssd_data

    rooms: dict[str, list[str]] = {}
    for name in ssd_data.__all__:
        home = ssd_data._HOME.get(name)
        rooms.setdefault(home.split(".")[0] if home else "", []).append(name)
    text = (HERE / "api.md").read_text("utf-8")
    for room, title in TITLES.items():
        text += f"\n## {title}\n"
        text += "".join(directive(name, getattr(ssd_data, name)) for name in rooms.pop(room))
    assert rooms.keys() == {""}, rooms  # phases and modules: the page's own text has them
    return text


def directive(name: str, value: object) -> str:
    """One name's entry, which its docstring fills."""
    kind, option = "autodata", "   :no-value:\n"
    if isinstance(value, type):
        kind, option = "autoclass", "   :members:\n"
    elif callable(value) and hasattr(value, "__code__"):
        kind, option = "autofunction", ""
    return f"\n```{{eval-rst}}\n.. {kind}:: ssd_data.{name}\n{option}```\n"


def stage(folder: Path) -> None:
    """Everything that the site is made of, in one folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for page in [*sorted(HERE.glob("*.md")), *ELSEWHERE.values()]:
        (folder / site_name(page)).write_text(moved(page), encoding="utf-8")
    for pattern in ("*.jpg", "*.svg", "*.toml"):
        for file in HERE.glob(pattern):
            shutil.copy(file, folder)
    with (folder / "index.md").open("a", encoding="utf-8") as index:
        index.write(menu())
    (folder / "api.md").write_text(public_names(), encoding="utf-8")


def llms() -> str:
    """``llms.txt`` (llmstxt.org): the pages as Markdown, for readers that are programs."""
    first = (HERE / "index.md").read_text("utf-8").split("\n\n")
    text = f"{first[0]}\n\n> {' '.join(first[1].split())}\n"
    for title, entries in listed().items():
        text += f"\n## {title}\n\n"
        for entry in entries:
            ending = ".html" if entry.page == "api" else ".md"
            text += f"- [{entry.title}]({entry.page}{ending}): {entry.brief}\n"
    return text


def main(out: Path) -> None:
    """Builds the site in a folder; any warning is an error."""
    source = out.with_name(f"{out.name}-source")
    stage(source)
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
         "-c", HERE / "site", "-d", out.with_name(f"{out.name}-doctrees"), source, out],
        check=True,
    )  # fmt: skip
    for page in source.glob("*.md"):
        if page.name not in ("index.md", "api.md"):  # these two speak to Sphinx
            shutil.copy(page, out)
    (out / "llms.txt").write_text(llms(), encoding="utf-8")
    print(f"{out / 'index.html'}")


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or [ROOT / "build" / "site"]).resolve())
