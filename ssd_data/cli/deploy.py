"""``ssd-data deploy``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import net_options, shared
from ssd_data.core.registry import TARGETS

if TYPE_CHECKING:
    from ssd_data.deploy.targets import Shipped


@click.command(short_help="Ship a trained net: for OpenCV and ncnn, NPUs, or as ONNX.")
@click.argument("deploy", metavar="DEPLOY|RUN_DIR", type=shared.PATH)
@click.argument("weights", metavar="[WEIGHTS]", required=False, type=shared.PATH)
@click.option(
    "--profile",
    type=click.Choice(TARGETS.names()),
    required=True,
    help="For whom.",
)
@shared.out_option("A new folder for it.", required=True)
@click.option("--labelmap", type=shared.PATH, help="Names the classes.")
@click.option(
    "--relu6",
    type=click.Choice(["layers", "keep", "relu"]),
    help="caffe-ssd, npu: write ReLU6 as equal standard layers, keep it, or write a plain ReLU, "
    "whose cost is measured.  [default: layers]",
)
@click.option(
    "--head",
    type=click.Choice(["raw", "decoded", "nms"]),
    help="onnx: end with locations and confidences; with boxes and scores; or with detections.  "
    "[default: nms]",
)
@click.option("--dynamic-batch", is_flag=True, help="onnx: take batches of any size.")
@click.option("--half", is_flag=True, help="onnx: half precision within; its loss is measured.")
@click.option("--int8", is_flag=True, help="onnx: 8-bit convolutions; the loss is measured.")
@click.option("--calibrate", type=shared.PATH, metavar="LMDB", help="--int8: whose pictures.")
@click.option(
    "--records",
    type=click.IntRange(1),
    metavar="N",
    help="--int8: how many of its records.  [default: 128]",
)
@click.option(
    "--test", type=shared.PATH, metavar="LMDB", help="onnx: score both nets on this (mAP)."
)
@click.option(
    "--pictures",
    type=shared.PATH,
    multiple=True,
    metavar="FILE|FOLDER",
    help="Compare on these (16 at most).  [default: noise and drawn pictures]",
)
@net_options.mean_options
@shared.json_option
@shared.quiet_option
def command(
    deploy: Path,
    weights: Path | None,
    profile: str,
    out: Path,
    labelmap: Path | None,
    relu6: str | None,
    head: str | None,
    dynamic_batch: bool,
    half: bool,
    int8: bool,
    calibrate: Path | None,
    records: int | None,
    test: Path | None,
    pictures: tuple[Path, ...],
    train: Path | None,
    family: str | None,
    mean: str | None,
    scale: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write DEPLOY (a prototxt) with WEIGHTS (a caffemodel) as others take it, into a new folder.

    The folder holds the net, a README.md of what it expects and gives, and the same as
    preprocess.json. What is written is run first and compared with the embedded engine: where it
    is not the same, nothing is written, and the difference is said.

    caffe-ssd: BatchNorm merged, standard layers alone. npu: the net up to its locations and
    confidences, the priors, and the rest in NumPy. onnx: one ONNX file.

    In the place of both, RUN_DIR is a folder with deploy.prototxt and the snapshots of a training:
    the one with the best test is taken, else the newest.

    \b
    Examples:
      ssd-data deploy deploy.prototxt net.caffemodel --profile caffe-ssd -o shipped
      ssd-data deploy deploy.prototxt net.caffemodel --profile onnx --head decoded -o shipped
      ssd-data deploy ssd --profile npu --labelmap labelmap.prototxt -o shipped
    """
    from ssd_data.core.labelmap import read_labelmap
    from ssd_data.deploy.targets import Options
    from ssd_data.deploy.targets import deploy as ship
    from ssd_data.training.run_folder import read_run_dir

    if weights is None:
        run = read_run_dir(deploy)
        deploy, weights, labelmap = run.deploy, run.weights, labelmap or run.labelmap
        if not quiet:
            click.echo(f"weights: {weights} ({run.why})", err=True)
    prepare = net_options.preprocessing(deploy, train, family, mean, scale)
    made = ship(
        profile,
        deploy,
        weights,
        out,
        prepare,
        labelmap=None if labelmap is None else read_labelmap(labelmap),
        options=Options(relu6, head, dynamic_batch, half, int8, calibrate, records, test),
        pictures=pictures,
    )
    if as_json:
        shared.print_json({"folder": str(made.folder), "files": made.files, **made.table})
    elif not quiet:
        _print(made)


def _print(made: Shipped) -> None:
    files = made.table["net"]["files"]
    for name in made.files:
        click.echo(f"{made.folder / name}" + (f": {files[name]}" if name in files else ""))
    for note in made.notes:
        click.echo(f"note: {note}")
    for proof in made.proofs:
        click.echo(f"equal to the embedded engine by {proof.sentence()}")
    for name, loss in made.table["losses"].items():
        click.echo(f"{name}:")
        shared.print_table(
            [
                ["  " + key.replace("_", " "), f"{v:.4g}" if isinstance(v, float) else v]
                for key, v in loss.items()
            ]
        )
