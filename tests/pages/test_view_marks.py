"""Records marked on the page: what the file holds, who may change it, and in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser
from support.viewed import get, hostile, ordinary, served, viewing
from werkzeug.test import Client, TestResponse

from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.pages.viewer.app import Viewer
from ssd_data.pages.viewer.door import Door
from ssd_data.pages.viewer.marks import Marks

KEY = "0000000{0}_JPEGImages/00000{0}.jpg"


def post(application: Any, path: str, **headers: str) -> TestResponse:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(application).post(path, base_url="http://127.0.0.1:8000", headers=given)


@pytest.fixture
def lmdb(tmp_path: Path) -> Path:
    return ordinary(tmp_path / "x_lmdb", 30)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lists" / "to fix.txt"


def test_marks_are_kept_and_come_back(lmdb: Path, file: Path) -> None:
    with viewing(lmdb, marks=file) as viewer:
        assert not file.exists()
        assert post(viewer, "/mark/7").json == {"marked": True, "all": 1}
        assert post(viewer, "/mark/3").json == {"marked": True, "all": 2}
        assert post(viewer, "/mark/3").json == {"marked": True, "all": 2}
        assert file.read_text() == f"{KEY.format(7)}\n{KEY.format(3)}\n"
    with viewing(lmdb, marks=file) as viewer:
        assert get(viewer, "/marked.txt").text == f"{KEY.format(3)}\n{KEY.format(7)}\n"
        assert 'id="mark" class="marking" aria-pressed="true"' in get(viewer, "/record/7").text
        assert 'id="mark" class="marking" aria-pressed="false"' in get(viewer, "/record/8").text
        assert post(viewer, "/unmark/7").json == {"marked": False, "all": 1}
    assert file.read_text() == f"{KEY.format(3)}\n"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_marked_alone(lmdb: Path, file: Path) -> None:
    with viewing(lmdb, marks=file) as viewer:
        assert "0 pictures" in get(viewer, "/?marked=yes").text
        for number in (9, 3, 4):
            post(viewer, f"/mark/{number}")
        text = get(viewer, "/?marked=yes&label=2").text
        assert [n for n in range(30) if f'href="/record/{n}?' in text] == [3, 9]
        assert 'type="hidden" name="marked" value="yes"' in text
        assert text.count("★ marked") == 2
        record = get(viewer, "/record/3?marked=yes").text
        assert 'rel="next" class="button keeps" href="/record/4?marked=yes"' in record
        assert "<b>3</b> marked" in record
        post(viewer, "/unmark/3")
        assert "2 pictures" in get(viewer, "/?marked=yes").text
        assert get(viewer, "/?marked=no").status_code == 400


def test_what_others_write_into_the_file_stays(lmdb: Path, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(f"another's key\n\nanother's key\n{KEY.format(1)}")
    with viewing(lmdb, marks=file) as viewer:
        assert viewer.marks is not None
        assert (viewer.marks.numbers, viewer.marks.strangers) == ([1], 2)
        with file.open("a") as more:
            more.write("\nmeanwhile\n")
        post(viewer, "/mark/2")
        post(viewer, "/unmark/1")
    assert file.read_text() == f"another's key\n\nanother's key\nmeanwhile\n{KEY.format(2)}\n"


def test_strangers_keys(tmp_path: Path) -> None:
    """With line ends and bytes that are no text; and they come back."""
    lmdb, file = hostile(tmp_path / "evil_lmdb"), tmp_path / "marks.txt"
    with viewing(lmdb, marks=file) as viewer:
        for number in range(12):
            assert post(viewer, f"/mark/{number}").status_code == 200
        assert get(viewer, "/marked.txt").mimetype == "text/plain"
        assert "<script>alert" not in get(viewer, "/?marked=yes").text
    assert len(file.read_text().splitlines()) == 12
    with LmdbReader(lmdb) as reader:
        marks = Marks(file, reader.keys())
    assert (len(marks), marks.strangers) == (12, 0)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"key\n\x1b[31m\n", b"a\0b"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "picture.jpg").write_bytes(data)
    with pytest.raises(InputError, match=r"no key|not UTF-8"):
        Marks(tmp_path / "picture.jpg", [b"key"])
    assert (tmp_path / "picture.jpg").read_bytes() == data


def test_what_cannot_be_kept_is_said(lmdb: Path, tmp_path: Path) -> None:
    with viewing(lmdb, marks=tmp_path / "there" / "marks.txt") as viewer:
        (tmp_path / "there").write_text("no folder")
        answer = post(viewer, "/mark/1")
        assert (answer.status_code, answer.mimetype) == (500, "text/plain")
        assert "cannot write it" in answer.text
        assert 'aria-pressed="false"' in get(viewer, "/record/1").text


# ---- who may ----


@pytest.mark.parametrize("path", ["/mark/1", "/unmark/1"])
def test_nothing_is_changed_by_asking(lmdb: Path, file: Path, path: str) -> None:
    with viewing(lmdb, marks=file) as viewer:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            answer = Client(viewer).open(path, method=method, base_url="http://127.0.0.1")
            assert answer.status_code == 405
            assert answer.headers["Allow"] == "POST"
        assert post(viewer, "/").headers["Allow"] == "GET, HEAD"
        assert post(viewer, "/mark/30").status_code == 404
        assert len(viewer.marks or ()) == 0
    assert not file.exists()


def test_without_a_file_nothing_can_be_marked(lmdb: Path) -> None:
    with viewing(lmdb) as viewer:
        assert post(viewer, "/mark/1").status_code == 404
        assert get(viewer, "/marked.txt").status_code == 404
        assert post(Door(viewer, "token"), "/token/mark/1").status_code == 405
        assert 'id="mark"' not in get(viewer, "/record/1").text
        assert "marked" not in get(viewer, "/").text


OWN = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/token/mark/1", {}, 200),
        ("/token/mark/1", {"Origin": OWN, "Sec_Fetch_Site": "same-origin"}, 200),
        ("/other/mark/1", {}, 403),
        ("/token/mark/1", {"Origin": "http://evil.com"}, 403),
        ("/token/mark/1", {"Origin": "null"}, 403),
        ("/token/mark/1", {"Origin": "http://127.0.0.1:9000"}, 403),
        ("/token/mark/1", {"Sec_Fetch_Site": "same-site"}, 403),
        ("/token/mark/1", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate",
                           "Sec_Fetch_Dest": "document"}, 403),
        ("/token/mark/1", {"Host": "evil.com"}, 400),
    ],
)  # fmt: skip
def test_who_may_mark(
    lmdb: Path, file: Path, path: str, headers: dict[str, str], status: int
) -> None:
    with viewing(lmdb, marks=file) as viewer:
        answer = post(Door(viewer, "token", changes=True), path, **headers)
        assert answer.status_code == status
        assert file.exists() == (status == 200)


# ---- clicked ----


def pressed(page: Browser) -> str:
    return str(page.js("document.getElementById('mark').getAttribute('aria-pressed')"))


def test_a_key_and_a_button_mark(page: Browser, lmdb: Path, file: Path) -> None:
    with viewing(lmdb, marks=file) as viewer, served(viewer, changes=True) as url:
        page.open(f"{url}record/3")
        page.key("m")
        page.settle(lambda: pressed(page) == "true")
        assert file.read_text() == f"{KEY.format(3)}\n"
        page.key("ArrowRight", loads=True)
        assert pressed(page) == "false"
        page.click("#mark")
        page.settle(lambda: pressed(page) == "true")
        assert page.js("document.querySelector('#marked').textContent") == "2 marked"
        page.click("#marked", loads=True)
        assert page.js("document.querySelectorAll('.card .star').length") == 2
        page.click(".card:nth-child(1) a", loads=True)
        page.key("m")
        page.settle(lambda: pressed(page) == "false")
        assert file.read_text() == f"{KEY.format(4)}\n"
        file.unlink()
        file.mkdir()
        page.key("m")
        page.settle(
            lambda: "not kept" in page.js("document.getElementById('unmarked').textContent")
        )
        assert pressed(page) == "false"
    page.complaints[:] = [said for said in page.complaints if "500" not in said]


def test_the_viewer_has_its_marks(lmdb: Path, file: Path) -> None:
    with viewing(lmdb, marks=file) as viewer:
        assert isinstance(viewer, Viewer)
        assert str(file) in get(viewer, "/").text
