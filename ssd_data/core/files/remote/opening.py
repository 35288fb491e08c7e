"""fsspec's file system of an address. What it is told of users and networks is the user's own:
environment variables, its settings' files, those of the store's own package.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from ssd_data.core.files.remote.fetching import attempt
from ssd_data.core.optional import require

EXTRA = "remote"
_KEYED = ("s3", "s3a")  # whose users are a key and its secret, which is no part of an address


def opened(root: str, user: str) -> tuple[Any, str]:
    """The file system, and what it calls the root.

    Raises:
        SsdDataError: there is none for such addresses.
    """
    core = require("fsspec.core", EXTRA, "fsspec", where=root)
    scheme, _, rest = root.partition("://")
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    given = root
    if user and scheme in _KEYED:
        key, _, secret = user.partition(":")
        options |= {"key": unquote(key), "secret": unquote(secret)}
    elif user:
        given = f"{scheme}://{user}@{rest}"
    fs, top = attempt(lambda: core.url_to_fs(given, **options), root, user)
    if hasattr(fs, "retries"):
        fs.retries = 1  # attempt() is the one that asks again
    return fs, top.rstrip("/") or top


def threads_of(fs: Any, most: int) -> int:
    """How many may ask at once: those that are made for one at a time get one."""
    return most if fs.async_impl or fs.protocol == "memory" else 1


def quoted(root: str, key: str) -> str:
    """A key as the store is asked for it: HTTP's are parts of an address."""
    return quote(key) if root.startswith("http") else key


def unquoted(root: str, key: str) -> str:
    """The way back."""
    return unquote(key) if root.startswith("http") else key
