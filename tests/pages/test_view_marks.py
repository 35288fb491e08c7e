"""Marks of what is to be fixed: kept in a file, changed by this page's POST alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import commands
from support.browser import Browser
from support.viewed import get, hostile, ordinary, record, served, viewing, write
from werkzeug.test import Client, TestResponse

from ssd_data.core.errors import InputError, OutputError
from ssd_data.data.lmdb.records import key_of
from ssd_data.pages.viewer.app import Viewer
from ssd_data.pages.viewer.door import HEADERS, Door
from ssd_data.pages.viewer.marks import Marks

TOKEN = "wJq3-Tz_0"
HERE = "http://127.0.0.1:8000"
KEYS = [key_of(i, f"JPEGImages/{i:06d}.jpg") for i in range(60)]


def line(number: int) -> str:
    return f"{KEYS[number].decode()}\n"


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ordinary(tmp_path_factory.mktemp("marked") / "plain_lmdb")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "to_fix.txt"


@pytest.fixture
def viewer(lmdb: Path, file: Path) -> Iterator[Viewer]:
    with viewing(lmdb, marks=file) as made:
        yield made


def ask(viewer: Viewer, path: str, method: str = "POST", **headers: str) -> TestResponse:
    given = {"Host": "127.0.0.1:8000", "Origin": HERE} | headers
    told = {name.replace("_", "-"): value for name, value in given.items() if value}
    return Client(Door(viewer, TOKEN, posts=True)).open(
        f"/{TOKEN}{path}", method=method, headers=told
    )


# ---- the list ----


def test_a_mark_is_a_line_of_the_file(viewer: Viewer, file: Path) -> None:
    answer = ask(viewer, "/mark/7?on=1")
    assert (answer.status_code, answer.json) == (200, {"marked": True, "marks": 1})
    assert ask(viewer, "/mark/3?on=1").json == {"marked": True, "marks": 2}
    assert file.read_text() == line(7) + line(3)  # as they were made
    assert ask(viewer, "/mark/7?on=0").json == {"marked": False, "marks": 1}
    assert file.read_text() == line(3)


def test_what_is_so_already_is_not_written(viewer: Viewer, file: Path) -> None:
    ask(viewer, "/mark/7?on=0")
    assert not file.exists()
    ask(viewer, "/mark/7?on=1")
    before = file.stat()
    ask(viewer, "/mark/7?on=1")
    assert (file.stat().st_ino, file.read_text()) == (before.st_ino, line(7))


def test_marks_of_last_time_are_there(lmdb: Path, file: Path) -> None:
    file.write_text(line(9) + line(4).replace("\n", "\r\n"))
    with viewing(lmdb, marks=file) as viewer:
        assert 'id="marks">2<' in get(viewer, "/").text
        assert viewer.marks is not None
        assert viewer.marks.numbers.tolist() == [4, 9]


def test_what_others_wrote_meanwhile_stays(viewer: Viewer, file: Path) -> None:
    ask(viewer, "/mark/7?on=1")
    file.write_text(line(7) + "# ask Ada\n" + line(20))
    assert ask(viewer, "/mark/3?on=1").json == {"marked": True, "marks": 3}
    assert file.read_text() == line(7) + "# ask Ada\n" + line(20) + line(3)


def test_many_at_once_are_all_kept(viewer: Viewer, file: Path) -> None:
    asked = [threading.Thread(target=ask, args=(viewer, f"/mark/{n}?on=1")) for n in range(30)]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert sorted(file.read_text().splitlines()) == [line(n).strip() for n in range(30)]


def test_the_filter_follows_the_marks(viewer: Viewer) -> None:
    address = "/?problem=marked"
    assert "No picture is like this" in get(viewer, address).text
    for number in (30, 5):
        ask(viewer, f"/mark/{number}?on=1")
    text = get(viewer, address).text
    assert 'id="found">2 pictures<' in text
    assert text.index('href="/record/5?') < text.index('href="/record/30?')
    assert text.count('class="card to-fix"') == 2
    both = get(viewer, "/?problem=marked&q=000030").text
    assert 'id="found">1 picture<' in both
    ask(viewer, "/mark/30?on=0")
    assert 'id="found">1 picture<' in get(viewer, address).text
    assert "1 of 1" in get(viewer, f"/record/5{address[1:]}").text


def test_the_filter_waits_for_nothing(lmdb: Path, file: Path) -> None:
    file.write_text(line(9))
    with viewing(lmdb, marks=file, started=False) as viewer:
        assert 'href="/record/9?' in get(viewer, "/?problem=marked").text


def test_the_list_is_handed_out(viewer: Viewer) -> None:
    for number in (30, 5):
        ask(viewer, f"/mark/{number}?on=1")
    answer = ask(viewer, "/marks", "GET")
    assert answer.text == line(5) + line(30)
    assert answer.mimetype == "text/plain"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert dict(answer.headers).items() >= HEADERS.items()


# ---- who may mark ----


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},  # a browser says it with each POST
        {"Origin": "null"},
        {"Origin": "http://evil.com"},
        {"Origin": "http://localhost:8000"},
        {"Host": "evil.com", "Origin": "http://evil.com"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {
            "Sec_Fetch_Site": "cross-site",
            "Sec_Fetch_Mode": "navigate",
            "Sec_Fetch_Dest": "document",
        },
    ],
)
def test_another_sites_page_cannot_mark(
    viewer: Viewer, file: Path, headers: dict[str, str]
) -> None:
    assert ask(viewer, "/mark/7?on=1", **headers).status_code in (400, 403)
    assert not file.exists()


def test_without_the_token_nothing_is_marked(viewer: Viewer, file: Path) -> None:
    door = Client(Door(viewer, TOKEN, posts=True))
    for path in ("/mark/7?on=1", "/guess/mark/7?on=1"):
        assert door.post(path, base_url=HERE, headers={"Origin": HERE}).status_code == 403
    assert not file.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_marks(viewer: Viewer, file: Path, method: str) -> None:
    assert ask(viewer, "/mark/7?on=1", method).status_code == 405
    assert not file.exists()


def test_post_does_nothing_else(viewer: Viewer, file: Path) -> None:
    for path in ("/", "/record/3", "/picture/3", "/marks", "/progress", "/static/view.js"):
        answer = ask(viewer, path)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"
    assert ask(viewer, "/mark/7?on=1", "GET").headers["Allow"] == "POST"
    assert not file.exists()


def test_looking_marks_nothing(viewer: Viewer, file: Path) -> None:
    for path in ("/", "/?problem=marked", "/record/3", "/record/3?on=1", "/marks"):
        assert ask(viewer, path, "GET").status_code == 200
    assert not file.exists()


def test_without_a_file_there_are_no_marks(lmdb: Path) -> None:
    with viewing(lmdb) as viewer:
        assert "to fix" not in get(viewer, "/").text + get(viewer, "/record/3").text
        assert get(viewer, "/marks").status_code == 404
        assert get(viewer, "/?problem=marked").status_code == 400
        assert Client(Door(viewer, TOKEN)).post(
            f"/{TOKEN}/mark/7?on=1", base_url=HERE, headers={"Origin": HERE}
        ).status_code == 405  # fmt: skip


# ---- odd questions, odd keys, odd files ----


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mark/60?on=1", 404),
        ("/mark/-1?on=1", 404),
        ("/mark/x?on=1", 404),
        ("/mark/7", 400),
        ("/mark/7?on=", 400),
        ("/mark/7?on=2", 400),
        ("/mark/99999999999999999999999?on=1", 404),
    ],
)
def test_no_sense(viewer: Viewer, file: Path, path: str, status: int) -> None:
    assert ask(viewer, path).status_code == status
    assert not file.exists()


def test_a_key_that_is_no_line_is_refused(tmp_path: Path, file: Path) -> None:
    lmdb = hostile(tmp_path / "evil_lmdb")
    with viewing(lmdb, marks=file) as viewer:
        statuses = [ask(viewer, f"/mark/{n}?on=1").status_code for n in range(12)]
    assert statuses.count(500) == 1  # bytes that are no UTF-8, and a line end
    assert len(file.read_text().splitlines()) == 11
    with viewing(lmdb, marks=file) as again:
        assert again.marks is not None
        assert len(again.marks.numbers) == 11


def test_names_as_systems_give_them_are_lines(tmp_path: Path, file: Path) -> None:
    """A screenshot's narrow blank, say; each comes back as the same key."""
    keys = sorted(f"{name}.png".encode() for name in ("10.00\u202fAM", "a\u2028b", "c\x85d", "é\t"))
    lmdb = write(tmp_path / "odd_lmdb", {key: record() for key in keys})
    with viewing(lmdb, marks=file) as viewer:
        for number in range(len(keys)):
            assert ask(viewer, f"/mark/{number}?on=1").json["marks"] == number + 1
    assert Marks(file, keys).numbers.tolist() == [0, 1, 2, 3]


def test_another_kind_of_file_is_not_written_to(lmdb: Path, file: Path) -> None:
    file.write_text("item {\n  label: 1\n}\n")
    with pytest.raises(InputError, match="no line of it is a key"):
        Marks(file, KEYS)
    assert commands.run("view", lmdb, "--marks", file, "--no-browser") != 0
    with pytest.raises(InputError):
        Marks(lmdb / "data.mdb", KEYS)
    assert file.read_text() == "item {\n  label: 1\n}\n"


def test_a_file_that_cannot_be_written_is_said(lmdb: Path, file: Path) -> None:
    file.mkdir()
    with pytest.raises((InputError, OutputError)):
        Marks(file, KEYS)
    file.rmdir()
    with viewing(lmdb, marks=file) as viewer:
        file.mkdir()
        answer = ask(viewer, "/mark/7?on=1")
        assert answer.status_code == 500
        assert "to_fix.txt" in answer.text
        assert 'id="marks">0<' in get(viewer, "/").text


# ---- in a browser ----


def test_marked_by_button_and_key(page: Browser, lmdb: Path, file: Path) -> None:
    pressed = "document.querySelector('#mark').getAttribute('aria-pressed')"
    with viewing(lmdb, marks=file) as viewer, served(viewer, posts=True) as url:
        page.open(f"{url}record/3")
        page.click("#mark")
        page.settle(lambda: page.js(pressed) == "true")
        assert file.read_text() == line(3)
        assert page.js("document.querySelector('#marks').textContent") == "1"
        page.click("a[rel=next]", loads=True)
        assert page.js(pressed) == "false"
        page.js(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'm', bubbles: true}))"
        )
        page.settle(lambda: page.js(pressed) == "true")
        assert file.read_text() == line(3) + line(4)
        page.open(f"{url}?problem=marked")
        assert page.js("document.querySelectorAll('.card.to-fix').length") == 2
        shown: Any = page.js("document.querySelector('#found').textContent")
        assert shown == "2 pictures"
