"""Layers of forks that give a map another size, or its values other places."""

from __future__ import annotations

from dataclasses import replace

from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes
from ssd_data.nets.ncnn.pointwise import MULTIPLY
from ssd_data.nets.ncnn.shaping import reordered
from ssd_data.nets.resizing import (
    interp_size,
    interp_window,
    reorg_steps,
    shuffle_moves,
    upsampling,
)

NEAREST, BILINEAR = 1, 2


@writes("Upsample")
def upsample(step: NcnnStep) -> NcnnBlob:
    """Each value in the place of several."""
    if len(step.bottoms) > 1:
        raise step.error("an Upsample by a mask cannot be written for ncnn")
    shape, e = step.picture_map(), step.emission
    how = upsampling(step.node, shape[2:])
    if how.size != (shape[2] * how.factor[0], shape[3] * how.factor[1]):
        raise ValueError("ncnn repeats each value as often as the others")
    params = {0: NEAREST, 1: float(how.factor[0]), 2: float(how.factor[1])}
    y = e.add("Interp", [step.bottom], (*shape[:2], *how.size), params)
    if how.scale == 1:
        return y
    return e.add("BinaryOp", [y], y.shape, {0: MULTIPLY, 1: 1, 2: float(how.scale)})


@writes("Interp")
def interp(step: NcnnStep) -> NcnnBlob:
    """Bilinear, corner on corner, of the bottom or of its middle."""
    batch, channels, height, width = step.picture_map()
    size = interp_size(step.node, (height, width))
    rows, columns = interp_window(step.node, (height, width))
    x, inner, e = step.bottom, (rows.stop - rows.start, columns.stop - columns.start), step.emission
    if inner != (height, width):
        cuts = {9: [rows.start, columns.start], 10: [rows.stop, columns.stop], 11: [1, 2]}
        x = e.add("Crop", [x], (batch, channels, *inner), dict(cuts))
    if inner == size:
        return x
    params = {0: BILINEAR, 3: int(size[0]), 4: int(size[1]), 6: 1}
    return e.add("Interp", [x], (batch, channels, *size), params)


@writes("Reorg")
def reorg(step: NcnnStep) -> NcnnBlob:
    """As Darknet has it."""
    for moves in reorg_steps(step.node, step.picture_map()):
        made = reordered(step, (1, *moves.parts), moves.order, (1, *moves.shape))
        step = replace(step, bottoms=[made])
    return step.bottom


@writes("ShuffleChannel")
def shuffle_channel(step: NcnnStep) -> NcnnBlob:
    """The channels of some groups in turn."""
    moves = shuffle_moves(step.node, step.bottom.shape)
    return reordered(step, (1, *moves.parts), moves.order, (1, *moves.shape))
