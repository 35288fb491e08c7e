"""A stand-in for the original's data layer: its operations as plain OpenCV calls in one thread.

The original decodes a picture for each step and once more to learn its size, works on all of it and
encodes it as JPEG for the next step. The stand-in is kinder than the original: its OpenCV and
libjpeg-turbo are today's, colours change by tables, and what is random is drawn beforehand, boxes
included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ssd_data.batches import generator_at
from ssd_data.batches.augment import DataTransformer, distort, resize
from ssd_data.batches.augment.rows import rows_of
from ssd_data.batches.augment.transform import Draft
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class Work:
    """One picture: its stored bytes and all that was drawn for it."""

    data: bytes
    draft: Draft
    interpolation: int
    mirrored: bool


def draw(layer: caffe_pb2.LayerParameter, seed: int = 0) -> list[Work]:
    """What an epoch's pictures go through."""
    param = layer.transform_param
    transformer = DataTransformer(param, layer.annotated_data_param.batch_sampler)
    works = []
    with LmdbReader(layer.data_param.source) as reader:
        for position, record in enumerate(reader):
            generator = generator_at(seed, position)
            rows = rows_of(record)
            draft, _ = transformer.draw(rows, record.width, record.height, generator)
            mirrored = bool(generator.integers(2))
            how = resize.draw(param.resize_param, generator)
            works.append(Work(record.data, draft, how, mirrored))
    return works


def run(works: list[Work], layer: caffe_pb2.LayerParameter) -> None:
    """All pictures through the layer, in batches; what comes out is let go."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    for _ in batches(works, layer):
        pass
    cv2.setNumThreads(threads)


def batches(works: list[Work], layer: caffe_pb2.LayerParameter) -> Iterator[np.ndarray]:
    """The batches' data, float32 (N, 3, height, width)."""
    param, size = layer.transform_param, layer.data_param.batch_size
    shape = (size, 3, param.resize_param.height, param.resize_param.width)
    for at in range(0, len(works), size):
        data = np.empty(shape, np.float32)
        _decode(works[at].data)  # the original learns the batch's shape so
        for slot, work in zip(data, works[at : at + size], strict=False):
            slot[:] = _picture(work, param)
        yield data


def _picture(work: Work, param: caffe_pb2.TransformationParameter) -> np.ndarray:
    data, draft = work.data, work.draft
    if draft.distortion is not None:
        data = _encode(distort.apply(_decode(data), draft.distortion))
    if draft.expansion is not None:
        data = _encode(_expanded(_decode(data), draft, param))
    if draft.region is not None:
        data = _encode(_cropped(_decode(data), draft.region))
    _decode(data)  # to learn its size
    picture = cv2.resize(
        _decode(data),
        (param.resize_param.width, param.resize_param.height),
        interpolation=work.interpolation,
    )
    values = (picture.astype(np.float32) - np.array(param.mean_value, np.float32)) * param.scale
    if work.mirrored:
        values = values[:, ::-1]
    return values.transpose(2, 0, 1)


def _decode(data: bytes | np.ndarray) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def _encode(picture: np.ndarray) -> np.ndarray:
    return cv2.imencode(".jpg", picture)[1]


def _expanded(
    picture: np.ndarray, draft: Draft, param: caffe_pb2.TransformationParameter
) -> np.ndarray:
    expansion, (high, wide) = draft.expansion, picture.shape[:2]
    x, y = expansion.x, expansion.y
    right, below = expansion.width - wide - x, expansion.height - high - y
    mean = [float(round(value)) for value in param.mean_value]
    return cv2.copyMakeBorder(picture, y, below, x, right, cv2.BORDER_CONSTANT, value=mean)


def _cropped(picture: np.ndarray, region: np.ndarray) -> np.ndarray:
    high, wide = picture.shape[:2]
    left, top, right, bottom = region * np.array([wide, high, wide, high], np.float32)
    x, y = int(left), int(top)
    return picture[y : y + int(bottom - top), x : x + int(right - left)].copy()
