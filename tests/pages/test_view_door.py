"""Who may look at the page, and what those who may not can hold up."""

from __future__ import annotations

import hmac
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewed import EVIL, ordinary, served, viewing
from werkzeug.test import Client, EnvironBuilder, TestResponse, run_wsgi_app

from ssd_data.core.errors import OutputError
from ssd_data.pages.viewer import opening, server
from ssd_data.pages.viewer.app import Viewer
from ssd_data.pages.viewer.door import HEADERS, Door
from ssd_data.pages.viewer.server import listening

TOKEN = "wJq3-Tz_0"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    with viewing(ordinary(tmp_path_factory.mktemp("plain") / "plain_lmdb")) as made:
        yield made


@pytest.fixture(scope="module")
def door(viewer: Viewer) -> Door:
    return Door(viewer, TOKEN)


def ask(door: Door, path: str, method: str = "GET", **headers: str) -> TestResponse:
    given = {"Host": "127.0.0.1:8000"}
    given.update({name.replace("_", "-"): value for name, value in headers.items()})
    return Client(door).open(path, method=method, headers=given)


def run(door: Door, environ: dict[str, Any]) -> TestResponse:
    """Exactly this request; a client would mend it."""
    body, status, headers = run_wsgi_app(door, environ)
    request = EnvironBuilder("/").get_request()
    return TestResponse(body, status, headers, request)


def is_refused(response: TestResponse, status: int) -> bool:
    """With this status, all headers, and nothing of what is here."""
    assert all(response.headers.get_all(name) == [value] for name, value in HEADERS.items())
    assert response.mimetype == "text/plain"
    assert "JPEGImages" not in response.text
    assert TOKEN not in response.text
    return response.status_code == status


# ---- the token ----


def test_with_the_token_all_is_there(door: Door) -> None:
    for path in ("", "/", "/record/3?hide=1", "/picture/0", "/thumbnail/0", "/static/view.js"):
        assert ask(door, f"/{TOKEN}{path}").status_code == 200, path
    assert ask(door, f"/{TOKEN}/none").status_code == 404


def test_the_page_leads_nowhere_without_it(door: Door) -> None:
    for path in ("/", "/?page=2", "/?q=nothing", "/record/3", "/none"):
        text = ask(door, f"/{TOKEN}{path}").text
        places = re.findall(r'(?:href|src|action|data-state)="([^"]*)"', text)
        assert len(places) > 4
        assert all(place.startswith(f"/{TOKEN}/") for place in places), places


@pytest.mark.parametrize(
    "token",
    [
        "",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN.lower(),
        "x" * len(TOKEN),
        "é" * 9,
        "%00",
        EVIL,
        "A" * 9000,
    ],
)
@pytest.mark.parametrize("path", ["/", "/picture/0", "/progress", "/static/view.js", f"/{TOKEN}/"])
def test_without_it_there_is_nothing(door: Door, token: str, path: str) -> None:
    response = ask(door, f"/{token}{path}" if token else path.replace(TOKEN, ""))
    assert is_refused(response, 403)
    assert "whole address" in response.text
    assert "<" not in response.text


def test_it_is_compared_in_constant_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def compare(a: bytes, b: bytes) -> bool:
        seen.append((a, b))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert is_refused(ask(door, f"/{TOKEN}/"), 403)
    assert seen == [(TOKEN.encode(), TOKEN.encode())]


def test_each_one_is_new() -> None:
    tokens = {Door(None).token for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch("[A-Za-z0-9_-]{22}", token) for token in tokens)
    assert Door(None, TOKEN).address(81) == f"http://127.0.0.1:81/{TOKEN}/"


# ---- by whose name, and from whose page ----


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost:9000", "LOCALHOST", "[::1]", "[::1]:8000"]
)
def test_names_of_this_machine_with_any_port(door: Door, host: str) -> None:
    """A tunnel's port is another one."""
    assert ask(door, f"/{TOKEN}/", Host=host).status_code == 200


BAD = [
    "evil.com", "evil.com:8000", "127.0.0.1.evil.com", "localhost.evil.com", "localhost.", "", " ",
    "a@127.0.0.1", "192.168.0.1:8000", "0.0.0.0", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1,x",
    "127.0.0.1:8000:1", "127.0.0.1\n", "2130706433", "[::]", "::1", "[::1", "127.0.0.1:999999",
]  # fmt: skip


def test_other_names_are_refused(door: Door) -> None:
    for host in [*BAD, None]:
        for path in ("/", "/picture/0", "/progress", "/static/view.js", "/none"):
            environ = EnvironBuilder(f"/{TOKEN}{path}").get_environ()
            environ.pop("HTTP_HOST", None)
            if host is not None:
                environ["HTTP_HOST"] = host
            assert is_refused(run(door, environ), 400), host


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=12))
def test_nonsense_is_refused(host: str, path: str, method: str) -> None:
    inner = Door(lambda environ, start: pytest.fail("it came through"), TOKEN)
    environ = EnvironBuilder("/").get_environ()
    path = path.encode("utf-8", "surrogatepass").decode("latin-1")
    for changed in ({"HTTP_HOST": host}, {"PATH_INFO": path}, {"REQUEST_METHOD": method}):
        assert run(inner, {**environ, **changed}).status_code in (400, 403, 405)


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://localhost:8000", "", EVIL])
def test_another_origin_is_refused(door: Door, origin: str) -> None:
    assert is_refused(ask(door, f"/{TOKEN}/picture/0", Origin=origin), 403)
    assert ask(door, f"/{TOKEN}/picture/0", Origin="http://127.0.0.1:8000").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "other"])
def test_another_sites_page_is_refused(door: Door, site: str) -> None:
    told = {"Sec_Fetch_Site": site}
    assert is_refused(ask(door, f"/{TOKEN}/picture/0", **told), 403)
    for mode, dest in (("no-cors", "image"), ("navigate", "iframe"), ("cors", "empty")):
        told |= {"Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
        assert is_refused(ask(door, f"/{TOKEN}/", **told), 403)
    link = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert ask(door, f"/{TOKEN}/", **link).status_code == 200
    assert is_refused(ask(door, "/guess/", **link), 403)


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_its_own_page_may_ask(door: Door, site: str) -> None:
    told = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
    assert ask(door, f"/{TOKEN}/picture/0", **told).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "EVIL"])
def test_nothing_can_be_changed(door: Door, method: str) -> None:
    for path in ("/", f"/{TOKEN}/", f"/{TOKEN}/picture/1"):
        response = ask(door, path, method)
        assert is_refused(response, 405)
        assert response.headers["Allow"] == "GET, HEAD"
    assert ask(door, f"/{TOKEN}/", "HEAD").data == b""


# ---- connections ----


class Line:
    """A connection of one's own."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self.path, self.host = there.path, there.netloc
        self.socket = socket.create_connection((there.hostname, there.port), timeout=30)

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def request(self, path: str = "", more: str = "") -> None:
        self.send(f"GET {self.path}{path} HTTP/1.1\r\nHost: {self.host}\r\n{more}\r\n")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body."""
        data = self.until(b"\r\n\r\n")
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        while len(body) < int(headers["Content-Length"]):
            body += self.socket.recv(1 << 16)
        return int(first.split()[1]), headers, body

    def until(self, end: bytes) -> bytes:
        data = b""
        while end not in data:
            got = self.socket.recv(1 << 16)
            assert got, data
            data += got
        return data

    @property
    def is_closed(self) -> bool:
        """Waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def dial() -> Iterator[Any]:
    opened: list[Line] = []

    def make(url: str) -> Line:
        opened.append(Line(url))
        return opened[-1]

    yield make
    for line in opened:
        line.close()


def answers(url: str, dial: Any) -> bool:
    line = dial(url)
    line.request("record/3")
    status, _, body = line.answer()
    return status == 200 and b"000003.jpg" in body


def test_idle_connections_hold_no_threads(
    viewer: Viewer, dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", float("inf"))
    with served(viewer) as url:
        assert answers(url, dial)
        before = threading.active_count()
        idle = [dial(url) for _ in range(400)]
        for line in idle[::2]:
            line.send("GET / HTTP/1.1\r\nHost: 127.0.0.1")  # the end never comes
        assert answers(url, dial)
        assert threading.active_count() == before
        assert before <= server.THREADS + 10
        assert idle[0].is_closed  # made way
        idle[-1].socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].socket.recv(1)


@pytest.mark.parametrize("said", ["", "GET", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_who_says_nothing_is_left(
    viewer: Viewer, dial: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(viewer) as url:
        line = dial(url)
        line.send(said)
        monkeypatch.setattr(server, "PATIENCE", 0.0)
        assert line.is_closed


def test_who_says_it_by_drops_is_left(
    viewer: Viewer, dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.05)
    with served(viewer) as url:
        line = dial(url)
        for _ in range(1000):
            try:
                line.send("X")
            except ConnectionError:
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail("it was heard for 10 s")


def test_one_connection_for_many_requests(viewer: Viewer, dial: Any) -> None:
    with served(viewer) as url:
        line = dial(url)
        for number in range(30):
            line.request(f"record/{number}")
            status, headers, body = line.answer()
            assert (status, f"{number:06d}.jpg".encode() in body) == (200, True)
            assert headers.get("Connection", "").lower() != "close"
            assert "Server" not in headers
        line.request("", "Connection: close\r\n")
        assert line.answer()[0] == 200
        assert line.is_closed


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("GET {path} HTTP/1.0\r\n\r\n", 400),  # no Host
        ("GET {path}\r\n\r\n", 400),
        ("GET {path} HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.com\r\n\r\n", 400),
        ("GET http://127.0.0.1{path} HTTP/1.1\r\nHost: evil.com\r\n\r\n", 400),
        ("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nEvil\x1b: <b>\r\n\r\n", 400),
        ("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n \x1b[31m<script>\n\r\n\r\n", 400),
        ("<script>\x1b[31m\r\n\r\n", 400),
        ("GET {path}" + "A" * 20000, 431),
        ("GET {path} HTTP/1.1\r\n" + "A: b\r\n" * 5000 + "\r\n", 431),
        ("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 405),
        ("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: evil\r\n\r\n", 501),
        ("PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n", 413),
    ],
)  # fmt: skip
def test_what_is_no_request(
    viewer: Viewer, dial: Any, said: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(viewer) as url:
        line = dial(url)
        line.send(said.replace("{path}", line.path) + "\0" * 9 * (status == 413))
        given, headers, body = line.answer()
        assert given == status
        assert headers.items() >= {name.title(): value for name, value in HEADERS.items()}.items()
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert len(body) < 100
        assert not re.search(rb"[<>\x1b]|evil|AAA|waitress|server", body, re.I)
        assert answers(url, dial)
    assert capfd.readouterr() == ("", "")


def test_who_does_not_read_holds_no_thread(viewer: Viewer, dial: Any) -> None:
    """More of them than threads, each with an answer that no buffer of the system takes."""
    big = bytes(32 << 20)

    def application(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/big":
            return viewer(environ, start)
        start("200 OK", [("Content-Length", str(len(big)))])
        return [big]

    with served(application) as url:
        for _ in range(server.THREADS + 4):
            dial(url).request("big")
        assert answers(url, dial)


def test_it_listens_here_alone_and_a_taken_port_is_an_error(door: Door) -> None:
    with listening(door) as made:
        with socket.create_connection(("127.0.0.1", made.port)):
            pass
        with pytest.raises(OutputError, match="cannot listen"), listening(door, made.port):
            pass
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", made.port)):  # noqa: PT011
            pass


# ---- the person's browser ----


def test_the_browser_is_given_a_file_for_this_account_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command line can be read by every account."""
    asked: list[str] = []
    there = threading.Event()

    def open_it(url: str) -> None:
        asked.append(url)
        there.set()

    monkeypatch.setattr(opening.webbrowser, "open", open_it)
    monkeypatch.setattr(opening, "SNAPS", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    address = f"http://127.0.0.1:8000/{TOKEN}/"
    with opening.shown(address):
        assert there.wait(30)
        page = Path(urlsplit(asked[0]).path)
        assert page.parent.parent == tmp_path
        assert asked == [page.as_uri()]
        assert TOKEN not in asked[0]
        assert (page.parent.stat().st_mode & 0o777) == 0o700
        assert f'url={address}"' in page.read_text()
    assert not page.parent.exists()
