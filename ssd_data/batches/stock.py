"""The records that a data layer reads: those of one LMDB in turn, or those of several by a mix."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from ssd_data.batches.mix import Mix, Share
from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.records import Record, decode_record
from ssd_data.data.lmdb.store import LmdbReader, open_shared


class Stock:
    """Records by number: all of the first source in their order, then those of the next.

    Args:
        shares: the sources and their weights; at least one.
        seed: of their order, where there are several.

    Raises:
        InputError: an LMDB cannot be read.
    """

    def __init__(self, shares: Sequence[Share], seed: int) -> None:
        self.sources = [share.source for share in shares]
        self._readers: list[LmdbReader] = [open_shared(source) for source in self.sources]
        counts = [len(reader) for reader in self._readers]
        *self._starts, self._count = accumulate(counts, initial=0)
        self._mix: Mix | None = None
        if len(shares) > 1:
            self._mix = Mix([share.weight for share in shares], counts, seed)

    def __len__(self) -> int:
        return self._count

    def at(self, position: int) -> int:
        """Which record stands at a position of the stream, of which there is no end."""
        if self._mix is None:
            return position % self._count
        source, number = self._mix.at(position)
        return self._starts[source] + number

    def record(self, number: int) -> Record:
        """A record, decoded.

        Raises:
            InputError: it is no AnnotatedDatum; the LMDB and its key are named.
        """
        source, key = self._find(number)
        try:
            return decode_record(key, self._readers[source].value(key))
        except InputError as error:
            raise InputError(error.what, where=self.where(number), hint=error.hint) from None

    def where(self, number: int) -> str:
        """The LMDB and the key of a record."""
        source, key = self._find(number)
        return f"{self.sources[source]}: {key.decode('utf-8', 'backslashreplace')}"

    def name(self, number: int) -> str:
        """What tells a record from all others: its key, of several sources with the LMDB's path."""
        source, key = self._find(number)
        found = key.decode("utf-8", "backslashreplace")
        return found if self._mix is None else f"{self.sources[source]}: {found}"

    def close(self) -> None:
        """Let go of the LMDBs."""
        self._readers.clear()

    def _find(self, number: int) -> tuple[int, bytes]:
        source = bisect_right(self._starts, number) - 1
        return source, self._readers[source].key_at(number - self._starts[source])
