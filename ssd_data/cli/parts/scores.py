"""What ``score`` and ``eval`` share: how is scored, and what people read of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import field_option
from ssd_data.metrics import Extra, ScoreOptions

if TYPE_CHECKING:
    from ssd_data.metrics.scores import Scores

_F = TypeVar("_F", bound=Callable[..., Any])


def missing_option(what: str) -> Callable[[_F], _F]:
    """``--missing``: what happens to pictures of which there is nothing."""
    return field_option(ScoreOptions, "--missing", help=what)


def rules_options(function: _F) -> _F:
    """``--iou`` and ``--with``."""
    what = "voc: overlap; repeatable.  [default: .5]"
    overlap = click.option("--iou", type=shared.Number(), multiple=True, metavar="F", help=what)
    choice = click.Choice(get_args(Extra))
    more = click.option(
        "--with", "extras", type=choice, multiple=True, help="Show more; repeatable."
    )
    return overlap(more(function))


def rules(iou: tuple[float, ...], extras: tuple[Extra, ...], **others: Any) -> ScoreOptions:
    """How to score, as these options and others say it."""
    given = {**others, "iou": iou} if iou else others
    return ScoreOptions(extras=tuple(dict.fromkeys(extras)), **given)


def print_scores(scores: Scores) -> None:
    """What people read of scores."""
    shared.print_table([[name, _number(value)] for name, value in scores.ap.items()], right=[1])
    if scores.subset:
        shared.say()
        shared.say(f"subset: {scores.subset}")
    shared.say()
    shared.print_table([[k.replace("_", " "), f"{v:,}"] for k, v in scores.counts.items()])
    shared.say()
    for name, rule in scores.rules.items():
        text = "; ".join(f"{k}: {v}" for k, v in rule.items()) if isinstance(rule, dict) else rule
        shared.say(f"{name.replace('_', ' ')}: {text}")
    if scores.classes:
        columns = list(next(iter(scores.classes.values())))
        rows = [[name, *map(_number, row.values())] for name, row in scores.classes.items()]
        shared.say()
        shared.print_table([["class", *columns], *rows], right=range(1, len(columns) + 1))
    for what, table in scores.more.items():
        shared.say()
        shared.say(f"{what}:")
        _print_extra(what, table)
    for kind, count in scores.notes.kinds.items():
        shared.say()
        shared.print_listed(f"{count.count:,} x {kind}", count.listed, count.count)


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"


def _print_extra(what: str, table: dict[str, object]) -> None:
    rows: list[list[object]]
    if what == "confusion":
        names, counts = table["classes"], table["table"]
        assert isinstance(names, list)
        assert isinstance(counts, list)
        rows = [["true \\ found", *names]]
        rows += [[name, *row] for name, row in zip(names, counts, strict=True)]
    else:
        lines = {"all": table["all"], **table["classes"]} if "all" in table else table  # type: ignore[dict-item]
        known = [row for row in lines.values() if isinstance(row, dict)]
        columns = list(known[0]) if known else []
        rows = [["", *columns]]
        for name, row in lines.items():
            values = row.values() if isinstance(row, dict) else [None] * len(columns)
            rows.append([name, *map(_number, values)])
    shared.print_table(rows, right=range(1, len(rows[0])))
