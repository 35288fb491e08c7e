"""What moves values and changes shapes."""

from __future__ import annotations

import math

from ssd_data.nets.tflite.translate import Laid, TfStep, translates


@translates("Identity", "Dropout")
def same(step: TfStep) -> Laid:
    """What it reads."""
    return step.x


@translates("Transpose")
def turned(step: TfStep) -> Laid:
    """The same tensor, whose axes have other names now."""
    x, turn = step.x, list(step.attribute("perm"))
    shape = tuple(x.shape[axis] for axis in turn)
    return Laid(x.tensor, shape, tuple(turn.index(axis) for axis in x.order))


@translates("Reshape")
def reshape(step: TfStep) -> Laid:
    """0 copies, -1 is the rest."""
    x = step.plain(step.x)
    wanted = [int(n) for n in step.require_known(1)]
    shape = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = math.prod(x.shape) // rest
    return _shaped(step, x, tuple(shape))


@translates("Unsqueeze", "Squeeze")
def axes(step: TfStep) -> Laid:
    """Axes of one place more, or less."""
    x, given = step.plain(step.x), [int(n) for n in step.require_known(1)]
    shape = list(x.shape)
    if step.node.op_type == "Squeeze":
        gone = {n % len(shape) for n in given}
        return _shaped(step, x, tuple(n for i, n in enumerate(shape) if i not in gone))
    for axis in sorted(n % (len(shape) + len(given)) for n in given):
        shape.insert(axis, 1)
    return _shaped(step, x, tuple(shape))


def _shaped(step: TfStep, x: Laid, shape: tuple[int, ...]) -> Laid:
    options = step.s.ReshapeOptionsT()
    options.newShape = list(shape)
    tensor = step.add("RESHAPE", [x.tensor, step.numbers(shape, "shape")], shape, options)
    return Laid(tensor, shape, tuple(range(len(shape))))


@translates("Concat")
def concat(step: TfStep) -> Laid:
    """One after another along an axis, all lying as the first does."""
    parts = [step.value(i) for i in range(len(step.node.input))]
    order = parts[0].order
    parts = [step.laid(part, order) for part in parts]
    axis = step.attribute("axis") % len(order)
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    options = step.s.ConcatenationOptionsT()
    options.axis = order.index(axis)
    options.fusedActivationFunction = step.s.ActivationFunctionType.NONE
    made = Laid(-1, tuple(shape), order)
    tensors = [part.tensor for part in parts]
    return Laid(step.add("CONCATENATION", tensors, made.lies, options), made.shape, order)


@translates("Slice")
def part(step: TfStep) -> Laid:
    """From start to end along some axes, every place."""
    x = step.x
    starts, ends, places = (step.require_known(i) for i in (1, 2, 3))
    steps = step.known(4)
    if steps is not None and (steps != 1).any():
        raise ValueError("leaves places out")
    begin, shape = [0] * len(x.shape), list(x.shape)
    for start, end, axis in zip(starts.tolist(), ends.tolist(), places.tolist(), strict=True):
        size = x.shape[axis]
        first, last = (min(max(n + size if n < 0 else n, 0), size) for n in (start, end))
        begin[axis % len(shape)], shape[axis % len(shape)] = first, last - first
    made = Laid(-1, tuple(shape), x.order)
    inputs = [x.tensor, step.numbers([begin[axis] for axis in x.order], "begin")]
    inputs.append(step.numbers(made.lies, "size"))
    return Laid(step.add("SLICE", inputs, made.lies, step.s.SliceOptionsT()), made.shape, x.order)


@translates("Pad")
def pad(step: TfStep) -> Laid:
    """Zeros around."""
    x, ends = step.x, step.require_known(1).tolist()
    known = step.known(2)
    zeros = known is None or not known.any()
    if step.attribute("mode", b"constant") != b"constant" or not zeros or min(ends) < 0:
        raise ValueError("pads with something else than zeros")
    count = len(x.shape)
    pairs = [(ends[axis], ends[count + axis]) for axis in range(count)]
    shape = tuple(n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True))
    made = Laid(-1, shape, x.order)
    inputs = [x.tensor, step.numbers([pairs[axis] for axis in x.order], "pads")]
    return Laid(step.add("PAD", inputs, made.lies, step.s.PadOptionsT()), shape, x.order)
