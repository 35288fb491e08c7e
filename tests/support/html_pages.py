"""Reading an HTML page as a browser would, and refusing what might run or load."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

EVIL = "<script>alert(1)</script>"
TAGS = set(
    "html head meta title style body header p h1 h2 h3 dl div dt dd nav a main section figure "
    "figcaption svg path line text circle rect image g details summary table caption thead tbody "
    "tr th td ul li b i span footer".split()
)
VOID = {"meta"}


class Reader(HTMLParser):
    """What a browser would see of a page: its tags, attributes and text; tags must close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)


def read_safely(html: str) -> Reader:
    """Look through a page, which loads nothing and runs nothing."""
    page = Reader(html)
    assert {tag for tag, _ in page.tags} <= TAGS
    style = html.split("<style>")[1].split("</style>", maxsplit=1)[0]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = [str(a["content"]) for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy == [
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    ]
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", (tag, value)
            if name in ("href", "src"):
                assert re.match("#[a-z-]+$|data:image/jpeg;base64,", str(value)), (tag, value)
    assert "url(" not in style
    assert "@import" not in style
    return page
