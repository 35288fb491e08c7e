"""fsspec's file system of an address. What it is told of users and networks is the user's own:
environment variables, its settings' files, those of the store's own package.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from ssd_data.core.files.remote.fetching import attempt
from ssd_data.core.optional import require

EXTRA = "remote"
REQUESTS = 32  # on their way at once
_S3 = ("s3", "s3a")


def opened(root: str, user: str) -> tuple[Any, str]:
    """The file system, and what it calls the root.

    Raises:
        SsdDataError: there is none for such addresses.
    """
    core = require("fsspec.core", EXTRA, "fsspec", where=root)
    scheme, _, rest = root.partition("://")
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    given = root
    if scheme in _S3:
        options |= _of_s3(user)
    elif user:
        given = f"{scheme}://{user}@{rest}"
    fs, top = attempt(lambda: core.url_to_fs(given, **options), root, user)
    if hasattr(fs, "retries"):
        fs.retries = 1  # attempt() is the one that asks again
    return fs, top.rstrip("/") or top


def _of_s3(user: str) -> dict[str, Any]:
    """As many connections as there may be requests; and the key and its secret, which are no part
    of its addresses.
    """
    settings = require("fsspec.config", EXTRA, "fsspec").conf
    table = settings.get("s3", {}).get("config_kwargs", {})
    options: dict[str, Any] = {"config_kwargs": {"max_pool_connections": REQUESTS, **table}}
    key, _, secret = user.partition(":")
    return options | ({"key": unquote(key), "secret": unquote(secret)} if user else {})


def all_below(fs: Any, top: str) -> dict[str, Any]:
    """What fsspec says of each file below a folder, or of the one that is named.

    Where it goes from folder to folder, it would leave out those that it cannot list.

    Raises:
        FileNotFoundError: nothing is there.
    """
    if not _walks(fs):
        found: dict[str, Any] = fs.find(top, detail=True)
        return found
    info = info_of(fs, top)
    is_page = "html" in (info.get("mimetype") or "")  # of a web server, what lists a folder
    if info.get("type") == "file" and not is_page:
        return {top: info}
    try:
        found = fs.find(top, detail=True, on_error="raise")
    except FileNotFoundError as error:
        raise ConnectionError(f"a folder that was listed is not there: {error}") from None
    return found


def info_of(fs: Any, name: str) -> dict[str, Any]:
    """What fsspec says of one file.

    Raises:
        FileNotFoundError: it is not there. fsspec's HTTP says so of any failure; that is raised.
    """
    try:
        found: dict[str, Any] = fs.info(name)
        return found
    except FileNotFoundError as error:
        cause = error.__cause__
        of_network = isinstance(cause, OSError) or type(cause).__module__.startswith("aiohttp")
        missing = isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) in (404, 410)
        if cause is not None and of_network and not missing:
            raise cause from None
        raise


def _walks(fs: Any) -> bool:
    general = require("fsspec.asyn" if fs.async_impl else "fsspec", EXTRA, "fsspec")
    if fs.async_impl:
        return bool(type(fs)._find is general.AsyncFileSystem._find)
    return bool(type(fs).find is general.AbstractFileSystem.find)


def threads_of(fs: Any) -> int:
    """How many may ask at once: of stores that are made for one at a time one."""
    return REQUESTS if fs.async_impl or fs.protocol == "memory" else 1


def quoted(root: str, key: str) -> str:
    """A key as the store is asked for it: HTTP's are parts of an address."""
    return quote(key) if root.startswith("http") else key


def unquoted(root: str, key: str) -> str:
    """The way back."""
    return unquote(key) if root.startswith("http") else key
