"""``ssd-data score``"""

from __future__ import annotations

from pathlib import Path

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.scores import missing_option, print_scores, rules, rules_options
from ssd_data.core.registry import METRICS
from ssd_data.metrics import Extra, load, score, taking


@click.command(short_help="Score detections by VOC's, COCO's or WIDER FACE's rules.")
@click.argument("metric", type=click.Choice(METRICS.names()))
@click.option("--truth", type=shared.PATH, required=True, help="The true boxes.")
@click.option("--detections", type=shared.PATH, required=True, help="What was found.")
@missing_option(
    "Pictures without detections: an error; all their objects are missed (the official rule); or "
    "left out of the truth."
)
@click.option("--split", metavar="NAME", help="voc: the image set of a folder.  [default: test]")
@click.option("--labelmap", type=shared.PATH, help="voc: the classes.  [default: the truth's]")
@shared.follow_links_option
@rules_options
@click.option("--plot", type=shared.PATH, metavar="DIR", help="Draw precision-recall curves.")
@shared.out_option("Write the JSON into a file as well.")
@shared.output_options
def command(
    metric: str,
    truth: Path,
    detections: Path,
    missing: str,
    split: str | None,
    labelmap: Path | None,
    follow_links: bool,
    iou: tuple[float, ...],
    extras: tuple[Extra, ...],
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

    Sets that do not belong together (other pictures or classes, boxes in another convention, the
    score in another column) are an error, not a score of 0.

    \b
    Examples:
      ssd-data score voc --truth VOCdevkit/VOC2007 --detections results/VOC2007/Main
      ssd-data score coco --truth instances_val2017.json --detections results.json --json
      ssd-data score widerface --truth eval_tools/ground_truth --detections pred --missing count
    """
    from ssd_data.core.files.whole import write_whole
    from ssd_data.core.jsontext import json_text

    _refuse_others(metric, {"split": split, "labelmap": labelmap, "iou": iou})
    options = rules(
        iou,
        extras,
        missing=missing,
        split=split,
        labelmap=labelmap,
        follow_links=follow_links,
    )
    scores = score(metric, truth, detections, options)
    drawn = []
    if plot is not None:
        from ssd_data.metrics.plots import draw_curves

        drawn = draw_curves(scores, plot)
    if out is not None:
        write_whole(out, json_text(scores.to_json(), ascii_only=False) + "\n")
    if as_json:
        shared.print_json(scores.to_json())
    elif not quiet:
        print_scores(scores)
        if drawn:
            shared.say()
            shared.say(f"{len(drawn)} curves drawn into {plot}")


def _refuse_others(metric: str, given: dict[str, object]) -> None:
    """Options that the metric does not take are an error."""
    others = [name for name in given if name not in load(metric).takes]
    if any(given[name] for name in others):
        *first, last = [f"--{name}" for name in others]
        options = f"{', '.join(first)} and {last} are" if first else f"{last} is"
        takers = {name for option in others for name in taking(option)}
        raise click.UsageError(f"{options} for {', '.join(sorted(takers))}")
