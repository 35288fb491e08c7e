"""Sizes and aspect ratios of priors that would reach more boxes, as many priors a place as now.

A search coordinate by coordinate: each size, then each ratio, in turn takes the value with which
most boxes are reached, until none changes. It starts from the net's own priors and from quantiles
of the boxes' sizes, so that what it finds is never worse than what is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes
from ssd_data.families.fit.layout import Layout
from ssd_data.nets.priors import MapPriors, grid, prior_shapes
from ssd_data.proto import caffe_pb2

Floats = npt.NDArray[np.float32]
Lengths = npt.NDArray[np.float64]
Param = caffe_pb2.PriorBoxParameter
NAMES = ("min_sizes", "max_sizes", "aspect_ratios")

SAMPLE = 8000  # boxes that the search looks at
ROUNDS = 6
SMALLEST, LARGEST = 4.0, 1.25  # of a prior: pixels, and times the input's longer side
STEP = 2 ** (1 / 6)
NEARBY = (0.9, 0.95, 0.98, 1.02, 1.05, 1.1)
RATIOS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
LEAST_GAIN = 1e-9
QUALITY = 0.05  # what a mean overlap of 1 counts beside a coverage of 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """The priors of all maps, each tuple map by map.

    Attributes:
        min_sizes, max_sizes, aspect_ratios: as ``prior_box_param`` has them.
    """

    min_sizes: tuple[tuple[float, ...], ...]
    max_sizes: tuple[tuple[float, ...], ...]
    aspect_ratios: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, layout: Layout) -> Sizes:
        """What a net has."""
        params = [one.param for one in layout.maps]
        return cls(
            tuple(tuple(map(float, p.min_size)) for p in params),
            tuple(tuple(map(float, p.max_size)) for p in params),
            tuple(tuple(_short(r) for r in p.aspect_ratio) for p in params),
        )

    def param(self, index: int, like: Param) -> Param:
        """One map's message."""
        param = Param()
        param.CopyFrom(like)
        param.min_size[:] = self.min_sizes[index]
        param.max_size[:] = self.max_sizes[index]
        param.aspect_ratio[:] = self.aspect_ratios[index]
        return param

    def apply(self, layout: Layout) -> Layout:
        """The net with these priors."""
        maps = (replace(m, param=self.param(i, m.param)) for i, m in enumerate(layout.maps))
        return replace(layout, maps=tuple(maps))

    def options(self, than: Sizes) -> dict[str, str]:
        """What differs from others, as options of ``ssd-data model``."""
        found = {}
        for name in ("min_sizes", "max_sizes"):
            if getattr(self, name) != getattr(than, name):
                values = [value for sizes in getattr(self, name) for value in sizes]
                found[f"--{name.replace('_', '-')}"] = ",".join(f"{v:g}" for v in values)
        if self.aspect_ratios != than.aspect_ratios:
            groups = [",".join(f"{v:g}" for v in ratios) for ratios in self.aspect_ratios]
            found["--aspect-ratios"] = "/".join(groups)
        return found

    def changed(self, name: str, index: int, place: int, value: float) -> Sizes:
        """The same with another value of one number."""
        maps = [list(values) for values in getattr(self, name)]
        maps[index][place] = value
        return replace(self, **{name: tuple(map(tuple, maps))})

    def sound(self) -> bool:
        """Whether Caffe takes them, none is there twice, and deeper maps have larger ones."""
        sides = [side for sizes in self.min_sizes for side in sizes]
        pairs = zip(self.min_sizes, self.max_sizes, strict=True)
        return (
            all(low < high for low, high in pairwise(sides))
            and all(low < high for one in pairs for low, high in zip(*one, strict=False))
            and all(len(set(ratios)) == len(ratios) for ratios in self.aspect_ratios)
        )


def _short(value: float) -> float:
    return float(f"{value:.6g}")


class Coverage:
    """Which boxes some priors reach, found fast: of equal priors on a grid a box overlaps the one
    whose centre is nearest most.

    Args:
        boxes: float32 (N, 4), fractions.
    """

    def __init__(self, layout: Layout, boxes: Boxes) -> None:
        self.layout, self.boxes = layout, boxes
        self._known: dict[tuple[int, float, float], Floats] = {}

    def value(self, overlaps: Floats) -> float:
        """What is to grow: the share of boxes that are reached, and a little for how well."""
        reached = overlaps >= np.float32(self.layout.rules.overlap)
        return float(reached.mean() + QUALITY * overlaps.mean())

    def of_map(self, index: int, sizes: Sizes) -> Floats:
        """Each box's greatest overlap with a prior of one map, float32 (N,)."""
        one = self.layout.maps[index]
        shapes = prior_shapes(sizes.param(index, one.param), one.where).sizes
        found = self._nearest(index, *shapes[0])
        for shape in shapes[1:]:
            found = np.maximum(found, self._nearest(index, *shape))
        return found

    def all_maps(self, sizes: Sizes) -> Floats:
        """Each box's greatest overlap with any prior, float32 (maps, N)."""
        return np.stack([self.of_map(i, sizes) for i in range(len(self.layout.maps))])

    def _nearest(self, index: int, width: float, height: float) -> Floats:
        key = index, width, height
        if key not in self._known:
            one = self.layout.maps[index]
            sides = [self._sides(one, axis, side) for axis, side in ((0, width), (1, height))]
            (common, whole), (other, tall) = sides
            own = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)
            shared = common * other
            self._known[key] = (shared / (own + whole * tall - shared)).astype(np.float32)
        return self._known[key]

    def _sides(self, one: MapPriors, axis: int, side: float) -> tuple[Lengths, Lengths]:
        """Along an axis: what each box and the nearest prior have in common; the prior's side."""
        step, extent = grid(one.param, one.size, self.layout.size)[1 - axis]
        low, high = self.boxes[:, axis], self.boxes[:, axis + 2]
        offset, places = one.param.offset, one.size[1 - axis]
        middle = (low + high) / 2 * np.float32(extent / step) - np.float32(offset)
        centre = (np.rint(middle).clip(0, places - 1) + np.float32(offset)) * np.float32(step)
        start, end = (centre - side / 2) / extent, (centre + side / 2) / extent
        if one.param.clip:
            start, end = start.clip(0, 1), end.clip(0, 1)
        common = (np.minimum(high, end) - np.maximum(low, start)).clip(0)
        return common, end - start


def propose(layout: Layout, boxes: Boxes) -> list[Sizes]:
    """Better priors: first with other sizes alone, then with other ratios too.

    Args:
        boxes: float32 (N, 4), fractions of the input; :data:`SAMPLE` of them are looked at.

    Returns:
        up to two, each better than what comes before it by the search's own measure.
    """
    if len(boxes) > SAMPLE:
        boxes = np.random.default_rng(0).choice(boxes, SAMPLE, replace=False)
    search = Coverage(layout, boxes)
    now = Sizes.of(layout)
    ends = [_climb(search, start, ratios=False) for start in (now, _by_quantiles(now, search))]
    found = [max(ends, key=lambda end: end[0])]
    if any(now.aspect_ratios):
        found.append(_climb(search, found[0][1], ratios=True))
    best, better = search.value(search.all_maps(now).max(0)), []
    for value, sizes in found:
        if value > best + LEAST_GAIN:
            better.append(sizes)
            best = value
    return better


def _climb(search: Coverage, sizes: Sizes, *, ratios: bool) -> tuple[float, Sizes]:
    """Change one number after the other for the better, until none changes: its value, and it."""
    table = search.all_maps(sizes)
    value = search.value(table.max(0))
    for _ in range(ROUNDS):
        before = value
        for index, name, place in _numbers(sizes, ratios):
            others = np.delete(table, index, 0).max(0, initial=0)
            for tried in _candidates(search.layout, sizes, index, name, place):
                own = search.of_map(index, tried)
                gained = search.value(np.maximum(own, others))
                if gained > value + LEAST_GAIN:
                    value, sizes, table[index] = gained, tried, own
        if value == before:
            break
    return value, sizes


def _numbers(sizes: Sizes, ratios: bool) -> Iterator[tuple[int, str, int]]:
    """Every number of the priors: its map, its field and its place there."""
    for index in range(len(sizes.min_sizes)):
        for name in NAMES if ratios else NAMES[:2]:
            yield from ((index, name, i) for i in range(len(getattr(sizes, name)[index])))


def _candidates(layout: Layout, sizes: Sizes, index: int, name: str, place: int) -> Iterator[Sizes]:
    """The same priors with other values of one number, of those that Caffe takes."""
    now = getattr(sizes, name)[index][place]
    if name == "aspect_ratios":
        flip = layout.maps[index].param.flip
        values = {*RATIOS, *(() if flip else (_short(1 / ratio) for ratio in RATIOS))}
    else:
        count = math.floor(math.log(LARGEST * max(layout.size) / SMALLEST, STEP))
        ladder = [SMALLEST * STEP**i for i in range(count + 1)]
        # The original holds sizes in an int.
        values = {float(round(v)) for v in (*ladder, *(now * near for near in NEARBY))}
    for value in sorted(values - {now}):
        tried = sizes.changed(name, index, place, value)
        if tried.sound():
            yield tried


def _by_quantiles(now: Sizes, search: Coverage) -> Sizes:
    """Sizes that part the boxes into equal shares, where those rise; else the net's own."""
    sides = search.boxes[:, 2:] - search.boxes[:, :2]
    sides = np.sqrt(sides.prod(1) * math.prod(search.layout.size))
    counts = [len(sizes) for sizes in now.min_sizes]
    shares = (np.arange(sum(counts)) + 0.5) / sum(counts)
    rising: list[float] = []
    for size in np.quantile(sides, shares).round().tolist():
        rising.append(max(size, SMALLEST, rising[-1] + 1 if rising else 0))
    ends = [*rising[1:], rising[-1] * 2]
    starts = np.cumsum([0, *counts]).tolist()
    cuts = [slice(a, b) for a, b in pairwise(starts)]
    found = replace(
        now,
        min_sizes=tuple(tuple(rising[cut]) for cut in cuts),
        max_sizes=tuple(
            tuple(ends[cut]) if old else () for cut, old in zip(cuts, now.max_sizes, strict=True)
        ),
    )
    return found if found.sound() else now
