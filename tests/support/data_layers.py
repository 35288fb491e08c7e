"""LMDBs, and the data layers that read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from google.protobuf import text_format

from ssd_data import LmdbWriter
from ssd_data.data.lmdb.records import encode_record, key_of
from ssd_data.families import generate
from ssd_data.proto import caffe_pb2
from support.trees import jpeg

COUNT = 7
WARP = "transform_param { resize_param { width: 30 height: 20 } scale: .007843 mean_value: 127.5 }"


def write(path: Path, values) -> Path:
    with LmdbWriter(path) as writer:
        for number, value in enumerate(values):
            writer.put(key_of(number, f"{number}.jpg"), value)
    return path


def value(number, data=None, shape=(3, 48, 64), boxes=2, encoded=True):
    """Boxes of several labels, out of order; record 3 has none."""
    count = 0 if number == 3 else boxes
    labels = np.array([2, 1, 2, 3][:count], np.int32)
    corners = np.array([[0.1, 0.2, 0.5, 0.6], [0.3, 0.1, 0.9, 1.2]][:count], np.float32)
    hard = np.arange(count) == 1
    data = jpeg(shape[2], shape[1], seed=number) if data is None else data
    return encode_record(data, shape, labels, corners.reshape(-1, 4), hard, encoded)


def write_records(path: Path) -> Path:
    """An LMDB of ``COUNT`` records."""
    return write(path, [value(n) for n in range(COUNT)])


def layer(source, text="", batch_size=4):
    found = caffe_pb2.LayerParameter(name="data")
    text_format.Parse(text, found)
    found.data_param.source, found.data_param.batch_size = str(source), batch_size
    found.data_param.backend = caffe_pb2.DataParameter.LMDB
    return found


def training(source, batch_size=4):
    found = generate("mobilenet_ssd", 21).nets["train"].layer[0]
    found.data_param.source, found.data_param.batch_size = str(source), batch_size
    found.transform_param.resize_param.width = found.transform_param.resize_param.height = 40
    return found
