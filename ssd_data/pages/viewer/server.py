"""Serves the page to this machine alone, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ssd_data.core.errors import OutputError

ADDRESS = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Says nothing of each request, and not who serves."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log(self, type: str, message: str, *args: Any) -> None:
        pass

    def version_string(self) -> str:
        return "ssd-data"


@contextmanager
def listening(app: Any, port: int = 0) -> Iterator[BaseWSGIServer]:
    """A server that listens at 127.0.0.1; ``port`` 0 takes a free one.

    Raises:
        OutputError: the port is taken, or not for this user.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError as error:
            raise OutputError(
                f"cannot listen at port {port}: {error.strerror}",
                where="--port",
                hint="Without --port a free one is taken",
            ) from None
        listener.listen(64)
        server = make_server(
            ADDRESS, port, app, threaded=True, request_handler=_Quiet, fd=listener.fileno()
        )
    try:
        yield server
    finally:
        server.server_close()


def open_browser(url: str) -> bool:
    """Show the page in the person's browser, where there is a screen for one."""
    screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not (screen and sys.stdout.isatty()):
        return False
    threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
    return True
