"""``ssd-data test``"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.nets.graph import Graph
    from ssd_data.proto import caffe_pb2
    from ssd_data.training.events import Tested
    from ssd_data.training.saving import Saver


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
    type=click.Choice(["11point", "MaxIntegral", "Integral"]),
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
@shared.json_option
@shared.quiet_option
def command(
    net: Path,
    weights: Path,
    iterations: int | None,
    ap_version: str | None,
    labelmap: Path | None,
    device: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the test net of a solver, or a test net, with WEIGHTS, and print mAP, per class too.

    The sums are the original's (DetectionEvaluate, then the solver's AP), on the LMDB that the
    net's data layer names. Where DetectionOutput has a save_output_param, the files that it asks
    for are written (VOC's comp4_det_test_<class>.txt, COCO's or ILSVRC's results).

    \b
    Examples:
      ssd-data test solver.prototxt --weights ssd_iter_120000.caffemodel
      ssd-data test test.prototxt --weights net.caffemodel --ap-version MaxIntegral
    """  # fmt: skip
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.core.labelmap import read_labelmap
    from ssd_data.engines.torch.net import Net
    from ssd_data.training.testing import attach_savers, nets_to_test, run_test

    names = None if labelmap is None else read_labelmap(labelmap)
    found = nets_to_test(net, iterations)
    if names is None:
        names = _own_labelmap(found[0][0])
    results: list[tuple[Tested, caffe_pb2.SolverParameter, list[Saver]]] = []
    for graph, param, count in found:
        if ap_version is not None:
            param.ap_version = ap_version
        loaded = Net(graph, weights=weights, device=device)
        tested = run_test(loaded, count, param, index=len(results))
        assert tested is not None
        results.append((tested, param, attach_savers(loaded)))
    if as_json:
        shared.print_json({"nets": [_table(*result) for result in results]})
        return
    for tested, param, savers in results:
        if not quiet and tested.per_class:
            rows: list[list[object]] = [["class", "AP"]]
            for label, ap in tested.per_class.items():
                rows.append([names.display_name(label) if names else f"class{label}", f"{ap:.4f}"])
            shared.print_table(rows, right=[1])
        for i, (name, value) in enumerate(tested.outputs):
            kind = f" ({param.ap_version})" if param.eval_type == "detection" else ""
            click.echo(f"Test net output #{i}: {name} = {value:.8g}{kind}")
        for saver in () if quiet else savers:
            _print_files(saver)


def _own_labelmap(graph: Graph) -> LabelMap | None:
    """The one that the data layer names; nothing computes with it, so it need not be sound."""
    from ssd_data.core.errors import InputError
    from ssd_data.core.labelmap import read_labelmap

    for node in graph.nodes:
        if name := node.param.annotated_data_param.label_map_file:
            with suppress(InputError):
                return read_labelmap(name)
    return None


def _print_files(saver: Saver) -> None:
    if saver.files:
        count = "1 file" if len(saver.files) == 1 else f"{len(saver.files)} files"
        click.echo(f"{count} of detections in {saver.folder}")
    if saver.seen:
        click.echo(
            f"note: save_output_param: {saver.seen} of the {saver.wanted} pictures that it takes "
            f"to write files into {saver.folder}",
            err=True,
        )


def _table(tested: Tested, param: caffe_pb2.SolverParameter, savers: list[Saver]) -> dict[str, Any]:
    return {
        "outputs": dict(tested.outputs),
        "per_class": tested.per_class,
        "ap_version": param.ap_version if param.eval_type == "detection" else None,
        "loss": tested.loss,
        "files": [file for saver in savers for file in saver.files],
    }
