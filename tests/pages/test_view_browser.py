"""The page in a real browser, clicked. Skipped where there is no Chromium."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from support.browser import Browser
from support.viewed import EVIL, hostile, ordinary, served, viewing

from ssd_data.core.labelmap import LabelMap
from ssd_data.pages.viewer import opening

DRAWN = (
    "[...document.querySelectorAll('svg .mark')]"
    ".filter(m => m.getBoundingClientRect().width).map(m => m.dataset.label).join()"
)


class Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    lmdb = ordinary(tmp_path_factory.mktemp("plain") / "plain_lmdb")
    with viewing(lmdb) as viewer, served(viewer) as url:
        yield url


def address(page: Browser) -> str:
    """Without the token."""
    return "/" + str(page.js("location.pathname + location.search")).split("/", 2)[2]


def test_a_picture_is_opened_and_its_boxes_toggled(page: Browser, site: str) -> None:
    page.open(site)
    assert page.js("document.querySelectorAll('.card').length") == 24
    page.click(".card:nth-child(4) a", loads=True)
    assert address(page) == "/record/3"
    assert page.js(DRAWN) == "2,1,3"
    page.click(".toggle[data-hide='1']")
    assert page.js(DRAWN) == "2,3"
    assert address(page) == "/record/3?hide=1"
    page.click(".toggle[data-hide='3']")
    assert (page.js(DRAWN), address(page)) == ("2", "/record/3?hide=1,3")
    page.click("a[rel=next]", loads=True)  # it stays hidden
    assert (page.js(DRAWN), address(page)) == ("", "/record/4?hide=1,3")
    page.click(".toggle[data-hide='1']")
    assert (page.js(DRAWN), address(page)) == ("1", "/record/4?hide=3")
    page.click("a[rel=up]", loads=True)
    assert address(page) == "/?hide=3"


def test_the_picture_itself_is_there(page: Browser, site: str) -> None:
    page.open(f"{site}record/1")
    loaded = "fetch(document.querySelector('svg image').href.baseVal).then(r => r.status)"
    assert page.js(loaded) == 200
    box = page.js(
        "(() => { const r = document.querySelector('svg .mark rect').getBoundingClientRect(),"
        "s = document.querySelector('svg image').getBoundingClientRect();"
        "return [r.x - s.x, r.y - s.y, r.width, r.height].map(v => v / s.width * 64) })()"
    )
    assert box == pytest.approx([4, 4, 20, 20], abs=0.01)


def test_arrow_keys(page: Browser, site: str) -> None:
    page.open(f"{site}record/3?label=2")
    page.key("ArrowRight", loads=True)
    assert address(page) == "/record/6?label=2"
    page.key("ArrowLeft", loads=True)
    page.key("ArrowLeft", loads=True)
    assert address(page) == "/record/0?label=2"
    page.key("ArrowUp", loads=True)
    assert address(page) == "/?label=2"
    page.open(site)
    page.key("ArrowRight", loads=True)
    assert address(page) == "/?page=2"
    page.js("document.querySelector('[name=q]').focus()")
    page.key("ArrowRight")  # in a field it is the field's
    assert address(page) == "/?page=2"


def test_filters_and_the_way_back(page: Browser, site: str) -> None:
    page.open(site)
    page.js("document.querySelector('[name=q]').focus()")
    page.type("00003")
    page.key("Enter", loads=True)
    assert address(page) == "/?q=00003"  # no empty fields
    assert page.js("document.querySelector('#found').textContent") == "11 pictures"
    before = page.loaded
    page.js(
        "(() => { const s = document.querySelector('[name=label]'); s.value = '2';"
        "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    page.await_load(before)
    assert address(page) == "/?q=00003&label=2"
    assert page.js("document.querySelectorAll('.card').length") == 5
    before = page.loaded
    page.js("history.back()")
    page.settle(lambda: address(page) == "/?q=00003")
    assert page.js("document.querySelector('[name=q]').value") == "00003"
    assert page.js("document.querySelector('[name=label]').disabled") is False
    page.click(".sizes a", loads=True)
    assert "most=32" in address(page)


def test_names_are_text(page: Browser, tmp_path: Path) -> None:
    names = LabelMap.from_names(["cat", "dog", "emu"], [EVIL, "dog\u202e", "emu"])
    with viewing(hostile(tmp_path / "evil_lmdb"), names) as viewer, served(viewer) as url:
        page.js("window.alert = () => { throw 'alert' }")
        page.open(url)
        assert EVIL in page.js("document.body.textContent")
        assert page.js("document.scripts.length") == 1
        assert page.js("document.images.length") == 0
        # What cannot be decoded answers 404 with a picture that says so.
        page.complaints[:] = [c for c in page.complaints if "404" not in c]
        for number in range(12):
            page.open(f"{url}record/{number}")
            assert page.js("document.scripts.length") == 1
        page.complaints[:] = [c for c in page.complaints if "404" not in c]


def test_the_page_shows_how_far_the_index_is(page: Browser, tmp_path: Path) -> None:
    lmdb = ordinary(tmp_path / "x_lmdb", 30)
    with viewing(lmdb, started=False) as viewer, served(viewer) as url:
        page.open(f"{url}?label=2")
        assert "0 of 30" in page.js("document.querySelector('#progress').textContent")
        before = page.loaded
        viewer.index.start()
        page.await_load(before)
        assert page.js("document.querySelector('#found').textContent") == "10 pictures"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", ["/", "/record/3"])
def test_on_a_phone_nothing_sticks_out(page: Browser, site: str, path: str, dark: bool) -> None:
    page.size(390, 844, dark)
    page.open(f"{site}{path[1:]}")
    assert page.js("document.documentElement.scrollWidth") == 390
    ground = page.js("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 22, 26)" if dark else "rgb(255, 255, 255)")
    if path == "/":
        assert page.js("document.querySelector('.filters').open") is False


def test_the_way_from_the_file(page: Browser, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the person's browser is sent."""
    asked: Queue[str] = Queue()
    monkeypatch.setattr(opening.webbrowser, "open", asked.put)
    with opening.shown(site):
        page.own.add(asked.get(timeout=30))
        page.call("Page.navigate", url=max(page.own))
        page.settle(lambda: page.js("location.href") == site)
        page.settle(lambda: page.js("document.querySelectorAll('.card').length") == 24)
    assert page.js("document.referrer") == ""


def test_nothing_of_it_can_be_had_by_another_page(page: Browser, site: str) -> None:
    """Not even by one that knows the address, as pages at other ports of this machine might."""

    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        return [
            f"<img src='{site}picture/0'><iframe src='{site}'></iframe><a href='{site}'>x".encode()
        ]

    with make_server("127.0.0.1", 0, application, handler_class=Silent) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page.open(f"http://127.0.0.1:{other.server_port}/")
        assert page.js("document.images[0].naturalWidth") == 0
        assert page.js(f"fetch('{site}').then(r => r.ok, e => 'refused')") == "refused"
        assert any("403" in complaint for complaint in page.complaints)
        page.click("a", loads=True)
        page.settle(lambda: page.js("document.querySelectorAll('.card').length") == 24)
        other.shutdown()
    page.complaints.clear()
