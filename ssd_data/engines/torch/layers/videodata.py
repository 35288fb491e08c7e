"""VideoData: the frames of a video, in order (``video_data_param``)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ssd_data.batches import generator_at
from ssd_data.batches.augment.transform import DataTransformer
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.there import is_file
from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.records import Record
from ssd_data.engines.torch.layer import Layer
from ssd_data.proto import caffe_pb2

_EMPTY = np.zeros(0, np.int32)


class VideoData(Layer):
    """Tops: frames as ``transform_param`` makes them, float32 (batch, channels, height, width),
    and labels, all 0. Before each frame ``skip_frames`` are left out; ``batch_size`` is
    ``data_param``'s.

    Where the original stops the process at the video's end, this is an error that says so. A
    camera is not read.
    """

    bottoms = (0, 0)

    def setup(self, *bottoms: Tensor) -> None:
        """Open the video, and look at its first frame."""
        p = self.param.video_data_param
        if p.video_type != caffe_pb2.VideoDataParameter.VIDEO:
            raise self.error("reads a camera", "Give it video_type: VIDEO and a video_file")
        self.batch = self.param.data_param.batch_size
        if not self.batch:
            raise self.error("batch_size is missing, or 0", "It stands in data_param")
        if not is_file(p.video_file):
            raise self.error(f'there is no video "{p.video_file}"', "See video_file")
        self.seed = int(torch.randint(1 << 62, (), device="cpu").item())
        where = self.node.where
        self.transform = DataTransformer(
            self.param.transform_param, training=self.training, where=where
        )
        self._open()
        self.shape = self._transformed(self._next()).shape
        self._open()

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The shapes that the first frame gives."""
        frames = torch.empty(self.batch, *self.shape, device="meta")
        return frames, torch.empty(self.batch, device="meta")

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The next batch.

        Raises:
            InputError: the video is at its end.
        """
        frames = []
        for _ in range(self.batch):
            for _ in range(self.param.video_data_param.skip_frames):
                self._next()
            frames.append(self._transformed(self._next()))
        return torch.from_numpy(np.stack(frames)), torch.zeros(self.batch)

    def _open(self) -> None:
        self.video = cv2.VideoCapture(spelled(Path(self.param.video_data_param.video_file)))
        self.number = 0

    def _next(self) -> Pixels:
        read, picture = self.video.read()
        if not read:
            file = self.param.video_data_param.video_file
            if not self.number:
                raise InputError("this video cannot be read", where=f"{self.node.where}: {file}")
            raise InputError(
                f"the video is at its end, after {self.number} frames",
                where=f"{self.node.where}: {file}",
                hint="Run fewer batches",
            )
        self.number += 1
        return np.asarray(picture, np.uint8)

    def _transformed(self, picture: Pixels) -> np.ndarray:
        height, width, channels = picture.shape
        empty = np.zeros((0, 4), np.float32)
        record = Record(
            "", channels, height, width, False, b"", _EMPTY, empty, _EMPTY.astype(bool), _EMPTY
        )
        generator = generator_at(self.seed, self.number)
        return self.transform(record, generator, pixels=picture)[0]
