"""Serves the page to this machine alone, until Ctrl-C.

Waitress reads requests and writes answers without a thread for each connection; a few threads make
the answers. What it cannot read as a request it answers itself, with our words.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from ssd_data.core.errors import OutputError
from ssd_data.pages.viewer.door import HEADERS, Door

ADDRESS = "127.0.0.1"
THREADS = 8
MOST_CONNECTIONS = 200
PATIENCE = 15.0  # seconds for a whole request, and between two on one connection
STALLED = 60  # seconds without a byte taken of an answer
REQUEST_BYTES = 16384
ANSWER_BYTES = 1 << 26  # in memory; what is larger goes through a temporary file


class Server:
    """What :func:`listening` gives.

    Attributes:
        port: where it listens.
    """

    def __init__(self, door: Door, listener: socket.socket) -> None:
        logging.getLogger("waitress").propagate = False  # of strangers' nonsense nothing is said
        logging.getLogger("waitress").addHandler(logging.NullHandler())
        self._map: dict[int, Any] = {}
        self._server = create_server(
            door,
            map=self._map,
            sockets=[listener],
            threads=THREADS,
            connection_limit=2 * MOST_CONNECTIONS,  # never: see _Channel
            channel_timeout=STALLED,
            cleanup_interval=5,
            max_request_header_size=REQUEST_BYTES,
            max_request_body_size=1,
            outbuf_overflow=ANSWER_BYTES,
            clear_untrusted_proxy_headers=False,
            ident=None,
        )
        self._server.channel_class = _Channel
        self.port: int = listener.getsockname()[1]
        self._ended = False

    def serve_forever(self) -> None:
        """Answer until :meth:`shutdown`, or until a signal's exception."""
        while not self._ended:
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)

    def shutdown(self) -> None:
        """Make :meth:`serve_forever` return; from any thread."""
        self._ended = True
        self._server.pull_trigger()

    def close(self) -> None:
        """Close all connections."""
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)


class _Refusal(ErrorTask):  # type: ignore[misc]
    """What was no request, or too large: says so without repeating it."""

    def execute(self) -> None:
        error = self.request.error
        body = f"{error.reason}\n".encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "text/plain; charset=utf-8"))
        self.response_headers.extend(HEADERS.items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. Where there are too many, the one that has waited longest makes way."""

    error_task_class = _Refusal

    def __init__(self, server: Any, *given: Any, **named: Any) -> None:
        others = server.active_channels.values()
        if len(others) >= MOST_CONNECTIONS:
            waiting = [other for other in others if other.is_waiting]
            if waiting:
                min(waiting, key=lambda other: other.since).handle_close()
        self.since = time.monotonic()
        super().__init__(server, *given, **named)

    @property
    def is_waiting(self) -> bool:
        """Whether it has asked nothing that is not answered."""
        return not (self.requests or self.total_outbufs_len)

    def readable(self) -> bool:
        """Asked at each turn, at least once a second."""
        if not self.is_waiting:
            self.since = time.monotonic()
        elif time.monotonic() - self.since > PATIENCE:
            self.will_close = True
        return bool(super().readable())


@contextmanager
def listening(door: Door, port: int = 0) -> Iterator[Server]:
    """A server that listens at 127.0.0.1; ``port`` 0 takes a free one.

    Raises:
        OutputError: the port is taken, or not for this user.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
            listener.listen(64)
        except OSError as error:
            raise OutputError(
                f"cannot listen at port {port}: {error.strerror}",
                where="--port",
                hint="Without --port a free one is taken",
            ) from None
        server = Server(door, listener)
        try:
            yield server
        finally:
            server.close()
