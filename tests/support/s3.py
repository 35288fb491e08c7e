"""An S3 on 127.0.0.1, moto's, that notes what it is asked and misbehaves as told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote
from uuid import uuid4

import pytest

pytest.importorskip("s3fs")
pytest.importorskip("moto")

import fsspec
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

from ssd_data.core.files.remote import fetching

KEY, SECRET = "AKIATESTING", "wJalr/XUtnFEMI+bPxRfi"
App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Way = Callable[[App, dict[str, Any], Any], Iterable[bytes]]


class Asked(NamedTuple):
    """A request: ``LIST`` for a listing, else its method; the key, and which bytes of it."""

    what: str
    key: str
    range: str


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args: object) -> None:
        pass


class S3:
    """Serves buckets; ``ways[key]`` lists how the next requests of a key are answered, ``always``
    how all are for which it gives a way. Without one the answer is moto's.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._lock = threading.Lock()
        self.asked: list[Asked] = []
        self.ways: dict[str, list[Way]] = {}
        self.always: Callable[[Asked], Way | None] = lambda asked: None
        self.most = self.now = 0  # requests at once

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fs(self) -> Any:
        return fsspec.filesystem(
            "s3", key=KEY, secret=SECRET, endpoint_url=self.endpoint, skip_instance_cache=True
        )

    def holding(self, folder: Path) -> str:
        """The address of a copy of a folder, in a bucket of its own."""
        bucket = uuid4().hex
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(bucket, "us-east-1")
        for path in filter(Path.is_file, folder.rglob("*")):
            inside = path.relative_to(folder).as_posix()
            self.put(bucket, f"{folder.name}/{inside}", path.read_bytes())
        self.forget()
        return f"s3://{bucket}/{folder.name}"

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Put what may be more than a client would."""
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, data)

    def forget(self) -> None:
        """Begin to note anew."""
        self.asked.clear()
        self.most = 0

    def counted(self) -> Counter[str]:
        """How often each kind of request was made."""
        return Counter(one.what for one in self.asked)

    def twice(self) -> list[str]:
        """The keys of which the same was fetched more than once."""
        times = Counter(one for one in self.asked if one.what == "GET")
        return [one.key for one, count in times.items() if count > 1]

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        asked = _asked(environ)
        with self._lock:
            self.asked.append(asked)
            self.now += 1
            self.most = max(self.most, self.now)
            ways = self.ways.get(asked.key)
            way = ways.pop(0) if ways else self.always(asked)
        try:
            return list(way(self._app, environ, start) if way else self._app(environ, start))
        finally:
            with self._lock:
                self.now -= 1


def _asked(environ: dict[str, Any]) -> Asked:
    path, query = unquote(environ["PATH_INFO"]), parse_qs(environ.get("QUERY_STRING", ""))
    key = path.strip("/").partition("/")[2]
    if "list-type" in query:
        return Asked("LIST", query.get("prefix", [""])[0], "")
    return Asked(environ["REQUEST_METHOD"], key, environ.get("HTTP_RANGE", ""))


def failing(status: str, code: str = "InternalError") -> Way:
    """Answers with an error."""
    body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()

    def way(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start(status, [("Content-Length", str(len(body))), ("Content-Type", "application/xml")])
        return [body]

    return way


def slow(seconds: float) -> Way:
    """Answers rightly, and late."""

    def way(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        time.sleep(seconds)
        return app(environ, start)

    return way


def sending(body: bytes, length: int | None = None) -> Way:
    """Sends something else; with a ``length`` that is not its own the answer is cut short."""

    def way(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        headers = [("Content-Length", str(len(body) if length is None else length))]
        start("200 OK", [*headers, ("Content-Type", "binary/octet-stream")])
        return [body]

    return way


@contextmanager
def serving() -> Iterator[S3]:
    """Such a server, and an environment that names it."""
    with pytest.MonkeyPatch.context() as patch:
        server = S3()
        patch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        try:
            yield server
        finally:
            server.close()


@contextmanager
def behaved(server: S3, patch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The server for one test, after which it behaves again; waits take no time."""
    patch.setattr(fetching, "FIRST", 0.001)
    patch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield server
    server.ways.clear()
    server.always = lambda asked: None
