"""The page that browses an LMDB, as HTTP has it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewed import CLASSES, EVIL, get, hostile, ordinary, record, viewing, write
from werkzeug.test import Client

from ssd_data import pages
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Detections
from ssd_data.data.lmdb.records import key_of
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.metrics.coco.files import write_coco_results
from ssd_data.metrics.voc.files import write_voc_detections
from ssd_data.metrics.widerface.files import write_widerface_folder
from ssd_data.pages.viewer.app import Viewer
from ssd_data.pages.viewer.choice import Choice
from ssd_data.pages.viewer.door import HEADERS
from ssd_data.pages.viewer.index import Index


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    with viewing(ordinary(tmp_path_factory.mktemp("plain") / "plain_lmdb")) as viewer:
        yield viewer


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    names = LabelMap.from_names(["cat", "dog", "emu"], [EVIL, "dog\u202e\n", "emu"])
    with viewing(hostile(tmp_path_factory.mktemp(EVIL[:8]) / "evil_lmdb"), names) as viewer:
        yield viewer


def numbers(viewer: Viewer, query: str) -> list[int]:
    """The records of all pages, in order."""
    found: list[int] = []
    address = f"/{query}"
    while address:
        response = get(viewer, address)
        assert response.status_code == 200, response.text
        found += [int(n) for n in re.findall(r'<a href="/record/(\d+)', response.text)]
        after = re.search(r'rel="next" class="button keeps" href="([^"]+)"', response.text)
        address = unescape(after[1]) if after else ""
    return found


# ---- filters, order, pages ----


def test_all_records_in_pages_of_24(plain: Viewer) -> None:
    assert numbers(plain, "") == list(range(60))
    text = get(plain, "/?page=3").text
    assert "page 3 of 3" in text
    assert len(re.findall(r'class="card"', text)) == 12
    assert get(plain, "/?page=99").text == text.replace("", "")  # the last one there is


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?label=2", [i for i in range(60) if i % 3 == 0]),
        ("?problem=without-boxes", [10, 20, 40, 50]),
        ("?problem=difficult", [7]),
        ("?q=jpegimages/00005", [50, 51, 52, 53, 54, 55, 56, 57, 58, 59]),
        ("?q=00000007_", [7]),
        ("?label=3&least=39", [39]),
        ("?label=3&most=3", [1, 41]),
        ("?least=19&most=21&label=3", [19, 59]),  # sides of 20
        ("?label=99", []),
        ("?q=nothing+of+this", []),
        ("?label=2&q=_JPEG&problem=difficult", []),
    ],
)
def test_filters(plain: Viewer, query: str, wanted: list[int]) -> None:
    assert numbers(plain, query) == wanted
    shown = "picture" if len(wanted) == 1 else "pictures"
    assert f'id="found">{len(wanted)} {shown}<' in get(plain, f"/{query}").text


def test_class_and_size_are_of_one_box(plain: Viewer) -> None:
    assert 3 in numbers(plain, "?label=2&least=30")  # the dog
    assert 3 not in numbers(plain, "?label=1&least=30")  # its cat is smaller
    text = get(plain, "/record/3?label=1").text
    assert len(re.findall('class="mark k-truth faint"', text)) == 2


def test_orders(plain: Viewer) -> None:
    assert numbers(plain, "?sort=smallest")[:3] == [1, 41, 3]
    assert numbers(plain, "?sort=smallest")[-1] == 50  # none at all
    assert numbers(plain, "?sort=boxes")[:3] == [3, 9, 21]
    assert numbers(plain, "?sort=boxes&label=3")[:2] == [1, 3]


def test_the_next_record_is_the_next_of_the_selection(plain: Viewer) -> None:
    text = get(plain, "/record/0?label=2&sort=boxes").text
    assert "1 of 20" in text
    assert 'rel="next" class="button keeps" href="/record/3?label=2&amp;sort=boxes"' in text
    assert 'rel="prev"' not in text
    assert 'rel="up" class="button keeps" href="/?label=2&amp;sort=boxes"' in text
    assert "record 4" in get(plain, "/record/4?label=2").text  # not one of them
    assert "page=3" in get(plain, "/record/59").text


def test_what_the_form_offers(plain: Viewer) -> None:
    text = get(plain, "/?label=2&least=8&sort=boxes").text
    assert '<option value="2" selected>dog (20)</option>' in text
    assert '<option value="without-boxes">without boxes (4)</option>' in text
    assert 'name="least" min="0" step="any" value="8"' in text
    assert "missed" not in text
    assert "&#34;" not in text  # an attribute that was taken for text
    text = get(plain, "/?least=32&most=96").text
    assert re.findall('aria-current="(.*?)">', text) == ["false", "true", "false"]


def test_a_record(plain: Viewer) -> None:
    text = get(plain, "/record/7?hide=1,2").text
    assert "00000007_JPEGImages/000007.jpg" in text
    assert 'data-hide="1" aria-pressed="false"' in text
    assert 'data-hide="3" aria-pressed="true"' in text
    assert "64 × 48, 3 channels" in text
    assert 'x="4.0" y="4.0" width="20.0" height="20.0"' in text
    assert "difficult" in text
    assert "hide=1%2C2" in text  # next and previous keep it


@given(
    st.builds(
        Choice,
        q=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        label=st.none() | st.integers(-(2**31), 2**31 - 1),
        least=st.none() | st.integers(0, 2000).map(lambda n: n / 4),
        problem=st.sampled_from(["", "broken", "missed", "outside"]),
        sort=st.sampled_from(["", "key", "boxes", "errors"]),
        page=st.integers(1, 10**6),
        hide=st.lists(st.sampled_from(["1", "-7", "hit", "missed"]), unique=True).map(tuple),
    )
)
def test_an_address_says_all(choice: Choice) -> None:
    from werkzeug.test import EnvironBuilder
    from werkzeug.wrappers import Request

    request = Request(EnvironBuilder("/" + choice.query()).get_environ())
    assert Choice.read(request.args, judged=True) == choice


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=x", "page=1e3", "page=" + "9" * 5000, "label=1.5", "label=99999999999",
        "least=nan", "least=-1", "most=inf", "least=" + "1" * 400, "problem=other", "sort=random",
        "problem=missed", "sort=errors", "hide=<b>", "hide=" + "1," * 400, "q=" + "a" * 501,
        "page=٣",
    ],
)  # fmt: skip
def test_addresses_that_make_no_sense(plain: Viewer, query: str) -> None:
    response = get(plain, f"/?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.text
    assert "<b>" not in response.text


# ---- the index ----


def test_the_first_page_does_not_wait(tmp_path: Path) -> None:
    with viewing(ordinary(tmp_path / "x_lmdb", 30), started=False) as viewer:
        assert len(re.findall('class="card"', get(viewer, "/").text)) == 24
        assert 'data-waiting="false"' in get(viewer, "/").text
        assert numbers(viewer, "?q=000003") == [3]
        waiting = get(viewer, "/?label=1").text
        assert 'data-waiting="true"' in waiting
        assert 'class="card"' not in waiting
        assert get(viewer, "/record/3?label=1").status_code == 200
        assert get(viewer, "/progress").json == {
            "done": 0, "records": 30, "ready": False, "error": "",
        }  # fmt: skip
        viewer.index.start()
        viewer.index.wait()
        assert get(viewer, "/progress").json["ready"]
        assert numbers(viewer, "?label=1") == [i for i in range(30) if i % 5]
        assert "progress" not in get(viewer, "/").text


def test_an_lmdb_that_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: LmdbReader) -> Iterator[Any]:
        yield b"k", memoryview(b"")
        raise InputError("the LMDB is damaged: <b>", where="x")

    monkeypatch.setattr(LmdbReader, "views", broken)
    with viewing(ordinary(tmp_path / "x_lmdb", 3), started=False) as viewer:
        viewer.index.start()
        with pytest.raises(InputError, match="damaged"):
            viewer.index.wait()
        assert "damaged: &lt;b&gt;" in get(viewer, "/").text
        assert get(viewer, "/?label=1").status_code == 500


def test_stopping_ends_the_reading(tmp_path: Path) -> None:
    with LmdbReader(ordinary(tmp_path / "x_lmdb", 3)) as reader:
        index = Index(reader)
        index.close()
        index.start()
        with pytest.raises(InputError, match="stopped"):
            index.wait()


# ---- strangers' names and bytes ----


def test_hostile_names_and_records(evil: Viewer) -> None:
    pages = [get(evil, "/"), *(get(evil, f"/record/{n}") for n in range(12))]
    for response in pages:
        assert response.status_code == 200
        assert "<script>alert" not in response.text
        assert "<img" not in response.text
        assert "\u202e" not in response.text
        assert 'value="../' not in response.text
    text = pages[0].text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#39;&#34;&gt;&lt;img src=x" in text
    assert "../../../etc/passwd" in text
    assert r"\xff\xfe\x80 \u202e\n" in text
    assert "dog\\u202e\\n" in text


@pytest.mark.parametrize(
    ("problem", "keys"),
    [
        ("broken", ["a broken", "i plain"]),
        ("outside", ["\\xff", "d numbers"]),
        ("empty", ["e inverted"]),
        ("not-finite", ["d numbers"]),
        ("unknown-class", ["../../../etc/passwd"]),
        ("without-boxes", ["g gray"]),
    ],
)
def test_problems(evil: Viewer, problem: str, keys: list[str]) -> None:
    text = get(evil, f"/?problem={problem}").text
    shown = [unescape(k) for k in re.findall('<span class="key">(.*?)</span>', text)]
    for key in keys:
        assert any(k.startswith(key) for k in shown), shown
    if problem in ("broken", "not-finite", "unknown-class", "without-boxes"):
        assert len(shown) == len(keys)


def test_broken_records_are_shown(evil: Viewer) -> None:
    by_key = {unescape(k): int(n) for n, k in re.findall(
        r'<a href="/record/(\d+)">.*?<span class="key">(.*?)</span>', get(evil, "/").text, re.S
    )}  # fmt: skip
    for key, said in (
        ("a broken", "not an AnnotatedDatum"),
        ("b cut", "truncated JPEG"),
        ("c page", "not a picture (a web page)"),
        ("d numbers", "not finite"),
        ("e inverted", "without area"),
        ("f raw", "raw values"),
        ("g gray", "1 channel<"),
    ):
        assert said in get(evil, f"/record/{by_key[key]}").text, key
    for kind in ("picture", "thumbnail"):
        for key in ("a broken", "b cut", "c page"):
            response = get(evil, f"/{kind}/{by_key[key]}")
            assert response.status_code == 404
            assert response.mimetype == "image/svg+xml"
            assert "<script" not in response.text
    raw = get(evil, f"/picture/{by_key['f raw']}")
    assert (raw.mimetype, raw.data[:4]) == ("image/png", b"\x89PNG")


def test_a_picture_is_not_turned(tmp_path: Path) -> None:
    from PIL import Image
    from support.trees import jpeg

    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(exif=exif)
    lmdb = write(tmp_path / "x_lmdb", {b"k": record(data=data)})
    with viewing(lmdb) as viewer:
        served = get(viewer, "/picture/0").data
    assert len(served) == len(data)
    assert sum(a != b for a, b in zip(served, data, strict=True)) == 1


# ---- HTTP ----


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(plain: Viewer, method: str) -> None:
    for path in ("/", "/record/1", "/picture/1"):
        response = Client(plain).open(path, method=method, base_url="http://127.0.0.1")
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, HEAD"


def test_head(plain: Viewer) -> None:
    for path in ("/", "/record/1", "/picture/1", "/progress", "/static/view.css"):
        response = Client(plain).head(path, base_url="http://127.0.0.1")
        assert response.status_code == 200
        assert response.data == b""
        assert int(response.headers["Content-Length"]) > 50


@pytest.mark.parametrize(
    "path",
    ["/none", "/record/", "/record/60", "/record/-1", "/record/x", "/record/" + "9" * 400,
     "/picture/60", "/thumbnail/60", "/static/", "/static/app.py", "/static/..%2fapp.py",
     "/static/../app.py", "/%00", "/<script>"],
)  # fmt: skip
def test_unknown_paths(plain: Viewer, path: str) -> None:
    response = get(plain, path)
    assert response.status_code == 404
    assert "<script>" not in response.text


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize(
    "query", ["label=2&q=\xff", "q=\xc3\xa9", "\xff=1&label=\xb2", "%ff", "&&=;"]
)
def test_any_bytes_in_an_address(path: str, query: str, plain: Viewer) -> None:
    given = {"PATH_INFO": path, "QUERY_STRING": query}
    answer = Client(plain).open(base_url="http://127.0.0.1:8000", environ_overrides=given)
    assert answer.status_code in (200, 400)
    assert ("é" in answer.text) == ("\xa9" in query)


def test_every_answer_has_the_headers(plain: Viewer) -> None:
    for path in ("/", "/none", "/picture/0", "/static/view.js", "/?page=x", "/progress"):
        response = get(plain, path)
        for name, value in HEADERS.items():
            assert response.headers.get_all(name) == [value]
        assert response.headers["X-Frame-Options"] == "DENY"
        for outside in ("http://", "https://", "//"):
            assert f'src="{outside}' not in response.text if "image" not in response.mimetype else 1
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    for text in (get(plain, "/").text, get(plain, "/record/1").text):
        assert not re.search(r'\sstyle="|<style|\son\w+="|<script>', text)


def test_a_page_that_fails_is_one_page(
    plain: Viewer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("<b>secret")

    with monkeypatch.context() as patch:
        patch.setattr(plain, "_look", failing)
        response = get(plain, "/record/1")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "secret" in capsys.readouterr().err
    assert get(plain, "/record/1").status_code == 200


# ---- detections ----

FOUND = {
    0: [(2, 0.9, 10, 10, 50, 40)],  # right
    1: [
        (1, 0.8, 4, 4, 24, 24),
        (1, 0.7, 5, 4, 24, 24),
        (2, 0.85, 40, 30, 60, 45),
    ],  # twice; nothing
    2: [(1, 0.9, 12, 4, 32, 24)],  # poor: 12 / 28
    3: [(2, 0.9, 10, 10, 50, 40), (1, 0.2, 4, 4, 24, 24)],
    4: [(2, 0.9, 4, 4, 24, 24)],  # a cat
}


def detections(scale: float = 1.0) -> dict[int, Detections]:
    found = {}
    for number, rows in FOUND.items():
        table = np.array(rows, np.float64)
        boxes = (table[:, 2:] * scale / [64, 48, 64, 48]).astype(np.float32)
        found[number] = Detections(
            table[:, 0].astype(np.int32), table[:, 1].astype(np.float32), boxes
        )
    return found


@pytest.fixture(params=["voc", "one-file", "coco"])
def found(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    by_number = detections()
    if request.param == "coco":
        path = tmp_path / "found.json"
        write_coco_results(path, by_number, dict.fromkeys(by_number, (64, 48)), {1: 1, 2: 2, 3: 3})
        return path
    named = {f"{number:06d}": found for number, found in by_number.items()}
    folder = tmp_path / "found"
    write_voc_detections(
        folder, named, dict.fromkeys(named, (64, 48)), {1: "cat", 2: "dog", 3: "emu"}
    )
    return folder if request.param == "voc" else folder / "comp4_det_test_dog.txt"


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Pictures 0 to 4: nothing; cat; cat; cat, dog; cat — with a dog in 0."""
    cat, dog = (1, 4, 4, 24, 24), (2, 10, 10, 50, 40)
    boxes = [[dog], [cat], [cat], [cat, dog], [cat]]
    return write(
        tmp_path / "five_lmdb",
        {key_of(i, f"{i:06d}.jpg"): record(own) for i, own in enumerate(boxes)},
    )


def test_detections_over_truth(five: Path, found: Path) -> None:
    with viewing(five, detections=found) as viewer:
        if found.name.startswith("comp4"):  # dogs alone
            assert numbers(viewer, "?score=0.1&problem=missed") == [1, 4, 2, 3]
            assert "2 × class without a file" in get(viewer, "/").text
            return
        text = get(viewer, "/record/1?score=0.5").text
        kinds = re.findall(r'<g class="mark k-(\w+)', text)
        assert sorted(kinds) == ["hit", "nothing", "seen", "twice"]
        kinds = re.findall(r'<g class="mark k-(\w+)', get(viewer, "/record/2?score=0.5").text)
        assert sorted(kinds) == ["missed", "poor"]
        kinds = re.findall(r'<g class="mark k-(\w+)', get(viewer, "/record/4?score=0.5").text)
        assert sorted(kinds) == ["missed", "other"]
        assert numbers(viewer, "?score=0.5") == [1, 2, 4, 3, 0]
        assert numbers(viewer, "?score=0.5&sort=missed") == [2, 3, 4, 0, 1]
        assert numbers(viewer, "?score=0.5&sort=false") == [1, 4, 0, 2, 3]
        assert numbers(viewer, "?score=0.5&problem=poor") == [2]
        assert numbers(viewer, "?score=0.1&problem=missed") == [2, 4]  # the cat of 3 is found
        assert numbers(viewer, "?score=1&problem=false") == []
        assert "1 missed" in get(viewer, "/?score=0.5").text


def test_each_class_has_its_own_best_score(five: Path, tmp_path: Path) -> None:
    folder = tmp_path / "found"
    rows = Detections(
        np.array([2, 2], np.int32), np.array([0.3, 0.2], np.float32),
        np.array([[10, 10, 50, 40], [0, 0, 5, 5]], np.float32) / np.float32([64, 48, 64, 48]),
    )  # fmt: skip
    write_voc_detections(folder, {"000000": rows}, {"000000": (64, 48)}, {2: "dog"})
    with viewing(five, detections=folder) as viewer:
        kinds = re.findall(r'<g class="mark k-(\w+)', get(viewer, "/record/0").text)
        assert sorted(kinds) == ["hit", "seen"]
        assert "4 of 5 pictures have no detections" in get(viewer, "/").text


def test_wider_faces(tmp_path: Path) -> None:
    face = (1, 4, 4, 24, 24)
    lmdb = write(tmp_path / "x_lmdb", {
        key_of(i, f"WIDER_val/images/0--Parade/{i}.jpg"): record([face]) for i in range(3)
    })  # fmt: skip
    rows = Detections(
        np.array([1], np.int32), np.array([0.9], np.float32),
        np.array([[4, 4, 24, 24]], np.float32) / np.float32([64, 48, 64, 48]),
    )  # fmt: skip
    empty = rows.above(2)
    names = {"0--Parade/0": rows, "0--Parade/1": empty}
    write_widerface_folder(tmp_path / "found", names, dict.fromkeys(names, (64, 48)))
    with viewing(lmdb, LabelMap.from_names(["face"]), tmp_path / "found") as viewer:
        # Of 2 there is no file: it was not looked at.
        assert numbers(viewer, "?problem=missed&score=0") == [1]


def test_detections_of_a_resized_lmdb(five: Path, tmp_path: Path) -> None:
    """Boxes are pixels of the original pictures, twice as large."""
    folder = tmp_path / "found"
    named = {f"{n:06d}": found for n, found in detections().items()}
    write_voc_detections(folder, named, dict.fromkeys(named, (128, 96)), {1: "cat", 2: "dog"})
    lines = "".join(f"{i:06d} 96 128\n" for i in range(5))
    (five.parent / "five_name_size.txt").write_text(lines)
    with viewing(five, detections=folder) as viewer:
        text = get(viewer, "/record/0?score=0.5").text
        assert 'x="10.0" y="10.0" width="40.0" height="30.0"' in text
        assert numbers(viewer, "?score=0.5&problem=missed") == [2, 4, 3]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.with_name("none"), "there are no detections here"),
        (lambda p: p.mkdir() or p, "there is no file of detections"),
        (lambda p: p.write_text("[{") and p, "malformed JSON"),
        (lambda p: p.write_text("<html>") and p, "malformed JSON"),
    ],
)
def test_detections_that_are_none(five: Path, tmp_path: Path, make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said), viewing(five, detections=make(tmp_path / "found")):
        pass


def test_detections_need_a_labelmap(five: Path, found: Path) -> None:
    with pytest.raises(InputError, match="no labelmap"), viewing(five, None, found):
        pass


# ---- the command ----


@pytest.mark.parametrize("found", ["voc"], indirect=True)
def test_detections_through_a_link(five: Path, found: Path, tmp_path: Path, run: Any) -> None:
    (five.parent / "labelmap.prototxt").write_text(CLASSES.to_text())
    folder = tmp_path / "links"
    folder.mkdir()
    for file in found.iterdir():
        (folder / file.name).symlink_to(file)
    done = run("view", five, "--detections", folder, "--no-browser")
    assert done.status == 1
    assert "this link leaves the data set's folder" in done.err
    assert "--follow-links" in done.err
    with socket.socket() as taken:  # what comes after the detections fails
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("view", five, "--detections", folder, "--follow-links", "--port", port)
    assert done.status == 1
    assert "link" not in done.err


def test_errors_of_the_command(five: Path, tmp_path: Path, run: Any) -> None:
    done = run("view", tmp_path)
    assert done.status == 1
    assert "data.mdb is missing" in done.err
    (five.parent / "labelmap.prototxt").write_text(CLASSES.to_text())
    done = run("view", five, "--detections", tmp_path / "none", "--json")
    assert done.status == 1
    assert done.json["error"]["what"] == "there are no detections here"
    assert run("view", five, "--port", "70000").status == 2
    done = run("view", five, "-q")
    assert done.status == 2
    assert "-q hides the address" in done.err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("view", five, "--port", taken.getsockname()[1])
    assert done.status == 1
    assert "cannot listen at port" in done.err


def test_without_the_extra(five: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "viewer", pages.viewer)  # imported anew below, and put back after
    for name in [n for n in sys.modules if n.startswith("ssd_data.pages.viewer")]:
        monkeypatch.delitem(sys.modules, name)
    for module in ("jinja2", "waitress", "werkzeug.routing"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            done = run("view", five)
        assert done.status == 1
        assert "ssd-data[view]" in done.err


def test_it_serves_until_it_is_interrupted(five: Path) -> None:
    from urllib.parse import urlsplit
    from urllib.request import ProxyHandler, build_opener

    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ssd_data.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "view", str(five), "--json", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            lines = b""
            while not lines.rstrip().endswith(b"}"):
                lines += process.stdout.readline()
            said = json.loads(lines)
            assert said["records"] == 5
            fetch = build_opener(ProxyHandler({})).open
            assert b"000003.jpg" in fetch(said["url"], timeout=30).read()
            there = urlsplit(said["url"])
            for _ in range(20):  # of what is no request nothing is said
                with socket.create_connection((there.hostname, there.port)) as line:
                    line.sendall(b"GET http://[/ HTTP/1.1\r\n\r\n" * 20)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_usage_errors_name_the_parameter() -> None:
    with pytest.raises(UsageError) as caught:
        Choice.read({"sort": "x"}, judged=False)
    assert caught.value.where == "sort"
