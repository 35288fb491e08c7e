"""A web server on 127.0.0.1 that misbehaves as told, and archives to serve."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server:
    """Serves ``files``; ``ways[path]`` lists how the next requests of a path are answered.

    When the list is used up, or there is none, the answer is as it should be: with ETag, ranges and
    If-Range. ``asked`` notes each request's path and Range.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.ways: dict[str, list[Behaviour]] = {}
        self.asked: list[tuple[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/{path}"

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.rpartition("/")[2]
                server.asked.append((path, self.headers.get("Range", "")))
                data = server.files.get(path, b"")
                ways = server.ways.get(path, [])
                way = ways.pop(0) if ways else rightly if path in server.files else status(404)
                with suppress(ConnectionError):  # whoever asked has gone
                    way(self, data)

            def end_headers(self) -> None:
                self.send_header("Connection", "close")
                super().end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def answer(
    http: BaseHTTPRequestHandler, code: int, body: bytes, length: int | None = None, **headers: str
) -> None:
    http.send_response(code)
    for name, value in headers.items():
        http.send_header(name.replace("_", "-"), value)
    http.send_header("Content-Length", str(len(body) if length is None else length))
    http.end_headers()
    http.wfile.write(body)


def rightly(http: BaseHTTPRequestHandler, data: bytes) -> None:
    asked, condition = http.headers.get("Range"), http.headers.get("If-Range", etag(data))
    if asked and condition == etag(data):
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(data):
            return answer(http, 416, b"", Content_Range=f"bytes */{len(data)}")
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return answer(http, 206, data[start:], Content_Range=span, ETag=etag(data))
    return answer(http, 200, data, ETag=etag(data))


def breaks_off(after: int, ranges: bool = True) -> Behaviour:
    """Announces everything, sends ``after`` bytes of it and hangs up."""

    def way(http: BaseHTTPRequestHandler, data: bytes) -> None:
        asked = http.headers.get("Range") if ranges else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        headers = {"ETag": etag(data)}
        if asked:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        rest = data[start:]
        answer(http, 206 if asked else 200, rest[:after], len(rest), **headers)

    return way


def ignores_ranges(http: BaseHTTPRequestHandler, data: bytes) -> None:
    answer(http, 200, data)


def status(code: int, **headers: str) -> Behaviour:
    return lambda http, data: answer(http, code, b"no\n", **headers)


def page(
    text: str = "<!DOCTYPE html><title>Virus scan warning</title>", kind: str = "text/html"
) -> Behaviour:
    return lambda http, data: answer(http, 200, text.encode(), Content_Type=kind)


def announces(length: int) -> Behaviour:
    return lambda http, data: answer(http, 200, data, length)


def without_length(body: bytes) -> Behaviour:
    def way(http: BaseHTTPRequestHandler, data: bytes) -> None:
        http.send_response(200)
        http.end_headers()
        http.wfile.write(body)

    return way


def redirects(to: str) -> Behaviour:
    return lambda http, data: answer(http, 302, b"", Location=to)


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tarred(*entries: tuple[tarfile.TarInfo, bytes] | tuple[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for entry, data in entries:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


def recipe(path: Path, *downloads: Mapping[str, object]) -> Path:
    """A recipe file for a VOC folder ``raw`` that lists these downloads."""
    lines = [
        'name = "SHAPES"', 'format = "voc"', 'links = { test_lmdb = "test" }',
        "[splits.test]", 'sources = [{ folder = "raw", set = "test" }]',
        "[splits.train]", 'sources = [{ folder = "raw", set = "train" }]',
    ]  # fmt: skip
    for download in downloads:
        lines += ["[[downloads]]", *(f"{key} = {value!r}" for key, value in download.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def entry(data: bytes, *urls: str, checksum: bool = True, **more: object) -> dict[str, object]:
    table: dict[str, object] = {"urls": list(urls), "bytes": len(data), **more}
    return {**table, "sha256": hashlib.sha256(data).hexdigest()} if checksum else table
