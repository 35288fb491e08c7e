"""What tests of data share: a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.s3 import S3


@pytest.fixture(scope="module")
def served() -> Iterator[S3]:
    """An S3."""
    from support import s3

    with s3.serving() as server:
        yield server


@pytest.fixture
def store(served: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The server, which behaves, and waits that take no time."""
    from support import s3

    with s3.behaved(served, monkeypatch) as server:
        yield server
