"""``ssd-data fit``: how well a net's priors fit an LMDB's boxes, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import UsageError
from ssd_data.core.progress import Track, untracked
from ssd_data.core.structures import Flags
from ssd_data.families.fit.layout import Layout, read_layout
from ssd_data.families.fit.matching import Matches, match
from ssd_data.families.fit.proposals import Sizes, propose
from ssd_data.families.fit.truths import Truths, read_truths

SIZE_EDGES = (0, 4, 8, 16, 32, 64, 128, 256, 512, np.inf)
SIZE_NAMES = [*(f"{low} to {high}" for low, high in pairwise(SIZE_EDGES[:-1])), "over 512"]
RATIO_EDGES = (0, 1 / 4, 1 / 2.5, 1 / 1.6, 1 / 1.2, 1.2, 1.6, 2.5, 4, np.inf)
RATIO_NAMES = (
    "under 1:4", "1:4 to 1:2.5", "1:2.5 to 1:1.6", "1:1.6 to 1:1.2", "about 1:1", "1.2:1 to 1.6:1",
    "1.6:1 to 2.5:1", "2.5:1 to 4:1", "over 4:1",
)  # fmt: skip
LISTED = 100
A_SHAPE = 10  # boxes for each shape of prior, under which what is proposed fits chance


@dataclass(frozen=True, slots=True)
class Proposal:
    """Other priors.

    Attributes:
        options: of ``ssd-data model``, name to value.
        sizes: the same, map by map.
        matched: how many boxes they match by the threshold.
        coverage: their share of all.
    """

    options: dict[str, str]
    sizes: Sizes
    matched: int
    coverage: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A net's priors and an LMDB's boxes, matched.

    Attributes:
        owner: int64 (P,), the map of each prior.
        proposals: the better the later; empty where none was found that matches more boxes.
    """

    lmdb: str
    layout: Layout
    truths: Truths
    matches: Matches
    owner: npt.NDArray[np.int64]
    proposals: list[Proposal] = field(default_factory=list)

    def sides(self) -> npt.NDArray[np.float64]:
        """Widths and heights in pixels of the input, (N, 2)."""
        boxes = self.truths.boxes.astype(np.float64)
        sides: npt.NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]) * self.layout.size[::-1]
        return sides

    @property
    def unreached(self) -> Flags:
        """Which boxes no prior overlaps by the threshold; bool (N,)."""
        short: Flags = self.matches.best < np.float32(self.layout.rules.overlap)
        return short

    def to_json(self) -> dict[str, Any]:
        """All of it; lengths in pixels of the input."""
        height, width = self.layout.size
        left_out = [f"{n} boxes are left out ({why})" for why, n in self.truths.left_out.items()]
        return {
            "lmdb": self.lmdb,
            "net": self.layout.origin,
            "input": {"width": width, "height": height},
            "priors": len(self.owner),
            "overlap": round(self.layout.rules.overlap, 6),
            "notes": [*self.layout.notes, *left_out, *self._few()],
            "records": len(self.truths.keys),
            **self._row(np.ones(len(self.truths), np.bool_)),
            "unreached": {"count": int(self.unreached.sum()), "listed": self.examples()},
            "maps": self.maps(),
            "sizes": self.by_size(),
            "ratios": self.by_ratio(),
            "proposals": [
                {"options": p.options, "matched": p.matched, "coverage": p.coverage}
                for p in self.proposals
            ],
        }

    def _few(self) -> list[str]:
        shapes = sum(len(one.shapes.sizes) for one in self.layout.maps)
        count, enough = len(self.truths), A_SHAPE * shapes
        if not self.proposals or count >= enough:
            return []
        return [
            f"{count:,} box{'es are' if count > 1 else ' is'} few for {shapes} shapes of priors: "
            f"what is proposed fits these alone (measure {enough:,} or more)"
        ]

    def _row(self, which: Flags) -> dict[str, Any]:
        """The sums over some boxes."""
        m, boxes = self.matches, int(which.sum())
        return {
            "boxes": boxes,
            "matched": int(m.matched[which].sum()),
            "forced": int(m.forced[which].sum()),
            "without": int((~m.matched & ~m.forced)[which].sum()),
            "coverage": float(m.matched[which].mean()) if boxes else None,
            "mean_overlap": float(m.best[which].mean()) if boxes else None,
            "priors_a_box": float(m.priors[which].mean()) if boxes else None,
        }

    def maps(self) -> list[dict[str, Any]]:
        """A row a map: its priors, and the boxes whose best prior is one of them."""
        prior = self.matches.prior
        best = np.where(prior >= 0, self.owner[prior], -1)
        rows = []
        for index, one in enumerate(self.layout.maps):
            about = {
                "blob": one.blob,
                "map": list(one.size),
                "sizes": [list(shape) for shape in one.shapes.sizes],
                "priors": one.count,
                "used": int((self.matches.by_prior[self.owner == index] > 0).sum()),
            }
            rows.append({**about, **self._row(best == index)})
        return rows

    def by_size(self) -> list[dict[str, Any]]:
        """A row a range of sizes: the side of a square as large as the box, in pixels."""
        return self._ranges("size", np.sqrt(self.sides().prod(1)), SIZE_EDGES, SIZE_NAMES)

    def by_ratio(self) -> list[dict[str, Any]]:
        """A row a range of aspect ratios, width to height in pixels of the input."""
        width, height = self.sides().T
        return self._ranges("ratio", width / height, RATIO_EDGES, RATIO_NAMES)

    def _ranges(
        self,
        key: str,
        values: npt.NDArray[np.float64],
        edges: Sequence[float],
        names: Sequence[str],
    ) -> list[dict[str, Any]]:
        place = np.searchsorted(edges, values, "right") - 1
        rows = [{**self._row(place == index), key: name} for index, name in enumerate(names)]
        return [row for row in rows if row["boxes"]]

    def examples(self) -> list[dict[str, Any]]:
        """Boxes that no prior reaches, one a picture, those with the least overlap first."""
        which = np.flatnonzero(self.unreached)
        which = which[np.argsort(self.matches.best[which], kind="stable")]
        first = np.unique(self.truths.picture[which], return_index=True)[1]
        sides = self.sides()
        return [
            {
                "key": self.truths.keys[int(self.truths.picture[row])],
                "label": int(self.truths.labels[row]),
                "box": [round(float(v), 5) for v in self.truths.boxes[row]],
                "width": round(float(sides[row, 0]), 1),
                "height": round(float(sides[row, 1]), 1),
                "best_overlap": round(float(self.matches.best[row]), 4),
                "has_prior": bool(self.matches.forced[row] or self.matches.matched[row]),
            }
            for row in which[np.sort(first)][:LISTED].tolist()
        ]


def fit(
    lmdb: Path | str,
    net: Path | str,
    *,
    overlap: float | None = None,
    proposals: bool = True,
    track: Track = untracked,
) -> Fit:
    """Match an LMDB's boxes with a net's priors, and look for priors that match more.

    Args:
        net: a prototxt; see :func:`ssd_data.families.fit.layout.read_layout`.
        overlap: least Jaccard overlap of a match; None takes the net's.
        proposals: False looks for no other priors.
        track: wraps the records as they come, to show progress.

    Raises:
        InputError: net or LMDB cannot be read, or there is no box.
        UsageError: the net states no overlap and none was given, or that is none.
    """
    if overlap is not None and not 0 < overlap <= 1:
        raise UsageError(f"{overlap:g} is not in 0 … 1, 0 excluded", where="--overlap")
    layout = read_layout(net, overlap)
    truths = read_truths(lmdb, layout, track)
    priors, owner = layout.boxes()
    matches = match(truths, priors, layout.rules)
    found = _proposals(layout, truths, matches) if proposals else []
    return Fit(str(lmdb), layout, truths, matches, owner, found)


def _proposals(layout: Layout, truths: Truths, now: Matches) -> list[Proposal]:
    """What the search found, counted with all boxes; only what matches more than all before."""
    own, most = Sizes.of(layout), int(now.matched.sum())
    found = []
    for sizes in propose(layout, truths.boxes):
        other = sizes.apply(layout)
        then = match(truths, other.boxes()[0], layout.rules)
        if (matched := int(then.matched.sum())) > most:
            most = matched
            found.append(Proposal(sizes.options(own), sizes, matched, then.coverage))
    return found
