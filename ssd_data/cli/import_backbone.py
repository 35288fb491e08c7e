"""``ssd-data import-backbone``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.core.legible import few

if TYPE_CHECKING:
    from ssd_data.nets.edit.import_backbone import Imported
    from ssd_data.nets.graph import Graph
    from ssd_data.nets.preprocessing import Preprocessing

SHOWN = 6


@click.command(short_help="A PyTorch MobileNet's weights for a net here.")
@click.argument("state", type=shared.PATH)
@click.option("--net", type=shared.PATH, required=True, help="Prototxt of the net to train.")
@shared.out_option("Caffemodel to write.", required=True)
@click.option("--mean", metavar="R,G,B", default="0.485,0.456,0.406", show_default=True,
              help="Mean that STATE was trained with, of values 0 to 1.")  # fmt: skip
@click.option("--std", metavar="R,G,B", default="0.229,0.224,0.225", show_default=True,
              help="Standard deviation likewise.")  # fmt: skip
@click.option(
    "--eps", type=shared.Number(), default=1e-5, help="Of STATE's BatchNorm.  [default: 1e-5]"
)
@click.option("--net-mean", metavar="B,G,R", help="Mean of the net, 0 to 255.  [default: its own]")
@click.option(
    "--net-scale", type=shared.Number(), help="Factor of the net.  [default: its own, or 1]"
)
@click.option("--redo", is_flag=True, help="Replace what is there.")
@shared.output_options
def command(
    state: Path,
    net: Path,
    out: Path,
    mean: str,
    std: str,
    eps: float,
    net_mean: str | None,
    net_scale: float | None,
    redo: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the ImageNet weights in STATE as a caffemodel for the body of a net.

    STATE is a state dict on disk, .pth (only tensors in it are read) or .safetensors, of
    torchvision's mobilenet_v2 or timm's mobilenetv1_100 or mobilenetv2_100. Colour order, means,
    scales and eps are made up for; heads and extra layers start anew.

    \b
    Example:
      ssd-data import-backbone mobilenet_v2.pth --net train.prototxt -o start.caffemodel
    """
    from ssd_data.core.errors import UsageError
    from ssd_data.core.files.together import write_one
    from ssd_data.engines.torch import require_torch
    from ssd_data.nets.caffemodel import to_bytes
    from ssd_data.nets.edit.import_backbone import Backbone, import_backbone
    from ssd_data.nets.graph import read_graph

    source = Backbone(_three(mean, "--mean"), _three(std, "--std", positive=True), eps)
    if not 0 <= eps < 1:
        raise UsageError(f"--eps is {eps}, not in 0 … 1")
    require_torch()
    from ssd_data.engines.torch.statedict import read_state_dict

    graph = read_graph(net, "TRAIN")
    inputs = _inputs(graph, net_mean, net_scale)
    result = import_backbone(read_state_dict(state), graph, inputs, source)
    write_one(out, to_bytes(graph.net, result.layers), redo=redo)
    if as_json:
        table = {"kind": result.kind, "left_out": result.left_out, "notes": result.notes}
        shared.print_json(table | {"taken": dict(result.taken), "file": str(out)})
    elif not quiet:
        _print(result, inputs, out)


def _three(text: str, option: str, positive: bool = False) -> tuple[float, float, float]:
    import math

    try:
        first, second, third = (float(word) for word in text.split(","))
    except ValueError:
        raise click.BadParameter(f'"{text}" is not three numbers', param_hint=option) from None
    if not all(math.isfinite(n) and (n > 0 or not positive) for n in (first, second, third)):
        raise click.BadParameter(f'"{text}" has a number out of range', param_hint=option)
    return first, second, third


def _inputs(graph: Graph, mean: str | None, scale: float | None) -> Preprocessing:
    from ssd_data.core.errors import InputError, UsageError
    from ssd_data.nets.preprocessing import Preprocessing, from_transform

    if scale is not None and not 0 < scale < float("inf"):
        raise UsageError(f"--net-scale is {scale}, not above 0")
    found = [node for node in graph.nodes if node.param.HasField("transform_param")]
    if mean is None:
        if not found:
            raise InputError(
                "no layer has a transform_param",
                where=graph.origin,
                hint="Say what the net sees of a picture: --net-mean B,G,R and --net-scale",
            )
        own = from_transform(found[0].param.transform_param, found[0].where)
        means = own.mean * (3 // len(own.mean))
        return Preprocessing(means, own.scale if scale is None else scale)
    if scale is None:
        scale = found[0].param.transform_param.scale if found else 1.0
    return Preprocessing(_three(mean, "--net-mean"), scale)


def _print(result: Imported, inputs: Preprocessing, out: Path) -> None:
    rows = [["convolution", "from"], *map(list, result.taken)]
    shared.print_table([*rows[:SHOWN], ["…", "…"], rows[-1]] if len(rows) > SHOWN + 2 else rows)
    shared.say()
    shared.say(f"{result.kind}: {len(result.taken)} convolutions with their normalisation")
    mean = ", ".join(f"{value:g}" for value in inputs.mean)
    shared.say(f"the net sees (value - mean) * {inputs.scale:g}, mean {mean} (BGR)")
    if result.left_out:
        shared.say(f"left out: {few(result.left_out, 12)}")
    for note in result.notes:
        shared.say(f"note: {note}")
    shared.say(f"done: {out}")
