"""Several runs element by element: what each gains, what it costs, what they differ in."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from ssd_data.pages.report.blocks import Block, Cell, Note, Section, Table
from ssd_data.pages.report.curves import MOST_CURVES, chart
from ssd_data.pages.report.groups import RunGroup, differing, gain

HEAD = (
    "trained by", "runs", "iterations", "score", "least – greatest", "gain", "loss",
    "ms an iteration", "time",
)  # fmt: skip
NOTE = (
    "Scores are those of the last tests. A gain is the mean of the differences from the first "
    "row's runs of the same seeds, with its standard error; one seed has none, nor have "
    "trainings of other lengths. Time is an "
    "iteration's, as a share of the first row's: on machines that did other work besides it says "
    "little."
)
SAME = "all of these are trained alike: they differ in their seeds alone"
MOST_LETTERS = 60


def section(groups: Sequence[RunGroup]) -> Section:
    """What is gained by what."""
    blocks: list[Block] = [Table("", HEAD, [_row(one, groups[0]) for one in groups]), Note(NOTE)]
    drawn = best(groups)
    scores = [(one.title, one.curve(lambda run: run.history.scores())) for one in drawn]
    losses = [(one.title, one.curve(lambda run: run.history.trained("loss"))) for one in drawn]
    rates = [(one.title, one.curve(lambda run: run.history.trained("lr"))) for one in drawn]
    charts = [
        chart("Score, mean over seeds", scores),
        chart("Loss, mean over seeds", losses),
        chart("Rate", rates, log=True),
    ]
    blocks += [found for found in charts if found is not None]
    if len(drawn) < len(groups):
        blocks.append(Note(f"Drawn are the {len(drawn)} of the best scores, of {len(groups)}."))
    names = differing(groups)
    if names:
        rows: list[list[Cell]] = [
            [name, *(_cut(one.traits.get(name, "–")) for one in groups)] for name in names
        ]
        heads = ["", *(one.title for one in groups)]
        blocks.append(Table("What they differ in", heads, rows))
    else:
        blocks.append(Note(SAME))
    lead = "Runs that differ in their seed alone are one row; a score is the test's first output."
    return Section("compared", "Element by element", lead, blocks)


def best(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """As many as have a colour, in their order: the first and those of the best scores."""
    if len(groups) <= MOST_CURVES:
        return list(groups)
    ranked = sorted(groups[1:], key=lambda one: -mean(one.scores().values() or [-1.0]))
    chosen = [groups[0], *ranked[: MOST_CURVES - 1]]
    return [one for one in groups if one in chosen]


def compared(groups: Sequence[RunGroup]) -> list[dict[str, Any]]:
    """The same as JSON."""
    names, found = differing(groups), []
    for one in groups:
        scores, more = one.scores(), gain(one, groups[0])
        found.append(
            {
                "title": one.title,
                "runs": [run.path for run in one.runs],
                "scores": scores,
                "score": mean(scores.values()) if scores else None,
                "gain": None if more is None else more[0],
                "gain_error": None if more is None else more[1],
                "milliseconds": one.milliseconds(),
                "differs": {name: one.traits.get(name) for name in names},
            }
        )
    return found


def _row(one: RunGroup, base: RunGroup) -> list[Cell]:
    scores, own, theirs = list(one.scores().values()), one.milliseconds(), base.milliseconds()
    losses = [run.history.summary()["loss"] for run in one.runs]
    losses = [loss for loss in losses if loss is not None]
    return [
        one.title,
        len(one.runs),
        max(run.history.last for run in one.runs),
        round(mean(scores), 4) if scores else None,
        f"{min(scores):.4f} – {max(scores):.4f}" if len(scores) > 1 else None,
        _gain(one, base),
        round(mean(losses), 4) if losses else None,
        None if own is None else round(own, 1),
        None if own is None or theirs is None else f"{own / theirs:.2f}×",
    ]


def _gain(one: RunGroup, base: RunGroup) -> str | None:
    found = None if one is base else gain(one, base)
    if found is None:
        return None
    return f"{found[0]:+.4f}" + ("" if found[1] is None else f" ± {found[1]:.4f}")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
