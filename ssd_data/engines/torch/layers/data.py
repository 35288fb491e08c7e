"""Data: labelled pictures from an LMDB of Datums (``data_param``)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from google.protobuf.message import DecodeError

from ssd_data.batches.classifier import Planes, as_planes
from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.images import decode, probe
from ssd_data.data.lmdb.store import is_lmdb, open_shared
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.engines.torch.labelled import Labelled, LabelledPictures
from ssd_data.proto import caffe_pb2


class Data(LabelledPictures):
    """Records in the order of their keys, from the first again after the last.

    ``source`` is a path from the working folder. With ``rand_skip`` the first so many records at
    most are left out once (the original's SSD branch has the field, and ignores it).
    """

    def batch_size(self) -> int:
        """``batch_size``."""
        return self.param.data_param.batch_size

    def records(self, start: int) -> Iterator[Labelled]:
        """All records, again and again, without the first ``start``.

        Raises:
            InputError: there is no LMDB, or a record is no Datum, with the LMDB and the key.
        """
        p = self.param.data_param
        if p.backend == p.LEVELDB and not is_lmdb(as_path(p.source)):
            refuse_stranger(as_path(p.source))
            raise InputError(
                "no LMDB here; LevelDBs are not read",
                where=f"{self.node.where}: {p.source}",
                hint="Build the database anew as an LMDB, and say backend: LMDB",
            )
        reader = open_shared(p.source)
        skip = (self.skipped(p.rand_skip) + start) % len(reader)
        while True:
            for key, value in islice(reader.views(), skip, None):
                where = f"{p.source}: {key.decode('utf-8', 'backslashreplace')}"
                yield self._record(bytes(value), where)
            skip = 0

    def _record(self, value: bytes, where: str) -> Labelled:
        datum = caffe_pb2.Datum()
        try:
            datum.ParseFromString(value)
        except DecodeError:
            raise InputError("the record is no Datum", where=where) from None
        if not datum.data and not datum.float_data:
            hint = "Is this a database with boxes? Those are AnnotatedData's"
            raise InputError("the record is no Datum with a picture", where=where, hint=hint)
        planes = self._decoded(datum.data, where) if datum.encoded else _raw(datum, where)
        return Labelled(planes, datum.label, where)

    def _decoded(self, data: bytes, where: str) -> Planes:
        p = self.param.transform_param
        info = probe(data, where)
        gray = p.force_gray or (info.mode == "L" and not p.force_color)
        return as_planes(decode(data, where, gray=gray, info=info))


def _raw(datum: caffe_pb2.Datum, where: str) -> Planes:
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        values: Planes = np.frombuffer(datum.data, np.uint8)
    else:
        values = np.array(datum.float_data, np.float32)
    if min(shape) <= 0 or values.size != np.prod(shape, dtype=np.int64):
        raise InputError(f"{values.size} raw values do not make {shape}", where=where)
    return values.reshape(shape)
