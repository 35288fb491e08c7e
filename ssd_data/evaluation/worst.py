"""The pictures with most errors, truth and detections side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ssd_data import metrics
from ssd_data.core.drawing import paint
from ssd_data.core.legible import visible
from ssd_data.core.scene import Mark, Scene, to_marks
from ssd_data.core.structures import Flags, Pixels
from ssd_data.data.draw import FileNames, to_jpeg, write_picture
from ssd_data.evaluation.results import Scored
from ssd_data.evaluation.sources import EvalSet
from ssd_data.metrics.analysis import errors_by_picture, mistakes
from ssd_data.metrics.scores import Floats, Ints

GAP, GROUND = 12, (24, 25, 29)


def draw_worst(data: EvalSet, scored: Scored, count: int, folder: Path) -> list[Path]:
    """Draw the pictures with most missed and false boxes, the worst first.

    What is drawn of the detections reaches its class's best threshold (F1), and that is what the
    errors are counted of. At the left the truth, ignored boxes dashed; at the right the detections.

    Raises:
        OutputError: the folder cannot be written.
        InputError: a picture cannot be read any more.
    """
    truth, found = scored.truth, scored.found
    shown, false, missed = mistakes(truth, found, metrics.load(data.metric).plus)
    errors = errors_by_picture(truth, found, false, missed)
    place = {name: i for i, name in enumerate(data.names)}
    names = FileNames()
    files = []
    for number, i in enumerate(np.argsort(-errors, kind="stable")[:count], 1):
        name = truth.pictures[i]
        if not errors[i] or name not in place:
            break
        picture = data.read(place[name])
        size = data.sizes[place[name]]
        if not size.all():
            size = np.array(picture.shape[1::-1])
        here, mine = truth.picture == i, shown & (found.picture == i)
        title = f"{name}: {errors[i]} errors"
        halves = _halves(picture, size, title, scored, here, mine)
        files.append(folder / names.name(f"{number:03d}_{name}"))
        write_picture(folder, files[-1].name, to_jpeg(_beside(*halves)))
    return files


def _halves(
    picture: Pixels, size: Ints, title: str, scored: Scored, here: Flags, mine: Flags
) -> Iterator[Image.Image]:
    truth, found = scored.truth.rows(here), scored.found.rows(mine)

    def name(label: int) -> str:
        return visible(truth.classes[label - 1])

    def half(what: str, boxes: Floats, marks: list[Mark]) -> Image.Image:
        fractions = (boxes / np.tile(size, 2)).astype(np.float32)
        return paint(visible(f"{what}: {title}"), picture, Scene(fractions, marks))

    labels, scores = (found.label + 1).astype(np.int32), found.scores.astype(np.float32)
    true = to_marks(name, (truth.label + 1).astype(np.int32), dashed=truth.ignored)
    yield half("truth", truth.boxes, true)
    yield half("found", found.boxes, to_marks(name, labels, scores=scores))


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    height = max(left.height, right.height)
    both = Image.new("RGB", (left.width + GAP + right.width, height), GROUND)
    both.paste(left, (0, 0))
    both.paste(right, (left.width + GAP, 0))
    return both
