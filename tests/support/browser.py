"""A headless Chromium, driven over its DevTools pipe: no driver, no further package.

The protocol: https://chromedevtools.github.io/devtools-protocol/; with ``--remote-debugging-pipe``
messages are JSON with a zero byte behind each, to descriptor 3 and from descriptor 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, in a container; it opens nothing but our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find() -> str | None:
    """The program, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


LAUNCH = """
import os, sys
first, second = (os.dup(int(number)) for number in sys.argv[1:3])
first, second = os.dup(first), os.dup(second)  # of four new ones the last two are above 4
os.dup2(first, 3)
os.dup2(second, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page. What its console says, and what it asks others for, is in ``complaints``.

    ``own`` are files that it may ask for.
    """

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()

        # It looks for the pipes at 3 and 4, which may be anything here.
        command = [sys.executable, "-IS", "-c", LAUNCH, str(to_read), str(to_write)]
        self._process = subprocess.Popen(
            [*command, program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write),
            env={**os.environ, "HOME": str(profile)},
        )
        os.close(to_read)
        os.close(to_write)
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        self._buffer, self._count, self._session = b"", 0, ""
        self.complaints: list[str] = []
        self.own: set[str] = set()
        self.loaded = 0
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        given = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = given["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """A command's result."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not answer")
            data = os.read(self._from, 1 << 16)
            if not data:
                raise RuntimeError("Chromium has ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded += 1
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            is_own = url.startswith(("http://127.0.0.1:", "about:", "data:")) or url in self.own
            if not is_own:
                self.complaints.append(f"asks for {url}")

    def await_load(self, before: int) -> None:
        """Wait until more pages have been loaded than ``before``."""
        while self.loaded == before:
            self._receive()

    def settle(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; while the page changes, asking may fail."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except RuntimeError:
                pass
            time.sleep(0.05)
        raise TimeoutError("it never came to be so")

    def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        before = self.loaded
        self.call("Page.navigate", url=url)
        self.await_load(before)

    def js(self, expression: str) -> Any:
        """An expression's value; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def click(self, selector: str, loads: bool = False) -> None:
        """A real click of the mouse on the first element that is like this."""
        before = self.loaded
        where = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left",
                clickCount=1,
            )  # fmt: skip
        if loads:
            self.await_load(before)

    def key(self, name: str, loads: bool = False) -> None:
        """A key such as ``ArrowRight`` or ``Enter``."""
        before = self.loaded
        code = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "Enter": 13, "m": 77}[name]
        more = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name,
                windowsVirtualKeyCode=code, **(more if kind == "keyDown" else {}),
            )  # fmt: skip
        if loads:
            self.await_load(before)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """The window, and whether the person likes it dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """What is in the window, as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
