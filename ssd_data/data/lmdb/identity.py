"""Which LMDB it is: one of the same records in the same order, wherever it lies."""

from __future__ import annotations

import struct
from hashlib import blake2b

from ssd_data.data.lmdb.store import LmdbReader

TAIL = 4096  # bytes of a value: its boxes stand behind its picture


def digest(reader: LmdbReader) -> str:
    """Tells an LMDB from one with other pictures, another order, other labels or boxes.

    Of each record the key, the value's length and its last 4 KiB go into it: so all boxes do but
    those of a record with about a hundred or more, of which the first do not; and of a picture its
    length, or its end.

    Returns:
        16 hexadecimal digits.

    Raises:
        InputError: the LMDB is damaged.

    >>> with LmdbReader("trainval_lmdb") as one, LmdbReader("test_lmdb") as other:
    ...     digest(one) == digest(one), digest(one) == digest(other)
    (True, False)
    """
    found = blake2b(digest_size=8)
    for key, value in reader.views():
        found.update(struct.pack("<QQ", len(key), len(value)) + key)
        found.update(value[-TAIL:])
    return found.hexdigest()
