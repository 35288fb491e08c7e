"""Elements of augmentation once more, a pixel and a box at a time."""

from __future__ import annotations

import colorsys
import math

import cv2
import numpy as np


def mosaic(drawn, pieces, size, ground, visible, least):
    """Of drawn tiles whose pictures are seen as a whole, or nearly.

    Args:
        pieces: of each tile its pixels and rows.
    """
    width, height = size
    found = np.zeros((height, width, 3), np.uint8)
    found[:] = ground
    rows = []
    for tile, (pixels, boxes) in zip(drawn.seen, pieces, strict=True):
        wide, high = round(width * drawn.scale), round(height * drawn.scale)
        scaled = cv2.resize(pixels, (wide, high), interpolation=tile.interpolation)
        left = drawn.x if tile.right else drawn.x - wide
        top = drawn.y if tile.below else drawn.y - high
        for y in range(high):
            for x in range(wide):
                if 0 <= left + x < width and 0 <= top + y < height:
                    found[top + y, left + x] = scaled[y, x]
        for row in boxes:
            edges = [left + row[3] * wide, top + row[4] * high]
            edges += [left + row[5] * wide, top + row[6] * high]
            cut = [min(max(e, 0), (width, height)[i % 2]) for i, e in enumerate(edges)]
            area = (edges[2] - edges[0]) * (edges[3] - edges[1])
            sides = cut[2] - cut[0], cut[3] - cut[1]
            if min(sides) >= max(least, 1e-9) and sides[0] * sides[1] > visible * area:
                parts = [cut[0] / width, cut[1] / height, cut[2] / width, cut[3] / height]
                rows.append([*row[:3], *parts, row[7]])
    return found, np.array(rows, np.float32).reshape(-1, 8)


def square(factors, places, pixels, boxes, ground):
    """SCRFD's RandomSquareCrop with factors and places that are given: picture and rows."""
    height, width = pixels.shape[:2]
    for factor, tries in zip(factors, places, strict=True):
        side = int(factor * min(width, height))
        for across, down in tries:
            room = width - side, height - side
            left = int(across * (abs(room[0]) + 1)) + min(room[0], 0)
            top = int(down * (abs(room[1]) + 1)) + min(room[1], 0)
            kept = []
            for row in boxes:
                x0, y0, x1, y1 = (float(v) for v in row[3:7] * (width, height, width, height))
                x, y = (x0 + x1) / 2, (y0 + y1) / 2
                if left < x < left + side and top < y < top + side:
                    x0, y0 = max(x0, left) - left, max(y0, top) - top
                    x1, y1 = min(x1, left + side) - left, min(y1, top + side) - top
                    kept.append([*row[:3], x0 / side, y0 / side, x1 / side, y1 / side, row[7]])
            if kept:
                found = np.zeros((side, side, 3), np.uint8)
                found[:] = ground
                for y in range(side):
                    for x in range(side):
                        if 0 <= left + x < width and 0 <= top + y < height:
                            found[y, x] = pixels[top + y, left + x]
                return found, np.array(kept, np.float32)
    return pixels, boxes


def mixup(drawn, own, other, share):
    """Of a picture that is scaled to a whole size by NEAREST; pixels alone."""
    height, width = own.shape[:2]
    wide, high = round(width * drawn.factor), round(height * drawn.factor)
    scaled = cv2.resize(other, (wide, high), interpolation=cv2.INTER_NEAREST)
    scaled = scaled[:, ::-1] if drawn.mirrored else scaled
    room = width - wide, height - high
    left = int(drawn.right * (abs(room[0]) + 1)) + min(room[0], 0)
    top = int(drawn.down * (abs(room[1]) + 1)) + min(room[1], 0)
    found = own.astype(float)
    for y in range(high):
        for x in range(wide):
            if 0 <= left + x < width and 0 <= top + y < height:
                place = found[top + y, left + x]
                found[top + y, left + x] = (1 - share) * place + share * scaled[y, x]
    return found


def hsv(pixels, factors):
    """Through the standard library's HSV; within the rounding of OpenCV's eight bits."""
    found = np.zeros(pixels.shape, float)
    for at in np.ndindex(pixels.shape[:2]):
        b, g, r = (float(v) / 255 for v in pixels[at])
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        h, s, v = h * factors[0] % 1, min(s * factors[1], 1), min(v * factors[2], 1)
        found[at] = [255 * c for c in reversed(colorsys.hsv_to_rgb(h, s, v))]
    return found


def gray(pixels):
    """ITU-R BT.601."""
    found = np.zeros(pixels.shape, float)
    for at in np.ndindex(pixels.shape[:2]):
        b, g, r = (float(v) for v in pixels[at])
        found[at] = 0.299 * r + 0.587 * g + 0.114 * b
    return found


def blur(pixels, sigma):
    """A window six deviations wide, the border mirrored (``BORDER_REFLECT_101``)."""
    size = round(sigma * 3 * 2 + 1) | 1
    reach = size // 2
    weights = [math.exp(-(n**2) / (2 * sigma**2)) for n in range(-reach, reach + 1)]
    total = sum(weights)
    found = pixels.astype(float)
    for axis in (0, 1):
        before, length = found, pixels.shape[axis]
        found = np.zeros_like(before)
        for n, weight in zip(range(-reach, reach + 1), weights, strict=True):
            index = [_reflected(i + n, length) for i in range(length)]
            found += weight / total * before.take(index, axis)
    return found


def _reflected(index, length):
    while not 0 <= index < length:
        index = -index if index < 0 else 2 * (length - 1) - index
    return index
