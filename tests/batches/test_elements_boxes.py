"""Boxes stay with their pixels: each is painted in a colour of its own and looked for."""

from __future__ import annotations

import numpy as np
import pytest
from support.composing import Table
from support.painted import painted, require_boxes_on_colours, where_seen

from ssd_data.batches.composer import known_elements
from ssd_data.core.overlaps import coverages

COUNT, BOXES = 60, 3
PADDED = "resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD width: 120 height: 90 "
PADDED += "interp_mode: NEAREST }"
POSITIONS = range(60)


def picture(number):
    sizes = np.random.default_rng(number + 1000)
    width, height = (int(n) for n in sizes.integers(70, 260, 2))
    return painted(number, width, height, BOXES)


def table(name, text=None, **options):
    element = known_elements()[name](prob=1.0, **options)
    return Table(picture, COUNT, [element], *([] if text is None else [text]))


def apart(one):
    """Positions whose pictures are all different."""
    numbers = {position: one.numbers(position) for position in POSITIONS}
    return [p for p, found in numbers.items() if len({*found}) == len(found)]


@pytest.mark.parametrize("text", [None, PADDED])
@pytest.mark.parametrize("scale", [(0.5, 1.5), (1.0, 1.0), (0.2, 3.0)])
def test_mosaic(text, scale):
    one = table("mosaic", text, scale=scale)
    looked = sum(require_boxes_on_colours(*one(position)) for position in apart(one))
    assert looked > 60


def test_mosaic_leaves_out_what_is_hardly_seen():
    """A colour that is well seen has a box; one that has none is small or cut."""
    one = table("mosaic")
    missed = 0
    for position in apart(one):
        pixels, rows = one(position)
        for number in one.numbers(position):
            for label in range(1 + number * BOXES, 1 + number * BOXES + BOXES):
                if label in rows[:, 1]:
                    continue
                missed += 1
                _, theirs = picture(number)
                box = theirs[theirs[:, 1] == label][0, 3:7]
                area = (box[2] - box[0]) * (box[3] - box[1]) * 120 * 90
                (mosaic,) = one.drawn(position)
                seen = where_seen(pixels, label).sum()
                assert seen <= 0.27 * area * mosaic.drawn.scale**2 + 20
    assert missed > 10


def test_square():
    one = table("square")
    looked = 0
    for position in POSITIONS:
        pixels, rows = one(position)
        assert len(rows)  # one centre at least lies inside
        looked += require_boxes_on_colours(pixels, rows, tolerance=4)  # of a crop that is enlarged
    assert looked > 80


def test_square_reaches_beyond_the_picture():
    one = table("square", scales=(2.0,))
    for position in POSITIONS[:20]:
        pixels, rows = one(position)
        require_boxes_on_colours(pixels, rows)
        own, _ = picture(position)
        side = 2 * min(own.shape[:2])
        share = min(own.shape[1], side) * min(own.shape[0], side) / side**2
        assert share < 0.75  # the rest is ground, of which nothing is in a box


def test_mixup_where_the_other_one_counts_alone():
    one = table("mixup", share=1.0)
    looked = 0
    for position in apart(one):
        pixels, rows = one(position)
        others = rows[rows[:, 1] > 0]
        own, other = one.numbers(position)
        others = rows[(rows[:, 1] - 1) // BOXES == other]
        assert len(rows) - len(others) == ((rows[:, 1] - 1) // BOXES == own).sum() == BOXES
        looked += require_boxes_on_colours(pixels, others, tolerance=2)
    assert looked > 60


def test_mixup_changes_only_where_the_other_one_lies():
    one, plain = table("mixup"), Table(picture, COUNT, [])
    for position in POSITIONS[:20]:
        (mixup,) = one.drawn(position)
        if mixup.drawn.factor > 1:
            continue
        pixels, rows = one(position)
        own, own_rows = plain(position)
        wide, high = round(120 * mixup.drawn.factor), round(90 * mixup.drawn.factor)
        changed = (pixels != own).any(2)
        assert changed.sum() <= wide * high
        assert np.array_equal(rows[: len(own_rows)], own_rows)


def test_paste():
    one, plain = table("paste", count=1), Table(picture, COUNT, [])
    pasted = 0
    for position in apart(one):
        pixels, rows = one(position)
        _, own_rows = plain(position)
        assert np.array_equal(rows[: len(own_rows)], own_rows)
        new = rows[len(own_rows) :]
        pasted += require_boxes_on_colours(pixels, new, tolerance=2)
        require_boxes_on_colours(pixels, rows, tolerance=2)  # nothing lies on the own ones
        assert not new[:, 7].any()  # difficult ones are not copied
    assert pasted > 20


def test_paste_covers_no_other_box():
    one, plain = table("paste", count=8), Table(picture, COUNT, [])
    most = 0
    for position in POSITIONS:
        _, rows = one(position)
        most = max(most, len(rows) - len(plain(position)[1]))
        found = rows[len(plain(position)[1]) :, 3:7]
        covered = coverages(found, rows[:, 3:7])
        assert (np.sort(covered, axis=1)[:, :-1] == 0).all()  # by itself alone
    assert most >= 3


def test_all_together_keep_boxes_inside_and_flags():
    elements = [kind(prob=0.8) for kind in known_elements().values()]
    one = Table(picture, COUNT, elements)
    flags = {label: flag for n in range(COUNT) for _, label, flag in picture(n)[1][:, [0, 1, 7]]}
    for position in POSITIONS:
        pixels, rows = one(position)
        assert pixels.shape == (90, 120, 3)
        assert ((rows[:, 3:7] >= 0) & (rows[:, 3:7] <= 1)).all()
        assert (rows[:, 5:7] > rows[:, 3:5]).all()
        for row in rows:
            assert flags[row[1]] == row[7]
