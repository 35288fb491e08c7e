"""``ssd-data score``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.core.registry import METRICS

if TYPE_CHECKING:
    from ssd_data.metrics.scores import Scores

EXTRAS = ("by-size", "confusion", "thresholds", "errors")
SHOWN = 3


@click.command(short_help="Score detections by VOC's, COCO's or WIDER FACE's rules.")
@click.argument("metric", type=click.Choice(METRICS.names()))
@click.option("--truth", type=shared.PATH, required=True, help="The true boxes.")
@click.option("--detections", type=shared.PATH, required=True, help="What was found.")
@click.option(
    "--missing",
    type=click.Choice(["fail", "count", "skip"]),
    default="fail",
    show_default=True,
    help="Pictures without detections: an error; all their objects are missed (the official "
    "rule); or left out of the truth.",
)
@click.option("--split", metavar="NAME", help="voc: the image set of a folder.  [default: test]")
@click.option("--labelmap", type=shared.PATH, help="voc: the classes.  [default: the truth's]")
@click.option(
    "--iou",
    type=shared.Number(),
    multiple=True,
    metavar="F",
    help="voc: overlap; repeatable.  [default: .5]",
)
@click.option(
    "--with", "extras", type=click.Choice(EXTRAS), multiple=True, help="Show more; repeatable."
)
@click.option("--plot", type=shared.PATH, metavar="DIR", help="Draw precision-recall curves.")
@shared.out_option("Write the JSON into a file as well.")
@shared.json_option
@shared.quiet_option
def command(
    metric: str,
    truth: Path,
    detections: Path,
    missing: str,
    split: str | None,
    labelmap: Path | None,
    iou: tuple[float, ...],
    extras: tuple[str, ...],
    plot: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score files that any tool made. All numbers are fractions, not per cent.

    \b
    METRIC     --truth                                  --detections
    voc        VOC2007/ImageSets/Main/test.txt,         folder of
               VOC2007 (and --split), or an LMDB        comp4_det_test_<class>.txt
    coco       instances_val2017.json                   results JSON
    widerface  eval_tools/ground_truth (.mat files)     folder EVENT/picture.txt

    Sets that do not belong together (other pictures or classes, boxes in another convention) are an
    error, not a score of 0.

    \b
    Examples:
      ssd-data score voc --truth VOCdevkit/VOC2007 --detections results/VOC2007/Main
      ssd-data score coco --truth instances_val2017.json --detections results.json --json
      ssd-data score widerface --truth eval_tools/ground_truth --detections pred --missing count
    """
    import json

    from ssd_data.core.files.whole import write_whole
    from ssd_data.metrics import Options, score

    if metric != "voc" and (split or labelmap or iou):
        raise click.UsageError("--split, --labelmap and --iou are for voc")
    options = Options(missing, split, labelmap, iou or (0.5,), tuple(dict.fromkeys(extras)))
    scores = score(metric, truth, detections, options)
    drawn = []
    if plot is not None:
        from ssd_data.metrics.plots import draw_curves

        drawn = draw_curves(scores, plot)
    if out is not None:
        write_whole(out, json.dumps(scores.to_json(), indent=1, ensure_ascii=False) + "\n")
    if as_json:
        shared.print_json(scores.to_json())
    elif not quiet:
        print_scores(scores)
        if drawn:
            click.echo(f"\n{len(drawn)} curves drawn into {plot}")


def print_scores(scores: Scores) -> None:
    """What people read of scores."""
    shared.print_table([[name, _number(value)] for name, value in scores.ap.items()], right=[1])
    if scores.subset:
        click.echo(f"\nsubset: {scores.subset}")
    click.echo()
    shared.print_table([[k.replace("_", " "), f"{v:,}"] for k, v in scores.counts.items()])
    click.echo()
    for name, rule in scores.rules.items():
        text = "; ".join(f"{k}: {v}" for k, v in rule.items()) if isinstance(rule, dict) else rule
        click.echo(f"{name.replace('_', ' ')}: {text}")
    if scores.classes:
        columns = list(next(iter(scores.classes.values())))
        rows = [[name, *map(_number, row.values())] for name, row in scores.classes.items()]
        click.echo()
        shared.print_table([["class", *columns], *rows], right=range(1, len(columns) + 1))
    for what, table in scores.more.items():
        click.echo(f"\n{what}:")
        _print_extra(what, table)
    for kind, count in scores.notes.kinds.items():
        click.echo(f"\n{count.count:,} x {kind}")
        for place in count.listed[:SHOWN]:
            click.echo(f"    {place}")
        if count.count > SHOWN:
            click.echo("    …")


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
