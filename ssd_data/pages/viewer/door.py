"""Who may ask: who has the printed address, by a name that leads to this machine alone.

The address holds a token, since every account of this machine can reach the port. It stands in the
path: a cookie would go to all ports of this machine, whoever listens there. It does not leave the
page, for nothing links outside, and ``Referrer-Policy`` keeps it.

A web site can send its visitor's browser here: by a name of its own that it lets lead to this
machine (then ``Host`` says that name), or out of its own page (then ``Origin`` or
``Sec-Fetch-Site`` says so). Such a request is refused before its token is looked at.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Any

from werkzeug.wrappers import Response

TOKEN_BYTES = 16
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")  # any port: a tunnel's, too
METHODS = ("GET", "HEAD")
CHANGES = "POST"  # where the application takes any
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Door:
    """A WSGI application before another one.

    Args:
        application: it is asked what may be asked, with the token in ``SCRIPT_NAME``.
        token: letters, digits, ``-`` and ``_``; by default a new one.
        changes: whether anything can be changed there.
    """

    def __init__(self, application: Any, token: str | None = None, changes: bool = False) -> None:
        self.application = application
        self.methods = (*METHODS, CHANGES) if changes else METHODS
        self.token = token or secrets.token_urlsafe(TOKEN_BYTES)

    def address(self, port: int) -> str:
        """Where the first page is."""
        return f"http://127.0.0.1:{port}/{self.token}/"

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """WSGI."""
        token, _, rest = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
        refused = _refused(environ, self.methods) or self._refused_token(token)
        if refused is not None:
            return refused(environ, start)
        inside = {**environ, "SCRIPT_NAME": f"/{token}", "PATH_INFO": f"/{rest}"}
        answer: Iterable[bytes] = self.application(inside, start)
        return answer

    def _refused_token(self, token: str) -> Response | None:
        # Paths are bytes, as latin-1; the comparison takes as long wherever they differ.
        if hmac.compare_digest(token.encode("latin-1", "replace"), self.token.encode()):
            return None
        return refusal(
            403, "Open the whole address that ssd-data view has printed: it is new each time."
        )


def refusal(status: int, text: str, **headers: str) -> Response:
    """An answer that holds nothing of what was asked, and nothing of what is here."""
    response = Response(f"{text}\n", status, mimetype="text/plain")
    response.headers.extend({**HEADERS, "Cache-Control": "no-store", **headers})
    return response


def _refused(environ: dict[str, Any], methods: tuple[str, ...]) -> Response | None:
    host = environ.get("HTTP_HOST", "").lower()
    if not HOST.fullmatch(host):
        return refusal(400, "This page answers to 127.0.0.1 and localhost only.")
    if environ["REQUEST_METHOD"] not in methods:
        return refusal(405, "Nothing can be changed here.", Allow=", ".join(methods))
    if environ.get("HTTP_ORIGIN", f"http://{host}").lower() != f"http://{host}":
        return refusal(403, "Another site's page may not ask.")
    if not _is_own(environ):
        return refusal(403, "Another site's page may not ask.")
    return None


def _is_own(environ: dict[str, Any]) -> bool:
    """Whether a browser asks for this page itself, or to go to it (by a link, from wherever).

    https://www.w3.org/TR/fetch-metadata/; what is no browser, or an old one, does not say.
    """
    if environ.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin"):
        return True
    if environ["REQUEST_METHOD"] == CHANGES:  # no link, and no form of another page
        return False
    going = environ.get("HTTP_SEC_FETCH_MODE"), environ.get("HTTP_SEC_FETCH_DEST")
    return going == ("navigate", "document")
