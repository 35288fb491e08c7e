"""The original's way through a picture, step by step over all of it: what ours must equal."""

import cv2
import numpy as np

from ssd_data.batches.augment.transform import Draft
from ssd_data.proto import caffe_pb2


def jpeg(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture)[1], cv2.IMREAD_UNCHANGED)


def draft(pixels: np.ndarray, drawn: Draft, means: list[float], again: bool) -> np.ndarray:
    """Distort, expand and crop whole pictures, with a JPEG round trip after each."""
    trip = jpeg if again else lambda picture: picture
    if drawn.distortion is not None:
        pixels = trip(distorted(pixels, drawn.distortion))
    if drawn.expansion is not None:
        pixels = trip(expanded(pixels, drawn.expansion, means))
    if drawn.region is not None:
        pixels = trip(cropped(pixels, drawn.region))
    return pixels


def distorted(pixels, distortion):
    for channel, table in distortion.steps:
        if channel is None:
            pixels = table[pixels]
        else:
            hsv = cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV)
            hsv[:, :, channel] = table[hsv[:, :, channel]]
            pixels = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return pixels if distortion.order is None else pixels[:, :, list(distortion.order)]


def expanded(pixels, e, means):
    canvas = np.zeros((e.height, e.width, *pixels.shape[2:]), np.uint8)
    values = [round(mean) for mean in means]
    canvas[:] = values if pixels.ndim == 3 else values[0]
    canvas[e.y : e.y + pixels.shape[0], e.x : e.x + pixels.shape[1]] = pixels
    return canvas


def cropped(pixels, region):
    height, width = np.float32(pixels.shape[0]), np.float32(pixels.shape[1])
    left, right = region[0] * width, region[2] * width
    top, bottom = region[1] * height, region[3] * height
    x, y = int(left), int(top)
    return pixels[y : y + int(bottom - top), x : x + int(right - left)]


def project(box, region, constraint):
    """One box in a region, a float at a time; None where it is not kept."""
    f = np.float32
    xmin, ymin, xmax, ymax = (f(v) for v in box)
    x0, y0, x1, y1 = (f(v) for v in region)
    if constraint is not None:
        if constraint.emit_type == caffe_pb2.EmitConstraint.CENTER:
            x, y = (xmin + xmax) / f(2), (ymin + ymax) / f(2)
            if not (x0 <= x <= x1 and y0 <= y <= y1):
                return None
        elif not coverage(box, region) > f(constraint.emit_overlap):
            return None
    if xmin >= x1 or xmax <= x0 or ymin >= y1 or ymax <= y0:
        return None
    moved = [(xmin - x0) / (x1 - x0), (ymin - y0) / (y1 - y0)]
    moved += [(xmax - x0) / (x1 - x0), (ymax - y0) / (y1 - y0)]
    moved = [max(min(v, f(1)), f(0)) for v in moved]
    return moved if size(moved) > 0 else None


def size(box):
    xmin, ymin, xmax, ymax = (np.float32(v) for v in box)
    return np.float32(0) if xmax < xmin or ymax < ymin else (xmax - xmin) * (ymax - ymin)


def common(a, b):
    if b[0] > a[2] or b[2] < a[0] or b[1] > a[3] or b[3] < a[1]:
        return [0, 0, 0, 0]
    return [max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]


def coverage(a, b):
    shared = size(common(a, b))
    return shared / size(a) if shared > 0 else np.float32(0)


def jaccard(a, b):
    shared = [np.float32(v) for v in common(a, b)]
    width, height = shared[2] - shared[0], shared[3] - shared[1]
    if not (width > 0 and height > 0):
        return np.float32(0)
    return width * height / (size(a) + size(b) - width * height)


def satisfied(region, boxes, constraint):
    """The original's loop, with the flag that it forgets to take back."""
    kinds = {
        "jaccard_overlap": lambda box: jaccard(region, box),
        "sample_coverage": lambda box: coverage(region, box),
        "object_coverage": lambda box: coverage(box, region),
    }
    asked = [k for k in kinds if constraint.HasField(f"min_{k}") or constraint.HasField(f"max_{k}")]
    if not asked:
        return True
    found = False
    for box in boxes:
        for kind in asked:
            value = kinds[kind](box)
            low, high = f"min_{kind}", f"max_{kind}"
            if constraint.HasField(low) and value < np.float32(getattr(constraint, low)):
                break
            if constraint.HasField(high) and value > np.float32(getattr(constraint, high)):
                break
            found = True
        else:
            if found:
                return True
    return found
