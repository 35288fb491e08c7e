"""What pages are asked for, and what they show of hostile data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from werkzeug.test import Client

from ssd_data import SsdDataError, read_labelmap
from ssd_data.pages.report.data_page import data_page
from ssd_data.pages.report.render import render
from ssd_data.pages.report.subject import gather
from support import viewed
from support.fuzz.cases import built
from support.fuzz.target import Case, Target
from support.fuzz.targets.databases import CLASSES, lmdb

FAILED = "This page has failed"
PATHS = (
    "/",
    "/?label=2&sort=boxes&page=2",
    "/?q=a&problem=difficult&least=3&most=40",
    "/record/3?label=1",
    "/picture/1",
    "/thumbnail/2",
    "/progress",
    "/static/page.css",
    "/record/0?score=0.5&mistake=missed",
)


def requests() -> list[Case]:
    heads = b"Host: 127.0.0.1:8000\nCookie: a=b\nAccept: text/html\nIf-None-Match: x\n"
    data = built(lambda folder: viewed.ordinary(folder / "plain_lmdb", 6))
    return [data | {"request.txt": f"GET {path}\n".encode() + heads} for path in PATHS]


def answered(folder: Path) -> None:
    if not (folder / "request.txt").exists():
        return
    method, _, rest = (folder / "request.txt").read_bytes().decode("latin-1").partition(" ")
    path, *lines = rest.split("\n")
    pairs = [line.partition(":")[::2] for line in lines if ":" in line]
    with viewed.viewing(folder / "plain_lmdb", CLASSES) as viewer:
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.partition("?")[0],
            "SCRIPT_NAME": "",
            "QUERY_STRING": path.partition("?")[2],
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "wsgi.url_scheme": "http",
            "HTTP_HOST": "127.0.0.1:8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            **{
                f"HTTP_{key.strip().upper().replace('-', '_')}": value.strip()
                for key, value in pairs
            },
        }
        said: list[str] = []
        body = b"".join(viewer(environ, lambda status, heads, *_: said.append(status)))
        assert [status for status in said if not status.startswith("500")], said
        assert FAILED.encode() not in body


def data() -> list[Case]:
    return [lmdb(3), built(lambda folder: viewed.hostile(folder / "test_lmdb")) | lmdb(1, "x")]


def seen(folder: Path) -> None:
    labelmap = None
    with suppress(SsdDataError):
        labelmap = read_labelmap(folder / "labelmap.prototxt")
    with viewed.viewing(folder / "test_lmdb", labelmap) as viewer:
        for path in ("/", "/record/0", "/picture/0", "/thumbnail/1", "/progress"):
            answer = Client(viewer).get(path, base_url="http://127.0.0.1:8000")
            assert FAILED.encode() not in answer.data, path


def reported(folder: Path) -> None:
    labelmap = None
    with suppress(SsdDataError):
        labelmap = read_labelmap(folder / "labelmap.prototxt")
    subject = gather(folder / "test_lmdb", labelmap=labelmap)
    render(data_page([subject], 4, 0))


MAPS = {"labelmap.prototxt": "labelmap"}
TARGETS = [
    Target(
        "view-request",
        requests,
        answered,
        ("pages.viewer.app", "pages.viewer.choice", "pages.viewer.select"),
        kept=("*.mdb",),
        kinds={"request.txt": "text"},
        batch=100,
    ),
    Target("view", data, seen, ("pages.viewer",), kinds=MAPS, batch=60),
    Target(
        "report",
        data,
        reported,
        ("pages.report.subject", "pages.report.picks", "pages.report.thumbnails"),
        kinds=MAPS,
        batch=30,
    ),
]
