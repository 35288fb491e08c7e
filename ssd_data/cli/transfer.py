"""``ssd-data transfer``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared

if TYPE_CHECKING:
    from ssd_data.nets.edit.transfer import Transfer

SHOWN = 8
_SAID = {
    "background": "the background",
    "name": "the same name",
    "synonym": "another spelling",
    "map": "--map",
    "like": "--like",
    "anew": "starts anew",
}


@click.command(short_help="Weights for other classes: heads by class name.")
@click.argument("weights", type=shared.PATH)
@click.option("--from", "old", type=shared.PATH, required=True, help="Labelmap of the weights.")
@click.option("--to", "new", type=shared.PATH, required=True, help="Labelmap of the net.")
@click.option("--net", type=shared.PATH, required=True, help="Prototxt of the net to train.")
@shared.out_option("Caffemodel to write.", required=True)
@click.option("--map", "renamed", multiple=True, metavar="NEW=OLD", help="NEW is OLD; repeatable.")
@click.option(
    "--like",
    multiple=True,
    metavar="NEW=OLD",
    help="NEW, which WEIGHTS do not know, starts from OLD; repeatable.  [default: by the filler]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of fillers.  [default: 0]")
@click.option("--redo", is_flag=True, help="Replace what is there.")
@shared.output_options
def command(
    weights: Path,
    old: Path,
    new: Path,
    net: Path,
    out: Path,
    renamed: tuple[str, ...],
    like: tuple[str, ...],
    seed: int,
    redo: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Move WEIGHTS, a caffemodel, into a net of other classes.

    The confidence heads are found through the net; their outputs are moved by class name, as people
    see it (display_name), with VOC's and COCO's six spellings of the same thing. All other layers
    are taken by name, if their shape is the net's.

    \b
    Example:
      ssd-data transfer coco.caffemodel --from labelmap_coco.prototxt \\
        --to labelmap_voc.prototxt --net train.prototxt -o voc_start.caffemodel
    """
    from ssd_data.core.files.together import write_one
    from ssd_data.core.labelmap import read_labelmap
    from ssd_data.nets.caffemodel import read_caffemodel, to_bytes
    from ssd_data.nets.edit.classes import assign
    from ssd_data.nets.edit.transfer import transfer
    from ssd_data.nets.prepare import read_either

    labelmap = read_labelmap(old)
    tables = shared.parse_map(renamed), shared.parse_map(like, "--like")
    classes = assign(labelmap, read_labelmap(new), *tables)
    graph = read_either(net)
    result = transfer(read_caffemodel(weights), labelmap, graph, classes, seed)
    write_one(out, to_bytes(graph.net, result.layers), redo=redo)
    if as_json:
        shared.print_json(_json(result, out))
    elif not quiet:
        _print(result, out)


def _json(result: Transfer, out: Path) -> dict[str, object]:
    return {
        "classes": [asdict(row) for row in result.classes],
        "heads": [dict(zip(("layer", "from", "priors"), x, strict=True)) for x in result.heads],
        "kept": result.kept,
        "anew": result.anew,
        "left_out": result.left_out,
        "file": str(out),
    }


def _print(result: Transfer, out: Path) -> None:
    rows: list[list[object]] = [["label", "class", "from", "old class", "by"]]
    for row in result.classes:
        source = "" if row.source is None else row.source
        rows.append([row.label, row.name, source, row.source_name, _SAID[row.how]])
    shared.print_table(rows, right=[0, 2])
    shared.say()
    heads: list[list[object]] = [["head", "from", "priors a place"], *map(list, result.heads)]
    shared.print_table(heads, right=[2])
    shared.say()
    shared.say(f"{len(result.kept)} other layers kept")
    for title, names in (("start anew", result.anew), ("left out", result.left_out)):
        if names:
            shared.say(f"{len(names)} layers {title}:")
            for name in names[:SHOWN]:
                shared.say(f"  {name}")
            if len(names) > SHOWN:
                shared.say(f"  … and {len(names) - SHOWN} more")
    shared.say(f"done: {out}")
