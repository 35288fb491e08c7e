"""``ssd-data merge-bn``"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import net_options, shared
from ssd_data.core.files.there import is_there
from ssd_data.core.legible import few

if TYPE_CHECKING:
    from ssd_data.evaluation.compare import Difference
    from ssd_data.nets.edit.merge_bn import Merge
    from ssd_data.nets.matching import TrainedNet


@click.command(short_help="Merge BatchNorm and Scale into the layers before them.")
@click.argument("deploy", type=shared.PATH)
@click.argument("weights", type=shared.PATH)
@shared.out_option("Folder for the merged net, under the same names.", required=True)
@click.option(
    "--eps", type=shared.Number(), help="Merge by this eps.  [default: each BatchNorm's own]"
)
@click.option("--check/--no-check", default=True, help="Compare outputs (needs PyTorch), or not.")
@click.option("--redo", is_flag=True, help="Replace what is there.")
@shared.output_options
def command(
    deploy: Path,
    weights: Path,
    out: Path,
    eps: float | None,
    check: bool,
    redo: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write DEPLOY (a prototxt) and WEIGHTS (a caffemodel) without BatchNorm and Scale.

    Layers are found through the net's graph: each BatchNorm or Scale that alone reads the output
    of a Convolution, Deconvolution or InnerProduct goes into it. Others stay, and are listed with
    the reason. Both nets compute random inputs, and the largest difference of their outputs (of a
    detector: of its locations and scores) is printed; nothing is written if it is more than 1e-4
    of the largest value. Of a net for training or testing its deploy form is merged.

    \b
    Example:
      ssd-data merge-bn deploy.prototxt wider_iter_90000.caffemodel -o merged
    """
    from ssd_data.core.files.together import refuse_others, write_together
    from ssd_data.nets.caffemodel import read_caffemodel, to_bytes
    from ssd_data.nets.edit.merge_bn import merge_bn
    from ssd_data.nets.edit.rewrite import merged_text
    from ssd_data.nets.matching import TrainedNet, with_scales
    from ssd_data.nets.prototxt import deploy_text, prototxt_text

    targets = (out / deploy.name, out / f"{weights.stem}.caffemodel")
    _refuse_itself(targets, (deploy, weights))
    graph = net_options.deploy_graph(deploy, quiet, weights)
    text = deploy_text(graph.net) if graph.made else prototxt_text(deploy)
    layers = read_caffemodel(weights).layers
    graph = with_scales(graph, layers)
    given = TrainedNet(graph, layers)
    merge = merge_bn(given, eps)
    _refuse_lost(merge, given)
    contents = {
        targets[0].name: merged_text(text, graph, merge).encode(),
        targets[1].name: to_bytes(merge.merged.graph.net, merge.merged.layers),
    }
    refuse_others(out, contents, redo)
    proof = _prove(given, merge, eps) if check else {}
    write_together(out, contents, redo=redo)
    result = {
        "rows": [asdict(row) for row in merge.rows],
        "left_out": merge.left_out,
        "differences": proof,
        "files": [str(path) for path in targets],
    }
    if as_json:
        shared.print_json(result)
    elif not quiet:
        _print(merge, proof, result["files"])


def _refuse_itself(targets: tuple[Path, Path], sources: tuple[Path, Path]) -> None:
    from ssd_data.core.errors import UsageError

    for target, source in zip(targets, sources, strict=True):
        if is_there(target) and is_there(source) and target.samefile(source):
            raise UsageError("is the net to be merged", where=target, hint="Give another folder")


def _refuse_lost(merge: Merge, given: TrainedNet) -> None:
    """A merged prototxt with weights that are not merged: their BatchNorm would get lost."""
    from ssd_data.core.errors import InputError

    lost = [layer.name for layer in given.layers if layer.type == "BatchNorm"]
    if lost and not merge.rows:
        raise InputError(
            f'the caffemodel has {len(lost)} BatchNorm, such as "{lost[0]}", and the prototxt none',
            where=given.graph.origin,
            hint="Give the prototxt that it was trained with: both are merged together",
        )


def _prove(given: TrainedNet, merge: Merge, eps: float | None) -> dict[str, Any]:
    """Differences to the net by that eps and, where that makes it another, to the net itself."""
    from ssd_data.evaluation.compare import compare_nets, require_equal

    found = compare_nets(replace(given, graph=merge.reference), merge.merged)
    require_equal(found, given.graph.origin, "; --no-check writes it all the same")
    proof = {"merged": [_row(d) for d in found]}
    if eps is not None:
        proof["own eps"] = [_row(d) for d in compare_nets(given, merge.merged)]
    return proof


def _row(found: Difference) -> dict[str, Any]:
    return {"name": found.output, "largest": found.largest, "scale": found.scale}


def _print(merge: Merge, proof: dict[str, Any], files: Any) -> None:
    taken: dict[str, list[str]] = {}
    for row in merge.rows:
        if row.into:
            taken.setdefault(row.into, []).append(f"{row.type} {row.name}")
    if taken:
        shared.print_table([["layer", "took in"], *([k, few(v)] for k, v in taken.items())])
    kept = [[row.name, row.type, row.reason] for row in merge.rows if not row.into]
    if kept:
        shared.say()
        shared.print_table([["kept", "type", "because it"], *kept])
    count = len(merge.into)
    if not merge.rows:
        shared.say("nothing to merge: the net has no BatchNorm and no Scale (any more)")
    shared.say()
    shared.say(f"{count} of {len(merge.rows)} merged, {len(merge.rows) - count} kept")
    if merge.left_out:
        shared.say(f"left out, not in the net: {few(merge.left_out, 12)}")
    titles = {"merged": "to the net before", "own eps": "to the net with its own eps"}
    for key, differences in proof.items():
        for found in differences:
            text = f"{found['largest']:.1e} (values up to {found['scale']:.3g})"
            shared.say(f"largest difference {titles[key]}, in {found['name']}: {text}")
    shared.say(f"done: {files[0]}, {files[1]}")
