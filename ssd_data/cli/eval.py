"""``ssd-data eval``"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data import metrics
from ssd_data.cli.parts import net_options, shared
from ssd_data.cli.parts.places import on_option, pool_of
from ssd_data.cli.parts.reading import reading_of, reading_options
from ssd_data.cli.parts.scores import missing_option, print_scores, rules, rules_options
from ssd_data.cli.parts.stops import STOPPED
from ssd_data.core.registry import METRICS, PROTOCOLS

if TYPE_CHECKING:
    from ssd_data.evaluation.run import Report

NATIVE = "native"


@click.command(short_help="Detect over a data set and score what was found.")
@click.argument("dataset", metavar="LMDB|DATASET")
@click.option("--deploy", type=shared.PATH, required=True, help="The net's deploy prototxt.")
@click.option("--weights", type=shared.PATH, required=True, help="Its caffemodel.")
@click.option(
    "--metric",
    type=click.Choice(METRICS.names()),
    help="By whose rules.  [default: the data set's own; coco where it has none]",
)
@click.option("--root", type=shared.PATH, metavar="DIR", help="Where a recipe's files lie.")
@shared.format_option
@reading_options("missing")
@click.option("--split", metavar="NAME", help="Which pictures.  [default: those for testing]")
@click.option("--labelmap", type=shared.PATH, help="The classes.  [default: the data set's]")
@click.option(
    "--truth",
    type=shared.PATH,
    help="widerface: the .mat files.  [default: eval_tools/ground_truth of the data set]; "
    "coco: the instances JSON.",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS.names()),
    default="single",
    show_default=True,
    help="One pass, at --size (native: each picture at its own); or SFD's multi-scale test.",
)
@click.option(
    "--threshold",
    type=shared.Number(),
    default=0.01,
    show_default=True,
    help="Least score of a detection, in the place of the net's own.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=8, show_default=True, help="Pictures at a time."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N pictures.")
@missing_option(
    "Pictures that cannot be read: an error; all their objects are missed; or left out."
)
@rules_options
@click.option(
    "--draw-worst",
    "worst",
    type=click.IntRange(1),
    metavar="N",
    help="Draw the N worst pictures into --out, truth and detections side by side.",
)
@shared.out_option("Keep detections, scores and curves here; the same command again goes on.")
@net_options.preprocessing_options
@net_options.engine_options
@on_option
@shared.output_options
def command(
    dataset: str,
    deploy: Path,
    weights: Path,
    metric: str | None,
    root: Path | None,
    format: str,
    follow_links: bool,
    split: str | None,
    labelmap: Path | None,
    truth: Path | None,
    protocol: str,
    threshold: float,
    batch: int,
    limit: int | None,
    missing: metrics.MissingPolicy,
    iou: tuple[float, ...],
    extras: tuple[metrics.Extra, ...],
    worst: int | None,
    out: Path | None,
    size: str | None,
    on: str,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run a net over an LMDB, a recipe's data set or a folder, and score what it finds.

    The metric is the data set's own, and coco where it has none (YOLO, CVAT, CSV ...). With --out a
    run that was stopped goes on where it was. All numbers are fractions, not per cent.

    \b
    Examples:
      ssd-data eval VOC0712/VOC0712_test_lmdb --deploy deploy.prototxt --weights net.caffemodel
      ssd-data eval coco2017 --deploy deploy.prototxt --weights net.caffemodel --out scores
      ssd-data eval widerface --protocol sfd --mean 104,117,123 --out sfd --draw-worst 20 \\
        --deploy deploy.prototxt --weights wider.caffemodel
    """
    from ssd_data.core.files.scratch import scratch
    from ssd_data.evaluation.run import EvalNet, EvalOptions, evaluate
    from ssd_data.evaluation.sources import EvalChoice, open_set

    if worst and out is None:
        raise click.UsageError("--draw-worst draws into the folder that --out names.")
    if iou and metric is not None and metric not in (takers := metrics.taking("iou")):
        raise click.UsageError(f"--iou is for {', '.join(takers)}.")
    if protocol == "sfd" and size is not None:
        raise click.UsageError("--protocol sfd chooses its sizes itself: leave out --size.")
    if not 0 <= threshold <= 1:
        raise click.BadParameter("a score lies between 0 and 1", param_hint="--threshold")
    wanted_size = None if size == NATIVE else shared.parse_size(size)
    prepare, half = net_options.preprocessing(deploy, options), options["half"]
    reading = reading_of(options)
    choice = EvalChoice(metric, split, root, labelmap, truth, follow_links, format, reading)
    data = open_set(dataset, choice)
    if not (as_json or quiet):
        shared.print_said(data.said)
    with ExitStack() as stack:
        given = net_options.deploy_net(deploy, quiet, weights)
        weights = stack.enter_context(net_options.weights_file(given, weights))
        net = net_options.load(given, weights, options, threshold=threshold)
        prepare = prepare.fitted(net.graph)
        if size is None and protocol == "single":
            wanted_size = (net.shape[3], net.shape[2])
        detector = EvalNet(
            *(net, weights, prepare, protocol, wanted_size, batch, threshold, half),
            deploy=given,
            device=options["device"],
        )
        wanted = EvalOptions(
            limit, rules(iou, extras, missing=missing), out is not None, worst or 0
        )
        folder = out or stack.enter_context(scratch())
        track = shared.tracker(quiet)
        try:
            with pool_of(on, quiet) as pool:
                report = evaluate(data, detector, folder, wanted, track, pool)
        except KeyboardInterrupt:
            if out is None:
                raise
            shared.say("interrupted; the same command goes on from here", err=True)
            click.get_current_context().exit(STOPPED)
    if as_json:
        shared.print_json({**report.to_json(), "speed": _speed(report)})
    elif not quiet:
        _print(report, out)


def _speed(report: Report) -> dict[str, float | int]:
    rate = report.detected / report.seconds if report.seconds else 0.0
    return {
        "detected": report.detected,
        "resumed": report.resumed,
        "seconds": round(report.seconds, 3),
        "pictures_per_second": round(rate, 2),
    }


def _print(report: Report, out: Path | None) -> None:
    print_scores(report.scores)
    shared.say()
    rows = [[name.replace("_", " "), value] for name, value in report.made_with.items()]
    shared.print_table(rows)
    speed = _speed(report)
    shared.say()
    shared.say(f"{report.detected:,} pictures detected, {speed['pictures_per_second']} pictures/s")
    if report.resumed:
        shared.say(f"{report.resumed:,} pictures had been detected before")
    if out is not None:
        shared.say(f"{len(report.drawn)} pictures drawn; all is in {out}")
