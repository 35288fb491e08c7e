"""Multi-scale input: all pictures of a batch have one size, which is drawn from a list.

J. Redmon and A. Farhadi, YOLO9000, arXiv:1612.08242, section 2: every ten batches another size, a
multiple of what the net divides by. Here the stream of records is cut into stretches, and each has
the size that follows from the seed and its number: so neither the number of processes nor where a
run goes on matters, as long as a stretch is made of whole batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ssd_data.batches.augment import resize
from ssd_data.batches.streams import generator_at
from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """BatchSizes of the input.

    >>> sizes = BatchSizes(((256, 256), (320, 320)), every=8)
    >>> [sizes.at(1, position) for position in (0, 7, 8, 16)]
    [(256, 256), (256, 256), (256, 256), (320, 320)]

    Attributes:
        known: width and height of each, in pixels.
        every: so many records have one size.
    """

    known: tuple[tuple[int, int], ...]
    every: int

    def at(self, seed: int, position: int) -> tuple[int, int]:
        """Width and height of the batch that begins at a position."""
        generator = generator_at(seed, position // self.every, "sizes")
        return self.known[int(generator.integers(len(self.known)))]

    def faults(
        self, layer: caffe_pb2.LayerParameter, batch: int, where: str
    ) -> Iterator[InputError]:
        """What speaks against them in a data layer.

        Args:
            batch: pictures of a batch, of all processes together.
        """
        param = layer.transform_param
        how = param.resize_param
        if not param.HasField("resize_param") or how.resize_mode == resize.FIT_SMALL:
            what = "inputs of several sizes need a resize_param of WARP or FIT_LARGE_SIZE_AND_PAD"
            yield InputError(what, where=where)
        if param.crop_size or param.crop_h or param.crop_w:
            what = "inputs of several sizes cannot be cropped to one"
            yield InputError(what, where=where, hint="Leave crop_size, crop_h and crop_w out")
        if self.every % max(batch, 1):
            what = f"sizes change every {self.every} records, which are no whole batches of {batch}"
            yield InputError(what, where=where)


def resized(
    param: caffe_pb2.TransformationParameter, size: tuple[int, int]
) -> caffe_pb2.TransformationParameter:
    """A ``transform_param`` that gives another size."""
    found = caffe_pb2.TransformationParameter()
    found.CopyFrom(param)
    found.resize_param.width, found.resize_param.height = size
    return found
