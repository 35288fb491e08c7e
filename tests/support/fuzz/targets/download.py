"""What servers answer to a download, and what earlier downloads left."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ssd_data.data.download import transfer
from ssd_data.data.download.download import download, is_begun, plan
from ssd_data.data.recipes import parse
from support.fuzz.cases import case
from support.fuzz.target import Case, Target

RECIPE = """name = "A"
format = "voc"
[splits.a]
sources = [{{ folder = "x", set = "a" }}]
[[downloads]]
urls = ["http://127.0.0.1:9/a.zip", "http://127.0.0.1:9/b.zip"]
bytes = {size}
md5 = "{md5}"
name = "a.zip"
into = "x"
"""


def answers() -> list[Case]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(zipfile.ZipInfo("a.txt"), "hello")
    data = packed.getvalue()
    recipe = RECIPE.format(size=len(data), md5=hashlib.md5(data).hexdigest())
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\nETag: "x"\r\nRetry-After: 1\r\n\r\n'
    rest = (
        f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 20-{len(data) - 1}/{len(data)}\r\n"
    )
    note = {"url": "http://127.0.0.1:9/a.zip", "version": '"x"'}
    record = {"url": "http://127.0.0.1:9/a.zip", "bytes": len(data), "sha256": "",
              "md5": hashlib.md5(data).hexdigest(), "files": {"x/a.txt": 5}}  # fmt: skip
    started = {
        "out/.downloads/a.zip.part": data[:20],
        "out/.downloads/a.zip.part.json": json.dumps(note),
    }
    done = {"out/.downloads/a.zip.json": json.dumps(record), "out/x/a.txt": "hello"}
    page = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/b.zip\r\n"
    page += "Content-Type: text/html\r\n\r\n<html><title>No</title></html>"
    return [
        case({"my.toml": recipe, "answer": head.encode() + data}),
        case(
            {
                "my.toml": recipe,
                "answer": f'{rest}ETag: "x"\r\n\r\n'.encode() + data[20:],
                **started,
            }
        ),
        case({"my.toml": recipe, "answer": page}),
        case({"my.toml": recipe, "answer": head, **done}),
    ]


class Canned(HTTPAdapter):
    """Answers everything with the same bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        answer = http.client.HTTPResponse(self)  # type: ignore[arg-type]
        try:
            answer.begin()
        except (http.client.HTTPException, OSError) as error:
            raise requests.ConnectionError(error) from error
        headers = urllib3.HTTPHeaderDict(answer.headers.items())
        raw = urllib3.HTTPResponse(answer, headers, answer.status, preload_content=False)
        return self.build_response(request, raw)


def fetched(folder: Path) -> None:
    def session() -> requests.Session:
        made = requests.Session()
        made.max_redirects = 3
        for start in ("http://", "https://"):
            made.mount(start, Canned((folder / "answer").read_bytes()))
        return made

    transfer._session = session  # type: ignore[assignment]
    transfer.PAUSE = transfer.LONGEST_PAUSE = 0.0
    if not (folder / "answer").exists():
        return
    recipe = parse(folder / "my.toml")
    is_begun(recipe, folder / "out")
    plan(recipe, folder / "out")
    download(recipe, folder / "out", lambda name, done, total: None)


TARGETS = [
    Target(
        "download", answers, fetched, ("data.download",), kinds={"answer": "raw", "*.part": "raw"}
    ),
]
