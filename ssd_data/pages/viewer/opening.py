"""Shows the page in the person's browser.

A browser is started with its address on the command line, which every account of the machine can
read: it is given a file instead, that only this account can read, and that leads to the page.
"""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from ssd_data.core.files.there import is_folder

SNAPS = Path("/snap/bin")  # browsers from there see the person's folder, not the temporary ones
PAGE = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>ssd-data view</title>
<a href="{address}">The page</a>
"""


def has_screen() -> bool:
    """Whether there is a person at a screen."""
    screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return screen and sys.stdout.isatty()


@contextmanager
def shown(address: str) -> Iterator[None]:
    """Open an address in the person's browser; the file that leads there lies until the end."""
    home = Path.home() if is_folder(SNAPS) else None
    with TemporaryDirectory(prefix="ssd-data-view-", dir=home, ignore_cleanup_errors=True) as made:
        page = Path(made, "view.html")
        page.write_text(PAGE.format(address=escape(address)), encoding="utf-8")
        threading.Thread(target=webbrowser.open, args=[page.as_uri()], daemon=True).start()
        yield
