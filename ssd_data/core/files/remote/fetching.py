"""Asking a store: again where the connection fails, and in plain words where it does not help.

An answer that fails is no file that is missing: it ends the work, with :class:`StoreError`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ssd_data.core.errors import SsdDataError

_R = TypeVar("_R")
ATTEMPTS = 5
FIRST, LONGEST = 0.25, 8.0  # seconds until it is asked again
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_FINAL = (*_GONE, PermissionError, NotImplementedError, ImportError, ValueError, TypeError)
# Of packages that are not imported here, by the names of their classes.
_NO_ENTRY = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "UnauthorizedSSOTokenError",
        "ProfileNotFound",
        "ClientAuthenticationError",
        "DefaultCredentialsError",
        "RefreshError",
    }
)
_REPEATED, _NEVER = (408, 425, 429), (501, 505)  # statuses of HTTP that pass, those that do not
_TRY = "Try again when the store can be reached; a build goes on where it can"
_ENTRY = "fsspec's own settings say who you are: environment variables, ~/.aws, ~/.config/fsspec"


class StoreError(SsdDataError):
    """A store does not answer, refuses, or does not send what it says it has."""


class ShortError(Exception):
    """Another number of bytes came than there should be; perhaps not the next time."""


def attempt(ask: Callable[[], _R], where: object, hidden: str = "") -> _R:
    """What a store answers; it is asked a few times, each after a longer while.

    Args:
        where: the address, for the error. hidden: name and password, which no error may show.

    Raises:
        FileNotFoundError: it says that there is no such thing.
        StoreError: it refuses, or the last attempt failed.
    """
    for count in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except MemoryError:
            raise
        except Exception as error:  # each package that fsspec uses has its own
            if isinstance(error, FileNotFoundError):
                raise
            if _is_final(error) or count == ATTEMPTS or not threading.main_thread().is_alive():
                raise _said(error, where, hidden, count) from None
            time.sleep(min(FIRST * 2 ** (count - 1), LONGEST) * random.uniform(0.5, 1.5))
    raise AssertionError


def _is_final(error: Exception) -> bool:
    if isinstance(error, (StoreError, *_FINAL)) or type(error).__name__ in _NO_ENTRY:
        return True
    status = getattr(error, "status", None)
    if not isinstance(status, int) or status in _REPEATED:
        return False
    return 400 <= status < 500 or status in _NEVER


def _said(error: Exception, where: object, hidden: str, count: int) -> StoreError:
    if isinstance(error, StoreError):
        return error
    text = " ".join(str(error).split()) or type(error).__name__
    for secret in filter(None, (hidden, hidden.partition(":")[2])):
        text = text.replace(secret, "***")
    if isinstance(error, ShortError):
        return StoreError(text, where=where, hint="It may be changing: try again when it is not")
    status = getattr(error, "status", None)
    refused = isinstance(error, PermissionError) or status in (401, 403)
    if refused or type(error).__name__ in _NO_ENTRY:
        return StoreError(f"the store does not let you in: {text}", where=where, hint=_ENTRY)
    if isinstance(error, ImportError):
        return StoreError(text, where=where, hint="fsspec needs that package for such addresses")
    again = f", {count} times" if count > 1 else ""
    hint = "" if _is_final(error) else _TRY
    return StoreError(f"the store failed{again}: {text}", where=where, hint=hint)
