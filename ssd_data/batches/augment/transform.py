"""The whole way of one record through a data layer, in the original's order.

distort, expand, a batch sampler's crop, resize, noise, crop of a fixed size, mirror, mean, scale.
After each of the first three the original encodes the picture as JPEG and decodes it again, in both
phases: after distort whatever was drawn, after expand where it was drawn to happen, after the crop
where a sampler found a region. An empty ``batch_sampler { }`` finds the whole picture, so it costs
a round trip. A picture that is stored raw makes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ssd_data.batches.augment import canvas, crop, distort, expand, mirror, noise, resize, sampler
from ssd_data.batches.augment.canvas import Canvas, Rect
from ssd_data.batches.augment.distort import Distortion
from ssd_data.batches.augment.expand import Expansion
from ssd_data.batches.augment.rows import BOX, WHOLE, Region, Rows, large_enough, project, rows_of
from ssd_data.batches.augment.sampler import Samplers
from ssd_data.batches.augment.values import Array, tables_of, write_values
from ssd_data.core.errors import InputError
from ssd_data.core.images import decode, probe
from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.records import Record
from ssd_data.nets.sizes import fixed_size
from ssd_data.proto import caffe_pb2

Generator = np.random.Generator
_STEPS: dict[str, ModuleType] = {
    "resize_param": resize,
    "expand_param": expand,
    "distort_param": distort,
    "noise_param": noise,
}


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What was drawn for a picture up to its crop; None where nothing happens.

    Attributes:
        distortion, expansion: see there.
        region: to crop of the expanded picture, float32 (4,).
    """

    distortion: Distortion | None
    expansion: Expansion | None
    region: Region | None


class DataTransformer:
    """Makes a net's input of records, as a data layer's ``transform_param`` says.

    Args:
        param: the ``transform_param``.
        samplers: the layer's batch samplers.
        training: whether crops of a fixed size lie anywhere (TRAIN) or in the middle (TEST).
        jpeg_roundtrip: False leaves out the round trips.
        min_box: boxes of fewer pixels in width or height of the finished picture are left out.
        where: names the layer in errors.

    Raises:
        InputError: what is asked for cannot work; the original aborts, now or later.
    """

    def __init__(
        self,
        param: caffe_pb2.TransformationParameter,
        samplers: Sequence[caffe_pb2.BatchSampler] = (),
        *,
        training: bool = True,
        jpeg_roundtrip: bool = True,
        min_box: int = 0,
        where: str = "",
    ) -> None:
        for fault in faults(param, samplers, where):
            raise fault
        self.param, self.samplers = param, Samplers(samplers)
        self.training, self.jpeg_roundtrip, self.min_box = training, jpeg_roundtrip, min_box
        self.tables = tables_of(param, where)
        self._emit = param.emit_constraint if param.HasField("emit_constraint") else None
        side = (param.crop_size, param.crop_size)
        self.crop_size = side if param.crop_size else (param.crop_w, param.crop_h)

    def shape(self) -> tuple[int, int] | None:
        """Height and width of all pictures; None where they depend on the picture."""
        return fixed_size(self.param)

    def __call__(
        self,
        record: Record,
        generator: Generator,
        out: Array | None = None,
        pixels: Pixels | None = None,
    ) -> tuple[Array, Rows]:
        """A record's values and boxes.

        Args:
            record: its boxes are fractions of the stored picture.
            generator: all that is random comes from it.
            out: float32 (channels, height, width) to write to; a new array where it is None.
            pixels: what :meth:`decode` gave of it; they are not changed.

        Returns:
            The values, float32 (channels, height, width), BGR, and the rows, float32 (N, 8).

        Raises:
            InputError: the picture cannot be decoded, or does not fit.
        """
        pixels = self.decode(record) if pixels is None else pixels
        draft, rows = self.draw(rows_of(record), pixels.shape[1], pixels.shape[0], generator)
        again = self.repeats(record)
        pixels = self.crop(pixels, draft, again)
        pixels, rows = self.fit(pixels, rows, generator, exact=again)
        return self.finish(pixels, rows, out)

    def finish(self, pixels: Pixels, rows: Rows, out: Array | None = None) -> tuple[Array, Rows]:
        """A finished picture's values, and the boxes that are large enough.

        Raises:
            InputError: ``out`` has other channels.
        """
        if self.min_box:
            rows = large_enough(rows, pixels.shape[1], pixels.shape[0], self.min_box)
        shape = (1 if pixels.ndim == 2 else pixels.shape[2], *pixels.shape[:2])
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.shape != shape:
            raise InputError(f"it has {shape[0]} channels, the first record {out.shape[0]}")
        write_values(pixels, self.tables, out)
        return out, rows

    def repeats(self, record: Record) -> bool:
        """Whether a record's picture makes JPEG round trips."""
        return self.jpeg_roundtrip and record.encoded

    def channels(self, record: Record) -> int:
        """How many channels a record's picture will have."""
        if record.encoded and (self.param.force_color or self.param.force_gray):
            return 3 if self.param.force_color else 1
        return record.channels if not record.encoded or record.channels == 1 else 3

    def decode(self, record: Record) -> Pixels:
        """The picture, uint8 (height, width, 3) BGR or (height, width) gray."""
        if not record.encoded:
            pixels = record.decode()
            return pixels[:, :, 0] if record.channels == 1 else pixels
        info = probe(record.data, record.key)
        return decode(record.data, record.key, gray=self.channels(record) == 1, info=info)

    def draw(self, rows: Rows, width: int, height: int, generator: Generator) -> tuple[Draft, Rows]:
        """Decide all up to the crop, and what becomes of the boxes."""
        param, expansion = self.param, None
        distortion = self.draw_distortion(generator)
        if param.HasField("expand_param"):
            expansion = expand.draw(param.expand_param, width, height, generator)
        if expansion is not None:
            rows = project(rows, expansion.region(width, height), self._emit)
        region = self.samplers.draw(rows[:, BOX], generator)
        if region is not None:
            rows = project(rows, region, self._emit)
        return Draft(distortion, expansion, region), rows

    def draw_distortion(self, generator: Generator) -> Distortion | None:
        """Decide how the colours change; None where they do not."""
        param = self.param
        return (
            distort.draw(param.distort_param, generator)
            if param.HasField("distort_param")
            else None
        )

    def crop(self, pixels: Pixels, draft: Draft, again: bool) -> Pixels:
        """Distort, expand and crop as drawn; ``again``: a JPEG round trip after each."""
        picture, expansion = Canvas.of(pixels), draft.expansion
        width, height = picture.width, picture.height
        if expansion is not None:
            width, height = expansion.width, expansion.height
        needed: Rect = (0, 0, width, height)
        if draft.region is not None:
            needed = crop.rect(draft.region, width, height)
        if draft.distortion is not None:
            picture = _distort(picture, draft, needed, again)
        if expansion is not None:
            channels = 1 if pixels.ndim == 2 else pixels.shape[2]
            ground = expand.ground(tuple(self.param.mean_value), channels)
            picture = expand.apply(picture, expansion, ground)
            picture = picture.reencode(needed) if again else picture
        if draft.region is not None:
            picture = picture.crop(needed)
            picture = picture.reencode(picture.whole) if again else picture
        return picture.pixels(picture.whole)

    def fit(
        self, pixels: Pixels, rows: Rows, generator: Generator, *, exact: bool = True
    ) -> tuple[Pixels, Rows]:
        """Resize, add noise, crop to a fixed size, mirror; ``exact`` as in ``resize.apply``."""
        param, resizing = self.param, self.param.HasField("resize_param")
        mirrored = param.mirror and bool(generator.integers(2))
        size = (pixels.shape[1], pixels.shape[0])
        if resizing:
            how = resize.draw(param.resize_param, generator)
            pixels = resize.apply(pixels, param.resize_param, how, exact=exact)
            rows = resize.move(rows, param.resize_param, *size)
        if param.HasField("noise_param"):
            pixels = noise.apply(pixels, param.noise_param, generator)
        region = WHOLE
        if all(self.crop_size):
            pixels, region = self._crop_to_size(pixels, generator)
        rows = project(rows, region, self._emit)
        if mirrored:
            pixels, rows = mirror.apply(pixels), mirror.move(rows)
        if resizing:
            rows = resize.extrapolate(rows, param.resize_param, size, region)
        return pixels, rows

    def _crop_to_size(self, pixels: Pixels, generator: Generator) -> tuple[Pixels, Region]:
        height, width = pixels.shape[:2]
        if width < self.crop_size[0] or height < self.crop_size[1]:
            wanted = "{}x{}".format(*self.crop_size)
            raise InputError(f"no crop of {wanted} fits in {width}x{height} pixels")
        rect = crop.draw(width, height, self.crop_size, generator if self.training else None)
        region = np.divide(rect, (width, height) * 2, dtype=np.float32)
        return pixels[rect[1] : rect[3], rect[0] : rect[2]], region


def _distort(picture: Canvas, draft: Draft, needed: Rect, again: bool) -> Canvas:
    """The distorted picture, as far as it will be seen in ``needed`` of what it becomes."""
    assert draft.distortion is not None
    seen = needed
    if draft.expansion is not None:
        x, y = draft.expansion.x, draft.expansion.y
        outer = (0, 0, draft.expansion.width, draft.expansion.height)
        left, top, right, bottom = canvas.grow(needed, outer)
        seen = canvas.intersect(picture.whole, (left - x, top - y, right - x, bottom - y))
    if canvas.is_empty(seen):
        return picture
    rect = canvas.grow(seen, picture.whole, stride=canvas.STRIDE)
    part = distort.apply(picture.pixels(rect), draft.distortion)
    distorted = Canvas(picture.width, picture.height, part, rect[0], rect[1])
    return distorted.reencode(seen) if again else distorted


def faults(
    param: caffe_pb2.TransformationParameter,
    samplers: Iterable[caffe_pb2.BatchSampler],
    where: str,
) -> Iterator[InputError]:
    """All that cannot work, each part apart; see :class:`DataTransformer`."""
    if param.force_color and param.force_gray:
        yield InputError("transform_param has both force_color and force_gray", where=where)
    steps = [(step, getattr(param, name)) for name, step in _STEPS.items() if param.HasField(name)]
    for step, part in [*steps, *((sampler, one) for one in samplers)]:
        try:
            step.check(part, where)
        except InputError as error:
            yield error
