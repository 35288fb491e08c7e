"""Pictures by which a runtime's whole numbers are scaled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.engines import Array
from ssd_data.nets.prepare import PreparedNet

RECORDS = 128


def calibration_batches(net: PreparedNet, lmdb: Path, records: int) -> Iterator[Array]:
    """The net's input for the first records of an LMDB, one a batch.

    Raises:
        InputError: it is no LMDB, or holds a record that cannot be read.
    """
    with LmdbReader(lmdb) as reader:
        for index, record in enumerate(reader):
            if index == records:
                return
            with reader.naming():
                picture = record.decode(net.preprocessing.gray)
            yield net.preprocessing.apply(picture, net.size)[None]


class CalibrationPictures:
    """The same, for a quantiser that goes through them more than once.

    Attributes:
        count: how many it had the last time.
    """

    def __init__(self, net: PreparedNet, lmdb: Path, records: int) -> None:
        self.net, self.lmdb, self.records = net, lmdb, records
        self.count = 0

    def __iter__(self) -> Iterator[Array]:
        self.count = 0
        for batch in calibration_batches(self.net, self.lmdb, self.records):
            self.count += 1
            yield batch
        if not self.count:
            raise InputError("holds no record to calibrate by", where=self.lmdb)

    def sentence(self, what: str) -> str:
        """How a net was made, for people."""
        return (
            f"{what}, weights per output channel, calibrated on {self.count} records of "
            f"{self.lmdb.name}"
        )
