"""Layers of forks that give a map another size, or its values other places."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits
from ssd_data.nets.resizing import (
    Moves,
    interp_size,
    interp_window,
    reorg_moves,
    shuffle_moves,
    upsampling,
)


@emits("Upsample")
def upsample(step: EmitStep) -> Value:
    """Each value in the place of several."""
    if len(step.bottoms) > 1:
        raise step.error("an Upsample by a mask cannot be written as ONNX")
    shape = step.picture_map()
    how = upsampling(step.node, shape[2:])
    scales = np.array([1, 1, *how.factor], np.float32)
    y = _resize(
        step,
        step.bottom,
        (*shape[:2], *how.size),
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    if how.scale == 1:
        return y
    return step.add("Mul", [y, step.constant(how.scale, "scale")], y.shape)


@emits("Interp")
def interp(step: EmitStep) -> Value:
    """Bilinear, corner on corner, of the bottom or of its middle."""
    batch, channels, height, width = step.picture_map()
    size = interp_size(step.node, (height, width))
    rows, columns = interp_window(step.node, (height, width))
    x, inner = step.bottom, (rows.stop - rows.start, columns.stop - columns.start)
    if inner != (height, width):
        limits = ([rows.start, columns.start], [rows.stop, columns.stop], [2, 3])
        ends = [step.constant(np.array(pair, np.int64), "cut") for pair in limits]
        x = step.add("Slice", [x, *ends], (batch, channels, *inner), batched=x.batched)
    if inner == size:
        return x
    return _resize(
        step,
        x,
        (batch, channels, *size),
        None,
        mode="linear",
        coordinate_transformation_mode="align_corners",
    )


def _resize(
    step: EmitStep,
    x: Value,
    shape: tuple[int, ...],
    scales: np.ndarray | None,
    **attributes: str,
) -> Value:
    """By factors, or by sizes; those of a dynamic batch take its size from the bottom."""
    e = step.emission
    with e.single():  # neither is in half precision
        nothing = e.constant(np.zeros(0, np.float32), "nothing")
        factors = nothing if scales is None else e.constant(scales, "scales")
    inputs = [x, nothing, factors]
    if scales is None:
        inputs.append(_sizes(step, x, shape))
    return step.add("Resize", inputs, shape, batched=x.batched, **attributes)


def _sizes(step: EmitStep, x: Value, shape: tuple[int, ...]) -> Value:
    if not (step.emission.dynamic and x.batched):
        return step.constant(np.array(shape, np.int64), "sizes")
    given = step.add("Shape", [x], (4,), whole=True, batched=False)
    limits = [step.constant(np.array([n], np.int64), "cut") for n in (0, 1, 0)]
    batch = step.add("Slice", [given, *limits], (1,), whole=True, batched=False)
    rest = step.constant(np.array(shape[1:], np.int64), "sizes")
    return step.add("Concat", [batch, rest], (4,), whole=True, batched=False, axis=0)


@emits("Reorg")
def reorg(step: EmitStep) -> Value:
    """As Darknet has it."""
    return _moved(step, reorg_moves(step.node, step.picture_map()))


@emits("ShuffleChannel")
def shuffle_channel(step: EmitStep) -> Value:
    """The channels of some groups in turn."""
    return _moved(step, shuffle_moves(step.node, step.bottom.shape))


def _moved(step: EmitStep, moves: Moves) -> Value:
    e, batch = step.emission, step.bottom.shape[0]
    parted = e.reshape(step.bottom, (batch, *moves.parts), True)
    shape = [parted.shape[axis] for axis in moves.order]
    turned = step.add("Transpose", [parted], shape, perm=list(moves.order))
    return e.reshape(turned, (batch, *moves.shape), True)
