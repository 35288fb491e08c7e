"""Precisions lower than single: the options of targets that have them, and whose pictures say how
large values get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.images import in_colour
from ssd_data.core.options import option
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.engines import Array
from ssd_data.nets.prepare import PreparedNet

RECORDS = 128


@dataclass(frozen=True, slots=True)
class LowerOptions:
    """What is lower than single precision.

    Attributes:
        half: half precision.
        int8: whole numbers of 8 bits, by ``calibrate``, an LMDB, and its first ``records`` records.
    """

    half: bool = option(False, "half precision within; its loss is measured.")
    int8: bool = option(False, "8-bit convolutions; the loss is measured.")
    calibrate: Path | None = option(None, "whose pictures.", of="int8", metavar="LMDB")
    records: int | None = option(
        None, f"how many of its records.  [default: {RECORDS}]", of="int8", metavar="N", low=1
    )

    def __post_init__(self) -> None:
        if self.half and self.int8:
            raise UsageError("--half and --int8 exclude each other")
        if self.int8 and self.calibrate is None:
            hint = "Give --calibrate LMDB"
            raise UsageError("says how large values get", where="--int8", hint=hint)
        if not self.int8 and (self.calibrate or self.records):
            raise UsageError("--calibrate and --records belong to --int8")

    @property
    def lower(self) -> str:
        """What is lower than single precision within, for people; nothing where nothing is."""
        return "half precision" if self.half else "whole numbers" if self.int8 else ""


class Calibration:
    """Training records as a net is fed with them.

    Attributes:
        count: how many were read so far.

    Args:
        lmdb: its first ``records`` records; 128 where that is None.
    """

    def __init__(self, net: PreparedNet, lmdb: Path, records: int | None = None) -> None:
        self.net, self.lmdb, self.most = net, lmdb, records or RECORDS
        self.count = 0

    def __iter__(self) -> Iterator[Array]:
        """One picture a batch.

        Raises:
            InputError: it is no LMDB, holds no record, or one that cannot be read.
        """
        self.count = 0
        with LmdbReader(self.lmdb) as reader:
            for record in reader:
                if self.count == self.most:
                    return
                with reader.naming():
                    picture = in_colour(record.decode())
                self.count += 1
                yield self.net.preprocessing.apply(picture, self.net.size)[None]
        if not self.count:
            raise InputError("holds no record to calibrate by", where=self.lmdb)

    def sentence(self, what: str) -> str:
        """How a net was made, for people."""
        return f"{what}, calibrated on {self.count} records of {self.lmdb.name}"
