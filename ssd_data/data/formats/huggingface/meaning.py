"""What the numbers of a Hugging Face data set's boxes are: nowhere is it recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.data.formats.fournumbers import (
    MOST_FRACTION,
    Meaning,
    Size,
    fractions_among,
    meaning_of,
    undecided,
)
from ssd_data.data.formats.huggingface.table import ObjectTable

FEW = 0.05


def are_fractions(tables: Sequence[ObjectTable]) -> bool:
    """Whether all boxes are fractions of their pictures.

    Raises:
        InputError: some are, others are pixels.
    """
    numbers = np.concatenate([table.numbers for table in tables])
    if not len(numbers):
        return False
    if (np.abs(numbers) <= MOST_FRACTION).all():
        return not bool(np.isin(numbers, (0, 1)).all())
    odd = int(np.count_nonzero(fractions_among(numbers)))
    if odd > 1 and odd > FEW * len(numbers):
        text = f"{odd:,} of {len(numbers):,} boxes are fractions, the others pixels"
        raise InputError(text, where=tables[0].name, hint="Bring them to one unit")
    return False


def decide(
    tables: Sequence[ObjectTable], size_of: Callable[[int, int], Size | None]
) -> Meaning | None:
    """What the four numbers are, by all boxes together; None where nothing tells.

    Args:
        size_of: the size of a table's picture, by its file.
    """
    offsets = np.cumsum([0, *(len(table.pictures) for table in tables)])
    owner = np.concatenate(
        [t.owner.astype(np.int64) + start for t, start in zip(tables, offsets, strict=False)]
    )
    stated = np.concatenate([table.sizes for table in tables]).astype(np.int64)
    numbers = np.concatenate([table.numbers for table in tables])
    if are_fractions(tables):
        return meaning_of(numbers, owner, np.ones_like(stated), _nobody, MOST_FRACTION - 1)

    def size(picture: int) -> Size | None:
        table = int(np.searchsorted(offsets, picture, "right")) - 1
        return size_of(table, picture - int(offsets[table]))

    return meaning_of(numbers, owner, stated, size)


def require(meaning: Meaning | None, table: ObjectTable) -> Meaning:
    """The meaning.

    Raises:
        InputError: it is None, though there are boxes.
    """
    if meaning is None and len(table.numbers):
        raise undecided(f'the numbers of "{table.keys.box}"', table.name, "four")
    return meaning or "sides"


def _nobody(picture: int) -> Size | None:
    return None
