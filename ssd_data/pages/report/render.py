"""From a page's blocks to one HTML file. Everything is escaped here."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

import jinja2
from markupsafe import Markup

from ssd_data.core.files.whole import write_whole
from ssd_data.core.legible import legible
from ssd_data.core.version import __version__
from ssd_data.pages.report.blocks import Bar, Cell, Page

TEMPLATES = Path(__file__).with_name("templates")
# Nothing is loaded, nothing runs, and no style counts but our own.
POLICY = (
    "default-src 'none'; img-src data:; style-src '{style}'; base-uri 'none'; form-action 'none'"
)


def render(page: Page) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_fit,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = show
    environment.filters["number"] = lambda value: f"{value:.5g}"
    environment.tests["numeric"] = lambda value: isinstance(value, int | float)
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    html: str = environment.get_template("page.html").render(
        page=page,
        version=__version__,
        style=Markup(style),
        policy=Markup(POLICY).format(style=source_of(style)),
    )
    return html


def source_of(text: str) -> str:
    """How a content security policy names what stands between two tags of the page.

    >>> source_of("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

    https://www.w3.org/TR/CSP3/#match-element-to-source-list
    """
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def write_page(page: Page, path: Path) -> int:
    """Write the page's file, whole or not at all; how many bytes it has.

    Raises:
        OutputError: it cannot be written.
    """
    data = render(page).encode("utf-8", "backslashreplace")
    write_whole(path, data)
    return len(data)


def _fit(value: object) -> object:
    """What a template is to write, before it is escaped: all text of the page comes by."""
    return legible(value) if type(value) is str else value


def show(value: Cell) -> str:
    """A table's cell as text."""
    if value is None:
        return "–"
    if isinstance(value, str | Bar):
        return value if isinstance(value, str) else show(value.value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
