"""What gives a map another size."""

from __future__ import annotations

from typing import Any

from ssd_data.nets.tflite.translate import LAST, Laid, TfStep, translates


@translates("Resize")
def resize(step: TfStep) -> Laid:
    """Each value in the place of several; or bilinear, corner on corner."""
    x, mode = step.picture(), step.attribute("mode")
    how = step.attribute("coordinate_transformation_mode")
    scales, sizes = step.known(2), step.known(3)
    if sizes is None and scales is not None and scales.size == 4:
        size = [int(n * scale) for n, scale in zip(x.shape, scales.tolist(), strict=True)]
    elif sizes is not None:
        size = [int(n) for n in sizes]
    else:
        raise ValueError("has no known size")
    options: Any
    if (mode, how) == (b"nearest", b"asymmetric"):
        kind, options = "RESIZE_NEAREST_NEIGHBOR", step.s.ResizeNearestNeighborOptionsT()
    elif (mode, how) == (b"linear", b"align_corners"):
        kind, options = "RESIZE_BILINEAR", step.s.ResizeBilinearOptionsT()
        options.alignCorners = True
    else:
        raise ValueError("looks between values in another way than LiteRT")
    made = Laid(-1, tuple(size), LAST)
    inputs = [x.tensor, step.numbers(size[2:], "size")]
    return Laid(step.add(kind, inputs, made.lies, options), made.shape, LAST)


@translates("Tile")
def tile(step: TfStep) -> Laid:
    """Several times along each axis."""
    x, counts = step.x, [int(n) for n in step.require_known(1)]
    shape = tuple(n * count for n, count in zip(x.shape, counts, strict=True))
    made = Laid(-1, shape, x.order)
    inputs = [x.tensor, step.numbers([counts[axis] for axis in x.order], "tiles")]
    return Laid(step.add("TILE", inputs, made.lies, step.s.TileOptionsT()), shape, x.order)
