"""One file fetched over HTTP: continued where it broke off, checked, from whoever has it.

What has come lies in ``<name>.part``; ``<name>.part.json`` beside it says from which address and of
which version (its ETag, or when it was last modified). Only a file of the right size and checksum
takes the name ``<name>``.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable, read_text
from ssd_data.core.files.there import is_file
from ssd_data.core.files.whole import write_whole
from ssd_data.core.optional import require
from ssd_data.core.version import __version__
from ssd_data.data.recipes import Download

if TYPE_CHECKING:
    from requests import Response, Session

TRIES = 3  # of one address, without anything new from it
PAUSE = 1.0  # seconds before the second try, then twice as long
LONGEST_PAUSE = 60.0
TIMEOUT = (10.0, 60.0)  # seconds to connect, and without a byte
CHUNK = 1 << 18
BUSY = {408, 425, 429, 500, 502, 503, 504}
PERSON = {401, 403, 407, 451}
Report: TypeAlias = Callable[[str, int, int], None]


class RefusedError(Exception):
    """This address does not give the file; another may."""


class BrokenError(Exception):
    """The transfer broke off; the same address may go on, after ``wait`` seconds."""

    def __init__(self, what: str, wait: float = 0) -> None:
        super().__init__(what)
        self.wait = wait


class Part:
    """The beginning of a file, as far as it has come."""

    def __init__(self, folder: Path, file: Download) -> None:
        self.file = file
        self.path = folder / f"{file.name}.part"
        self.note = folder / f"{file.name}.part.json"

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if is_file(self.path) else 0

    def clear(self) -> None:
        """Start anew."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def goes_on(self, url: str) -> tuple[int, str]:
        """From which byte this address may go on, and the version that it must still have.

        Bytes of another address, or of a version without a mark, are only built upon where a
        checksum will tell whether all of them belong together.
        """
        noted_url, version = self._noted()
        if noted_url == url and version:
            return self.size, version
        return (self.size if self.file.sha256 or self.file.md5 else 0), ""

    def _noted(self) -> tuple[str, str]:
        try:
            table = json.loads(read_text(self.note, "note", 1 << 16))
            return str(table["url"]), str(table["version"])
        except (InputError, ValueError, KeyError, TypeError, RecursionError):
            return "", ""

    def begin(self, url: str, version: str) -> None:
        """Empty the file, then note where its bytes will be from."""
        self.path.write_bytes(b"")
        write_whole(self.note, json.dumps({"url": url, "version": version}))

    def finish(self, whole: Path) -> None:
        """Give the file its name; all of it is on the disk by then."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(whole)
        self.clear()


def transfer(file: Download, folder: Path, report: Report) -> str:
    """Fetch ``file`` into ``folder``, from the first of its addresses that has it.

    Args:
        file: what to fetch.
        folder: gets it, whole, as ``file.name``.
        report: is told the file's name, and how many of how many bytes are there.

    Returns:
        The address that it came from.

    Raises:
        InputError: no address gives it; the error says why of each.
        SsdDataError: requests is not installed.
        OSError: it cannot be written.
    """
    part, failures = Part(folder, file), []
    with _session() as session:
        for url in file.urls:
            try:
                _fetch(session, url, part, report)
            except RefusedError as error:
                failures.append(f"{url}: {error}")
            else:
                part.finish(folder / file.name)
                return url
    kept = f"{part.size:,} of {file.bytes:,} bytes are kept. " if part.size else ""
    later = f"{kept}Run the same command later, or"
    raise InputError(
        "cannot be fetched",
        where=file.name,
        hint=[*failures, later, by_hand(file, folder.parent)],
    )


def by_hand(file: Download, out: Path) -> str:
    """What a person can do about a file."""
    page = f"from {file.page}" if file.page else "elsewhere"
    return f"get {file.name} {page}, put it into {out} and run the same command again"


def _session() -> Session:
    session: Session = require("requests", "download").Session()
    session.max_redirects = 10
    # A length must be that of the file, so nothing may be packed on the way.
    session.headers.update({"User-Agent": f"ssd-data/{__version__}", "Accept-Encoding": "identity"})
    return session


def _fetch(session: Session, url: str, part: Part, report: Report) -> None:
    """Complete the file from one address; a wrong checksum after a resumption gets a second try."""
    while True:
        anew = part.size == 0
        _complete(session, url, part, report)
        if fault := wrong(part.path, part.file, report):
            part.clear()
            if anew:
                raise RefusedError(fault)
            continue
        return


def _complete(session: Session, url: str, part: Part, report: Report) -> None:
    tries, most = 0, part.size
    while (size := part.size) != part.file.bytes:
        if size > part.file.bytes:
            part.clear()
        try:
            _continue(session, url, part, report)
        except BrokenError as error:
            tries = tries + 1 if part.size <= most else 1
            most = max(most, part.size)
            if tries == TRIES:
                raise RefusedError(f"{error} ({TRIES} tries)") from None
            time.sleep(max(PAUSE * 2 ** (tries - 1), min(error.wait, LONGEST_PAUSE)))


def _continue(session: Session, url: str, part: Part, report: Report) -> None:
    """Ask for what is missing and append it, as far as it comes."""
    start, version = part.goes_on(url)
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and version:
        headers["If-Range"] = version
    with _asking(), session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        _check_status(answer, start, part)
        # read1: what has come is kept although what follows it does not come.
        pieces = iter(partial(answer.raw.read1, CHUNK, decode_content=False), b"")
        first = next(pieces, b"")
        if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
            _check_range(answer, start, version, part)
        else:
            _check_beginning(answer, first, part.file)
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT or not start:
            part.begin(url, _version(answer))
        _append(part, first, pieces, report)
    if part.size < part.file.bytes:
        raise BrokenError("it broke off")


def _append(part: Part, first: bytes, pieces: Iterator[bytes], report: Report) -> None:
    size, total = part.size, part.file.bytes
    with part.path.open("ab") as out:
        piece = first
        while piece:
            size += len(piece)
            if size > total:
                out.close()
                part.clear()
                raise RefusedError(f"it sends more than the {total:,} bytes that it should have")
            out.write(piece)
            report(part.file.name, size, total)
            piece = next(pieces, b"")


def _check_status(answer: Response, start: int, part: Part) -> None:
    code = answer.status_code
    if code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    text = f"HTTP {code} {_phrase(code)}".strip()
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
        part.clear()
        raise BrokenError(text)
    if code in BUSY:
        wait = answer.headers.get("Retry-After", "")
        raise BrokenError(text, float(wait) if wait.isdecimal() and len(wait) < 9 else 0)
    if code in PERSON:
        text += "; it may want a person's consent or a password"
    raise RefusedError(text)


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""


def _check_range(answer: Response, start: int, version: str, part: Part) -> None:
    """A partial answer is the part that was asked for, of the file that it is a part of."""
    asked = re.fullmatch(
        r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", answer.headers.get("Content-Range", "")
    )
    if asked and asked[2] not in ("*", str(part.file.bytes)):
        raise RefusedError(_other_size(int(asked[2]), part.file))
    if not asked or int(asked[1]) != start:
        part.clear()
        raise BrokenError("it answers with another part than was asked for")
    if version and _version(answer) not in ("", version):
        part.clear()
        raise BrokenError("the file there has changed")


def _check_beginning(answer: Response, first: bytes, file: Download) -> None:
    """A whole answer begins like an archive and announces the right length."""
    kind = answer.headers.get("Content-Type", "").lower()
    if kind.startswith(("text/html", "application/xhtml")) or looks_like_a_page(first):
        title = re.search(rb"<title[^>]*>([^<]{1,200})", first, re.I)
        text = html.unescape(title[1].decode("utf-8", "replace")).strip() if title else ""
        named = f' ("{listable(" ".join(text.split()))[:80]}")' if text else ""
        raise RefusedError(f"a web page came instead of the file{named}")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and length != str(file.bytes):
        raise RefusedError(_other_size(int(length[:18]), file))
    if not first:
        raise BrokenError("it sends nothing")


def _other_size(size: int, file: Download) -> str:
    return f"the file there has {size:,} bytes instead of {file.bytes:,}"


def looks_like_a_page(beginning: bytes) -> bool:
    """Whether these are the first bytes of a web page."""
    text = beginning[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<script", b"<?xml"))


def _version(answer: Response) -> str:
    """The mark by which the server tells versions apart; weak ones do not hold byte by byte."""
    mark = answer.headers.get("ETag", "")
    if not mark or mark.startswith("W/"):
        mark = answer.headers.get("Last-Modified", "")
    return mark if mark.isprintable() and mark.isascii() and len(mark) < 1000 else ""


@contextmanager
def _asking() -> Iterator[None]:
    """The libraries' errors as those of this module."""
    from requests import exceptions as faults
    from urllib3.exceptions import HTTPError

    try:
        yield
    # A ValueError is an address, or a redirection, that is none.
    except (faults.SSLError, faults.TooManyRedirects, ValueError) as error:
        raise RefusedError(_cause(error)) from None
    except (faults.RequestException, HTTPError) as error:
        raise BrokenError(_cause(error)) from None


def _cause(error: BaseException) -> str:
    """What the innermost error says: the others only wrap it."""
    from urllib3.exceptions import IncompleteRead

    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, IncompleteRead):
        return "it broke off"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return listable(" ".join(str(text).split()))[:200]


def wrong(path: Path, file: Download, report: Report) -> str:
    """What is wrong with a file's size or checksum; nothing where all is well."""
    if (size := path.stat().st_size) != file.bytes:
        return f"it has {size:,} bytes instead of {file.bytes:,}"
    for name, expected in (("sha256", file.sha256), ("md5", file.md5)):
        if not expected:
            continue
        digest = hashlib.new(name, usedforsecurity=name != "md5")
        with path.open("rb") as data:
            for done, piece in enumerate(iter(lambda: data.read(1 << 22), b"")):
                digest.update(piece)
                report(f"{file.name}: {name}", min((done + 1) << 22, size), size)
        if digest.hexdigest() != expected:
            return f"its {name} is {digest.hexdigest()} instead of {expected}"
    return ""
