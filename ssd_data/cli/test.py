"""``ssd-data test``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import offered_option
from ssd_data.metrics import SSD_VERSIONS
from ssd_data.training.options import TrainOptions

if TYPE_CHECKING:
    from ssd_data.training.save_output import Saver
    from ssd_data.training.testing import NetScores


@click.command(short_help="Score weights as the original's test phase does.")
@click.argument("net", metavar="SOLVER|TEST_PROTOTXT", type=shared.PATH)
@click.option("--weights", type=shared.PATH, required=True, help="The caffemodel.")
@click.option(
    "--iterations",
    type=click.IntRange(1),
    metavar="N",
    help="Batches.  [default: the solver's test_iter; of a net alone, all records once]",
)
@click.option(
    "--ap-version",
    type=click.Choice(SSD_VERSIONS),
    help="Which average precision.  [default: the solver's, else 11point]",
)
@click.option(
    "--labelmap",
    type=shared.PATH,
    help="Names the classes.  [default: the net's own label_map_file, where it is there]",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="cpu, cuda, cuda:1 or auto."
)
@offered_option(TrainOptions, "write_in")
@shared.output_options
def command(net: Path, weights: Path, as_json: bool, quiet: bool, **options: Any) -> None:
    """Run the test net of a solver, or a test net, with WEIGHTS, and print mAP, per class too.

    The sums are the original's (DetectionEvaluate, then the solver's AP), on the LMDB that the
    net's data layer names. Where DetectionOutput has a save_output_param, the files that it asks
    for are written (VOC's comp4_det_test_<class>.txt, COCO's or ILSVRC's results).

    \b
    Examples:
      ssd-data test solver.prototxt --weights ssd_iter_120000.caffemodel
      ssd-data test test.prototxt --weights net.caffemodel --ap-version MaxIntegral
    """  # fmt: skip
    from ssd_data.training.testing import test

    results = test(net, weights, **options)
    if as_json:
        shared.print_json({"nets": [_table(result) for result in results]})
        return
    for result in results:
        if not quiet and result.classes:
            rows: list[list[object]] = [["class", "AP"]]
            rows += [[name, f"{ap:.4f}"] for name, ap in result.classes]
            shared.print_table(rows, right=[1])
        kind = f" ({result.ap_version})" if result.ap_version else ""
        for i, (name, value) in enumerate(result.tested.outputs):
            shared.say(f"Test net output #{i}: {name} = {value:.8g}{kind}")
        for saver in () if quiet else result.savers:
            _print_files(saver)


def _print_files(saver: Saver) -> None:
    if saver.files:
        count = "1 file" if len(saver.files) == 1 else f"{len(saver.files)} files"
        shared.say(f"{count} of detections in {saver.folder}")
    if saver.seen:
        shared.say(
            f"note: save_output_param: {saver.seen} of the {saver.wanted} pictures that it takes "
            f"to write files into {saver.folder}",
            err=True,
        )


def _table(result: NetScores) -> dict[str, Any]:
    return {
        "outputs": result.outputs,
        "per_class": result.tested.per_class,
        "ap_version": result.ap_version,
        "loss": result.tested.loss,
        "files": result.files,
    }
