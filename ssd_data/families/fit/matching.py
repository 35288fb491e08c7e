"""Which box gets which priors: MultiBoxLoss's matching, in NumPy and for a whole data set.

Follows ``MatchBBox`` of ``src/caffe/util/bbox_util.cpp``: first each box takes the free prior that
overlaps it most, the greatest overlap first; then each free prior takes the box that it overlaps
most, if that is at least the threshold. Ties fall to the lower prior, then to the earlier box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import is_outside
from ssd_data.core.errors import InputError
from ssd_data.core.overlaps import overlaps
from ssd_data.core.pairing import pair_greedily
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.core.structures import Boxes, Flags
from ssd_data.families.fit.layout import Rules
from ssd_data.families.fit.truths import Truths

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

LEAST_OVERLAP = np.float32(1e-6)  # what is not above it is no overlap
PAIRS = 1 << 19  # in a table: it should stay in the processor's cache
MOST_PAIRS = 1 << 27
ROUNDS, MOST_MATES = 16, 1 << 11  # boxes that are compared with one another in each round


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What each of N boxes gets.

    Attributes:
        best: float32 (N,), its greatest overlap with any prior.
        prior: int64 (N,), the prior that overlaps it most, -1 where none does.
        matched: bool (N,), it has a prior that overlaps it by the threshold or more.
        forced: bool (N,), it only has the prior that the bipartite rule gives it.
        priors: int64 (N,), how many priors it has.
        by_prior: int64 (P,), how many boxes each prior has.
    """

    best: Floats
    prior: Indices
    matched: Flags
    forced: Flags
    priors: Indices
    by_prior: Indices

    @property
    def coverage(self) -> float:
        """The share of boxes that are matched by the threshold."""
        return float(self.matched.mean())


def match(truths: Truths, priors: Boxes, rules: Rules, workers: int | None = None) -> Matches:
    """Match the boxes of each picture with a net's priors.

    Args:
        priors: float32 (P, 4), fractions.

    Raises:
        InputError: a picture has more boxes than a table can hold.
    """
    eligible = _taking_part(priors, rules)

    def one(part: slice) -> tuple[npt.NDArray[np.int64] | Floats, ...]:
        return _match_part(truths.boxes[part], truths.picture[part], eligible, rules)

    parts = list(_parts(truths, len(priors)))
    found = list(ordered_map(one, parts, workers or default_workers(), chunk_size=1))
    best, prior, reached, counts = (np.concatenate([f[i] for f in found]) for i in range(4))
    by_prior = np.zeros(len(priors), np.int64)
    for part in found:
        by_prior += np.bincount(part[4].astype(np.int64), minlength=len(priors))
    matched = reached.astype(np.bool_)
    return Matches(
        best.astype(np.float32),
        prior.astype(np.int64),
        matched,
        (counts > 0) & ~matched,
        counts.astype(np.int64),
        by_prior,
    )


def pairs(boxes: Boxes, priors: Boxes, rules: Rules) -> tuple[Indices, Indices, Floats]:
    """The pairs of one picture's boxes, float32 (N, 4), and a net's priors, float32 (P, 4).

    Returns:
        the box, the prior and the overlap of each pair, (K,) each. What overlaps by less than the
        threshold is a pair by the bipartite rule alone.
    """
    if not len(boxes):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, np.zeros(0, np.float32)
    table = overlaps(boxes, _taking_part(priors, rules))
    picture = np.zeros(len(table), np.int64)
    prior = table.argmax(1)
    rows, taken = bipartite(table, picture, table[np.arange(len(table)), prior], prior)
    if not rules.bipartite_only:
        more = _by_threshold(table, picture, rows, taken, np.float32(rules.overlap))
        rows, taken = np.concatenate((rows, more[0])), np.concatenate((taken, more[1]))
    return rows, taken, table[rows, taken]


def _taking_part(priors: Boxes, rules: Rules) -> Boxes:
    """The priors; those that match nothing have no area."""
    if rules.ignore_outside:
        return np.where(is_outside(priors)[:, None], np.float32(0), priors)
    return priors


def _parts(truths: Truths, priors: int) -> Iterator[slice]:
    """The boxes in portions of whole pictures."""
    ends = [*(np.flatnonzero(np.diff(truths.picture)) + 1).tolist(), len(truths)]
    start = before = 0
    for end in ends:
        if (end - before) * priors > MOST_PAIRS:
            raise InputError(
                f"{end - before:,} boxes are too many for {priors:,} priors",
                where=truths.keys[int(truths.picture[before])],
            )
        if start < before and (end - start) * priors > PAIRS:
            yield slice(start, before)
            start = before
        before = end
    yield slice(start, len(truths))


def _match_part(
    boxes: Boxes, picture: Indices, priors: Boxes, rules: Rules
) -> tuple[npt.NDArray[np.int64] | Floats, ...]:
    """Best overlap, its prior, reached or not, number of priors; and the priors that are taken."""
    table = overlaps(boxes, priors)
    prior = table.argmax(1)
    best = table[np.arange(len(table)), prior]
    rows, taken = bipartite(table, picture, best, prior)
    reached = np.zeros(len(table), np.int64)
    reached[rows] = table[rows, taken] >= np.float32(rules.overlap)
    counts = np.bincount(rows, minlength=len(table))
    if not rules.bipartite_only:
        more_rows, more = _by_threshold(table, picture, rows, taken, np.float32(rules.overlap))
        reached[more_rows] = 1
        counts += np.bincount(more_rows, minlength=len(table))
        taken = np.concatenate((taken, more))
    some = best > LEAST_OVERLAP
    return np.where(some, best, np.float32(0)), np.where(some, prior, -1), reached, counts, taken


def bipartite(
    table: Floats, picture: Indices, best: Floats, prior: Indices
) -> tuple[Indices, Indices]:
    """Pairs of boxes and priors, the greatest overlap first, each in one pair at most.

    A pair whose overlap is the greatest both of its box and of its prior will be taken whatever
    else is, so all such pairs are taken at once; a few rounds do instead of one for each box. Of
    boxes that are alike each round takes one: what a few rounds leave is sorted.

    Args:
        table: float32 (N, P), overlaps.
        picture: int64 (N,), rising; boxes of one picture contend for its priors.
        best, prior: (N,), each row's maximum and the first place of it.

    Returns:
        rows and priors of the pairs, each int64 (K,).
    """
    waiting = np.flatnonzero(best > LEAST_OVERLAP)
    best, prior, left = best[waiting], prior[waiting], table
    rows, taken = [waiting[:0]], [waiting[:0]]
    whole = True  # the table still has all rows
    for _ in range(ROUNDS if len(waiting) <= MOST_MATES else 0):
        if not len(waiting):
            break
        rivals = left[waiting[:, None], prior] if whole else left[:, prior]
        mates = picture[waiting][:, None] == picture[waiting]
        earlier = waiting[:, None] < waiting
        beaten = mates & ((rivals > best) | ((rivals == best) & earlier))
        wins = ~beaten.any(0)
        rows.append(waiting[wins])
        taken.append(prior[wins])
        still = ~wins
        left = left[waiting[still]] if whole else left[still]
        whole = False
        mate, winner = mates[np.ix_(still, wins)].nonzero()
        left[mate, taken[-1][winner]] = 0
        waiting = waiting[still]
        prior = left.argmax(1) if len(left) else prior[:0]
        best = left[np.arange(len(left)), prior]
        some = best > LEAST_OVERLAP
        waiting, left, best, prior = waiting[some], left[some], best[some], prior[some]
    if len(waiting):
        left = left[waiting] if whole else left
        more, prior = pair_greedily(left, picture[waiting], float(LEAST_OVERLAP))
        rows.append(waiting[more])
        taken.append(prior)
    return np.concatenate(rows), np.concatenate(taken)


def _by_threshold(
    table: Floats, picture: Indices, rows: Indices, taken: Indices, threshold: np.float32
) -> tuple[Indices, Indices]:
    """The pairs of free priors and the box that each overlaps most: rows and priors, (K,) each."""
    flat = np.flatnonzero(table >= max(threshold, np.nextafter(LEAST_OVERLAP, np.float32(1))))
    row, prior = np.divmod(flat, table.shape[1])
    place = picture[row] * table.shape[1] + prior  # one number for a picture's prior
    gone = np.isin(place, picture[rows] * table.shape[1] + taken)
    row, prior, place = row[~gone], prior[~gone], place[~gone]
    order = np.lexsort((row, -table[row, prior], place))
    first = np.unique(place[order], return_index=True)[1]
    chosen = order[first]
    return row[chosen], prior[chosen]
