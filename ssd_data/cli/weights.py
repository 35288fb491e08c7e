"""``ssd-data weights show|diff|stats``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared

if TYPE_CHECKING:
    from ssd_data.nets.edit.stats import ArrayDifference, ArrayStats


@click.group(short_help="Look into caffemodels: shapes, ranges, differences.")
def command() -> None:
    """Look into caffemodels. Each command below takes --json and -q, --quiet.

    \b
    Examples:
      ssd-data weights show wider_iter_90000.caffemodel
      ssd-data weights diff before.caffemodel after.caffemodel
      ssd-data weights stats wider_iter_90000.caffemodel
    """


@command.command(short_help="Layers, types and shapes.")
@click.argument("file", type=shared.PATH)
@shared.output_options
def show(file: Path, as_json: bool, quiet: bool) -> None:
    """List the layers of FILE, a caffemodel, with the shapes of their arrays.

    \b
    Example:
      ssd-data weights show wider_iter_90000.caffemodel
    """
    from ssd_data.nets.caffemodel import read_caffemodel
    from ssd_data.nets.geometry import shape_text

    model = read_caffemodel(file)
    count = sum(array.size for layer in model.layers for array in layer.arrays)
    if as_json:
        layers = [
            {"name": x.name, "type": x.type, "shapes": [list(a.shape) for a in x.arrays]}
            for x in model.layers
        ]
        shared.print_json({"file": str(file), "net": model.name, "values": count, "layers": layers})
    elif not quiet:
        rows: list[list[object]] = [["layer", "type", "values", "shapes"]]
        for x in model.layers:
            shapes = ", ".join(shape_text(a.shape) for a in x.arrays)
            rows.append([x.name, x.type, sum(a.size for a in x.arrays), shapes])
        shared.print_table(rows, right=[2])
        name = f'"{model.name}"' if model.name else "without a name"
        shared.say()
        shared.say(f"{len(model.layers)} layers, {count:,} values, net {name}")


@command.command(short_help="What differs between two.")
@click.argument("first", type=shared.PATH)
@click.argument("second", type=shared.PATH)
@click.option(
    "--tolerance",
    type=shared.Number(min=0),
    default=0.0,
    help="Differences up to this part of an array's largest value count as none.  [default: 0]",
)
@shared.output_options
def diff(first: Path, second: Path, tolerance: float, as_json: bool, quiet: bool) -> None:
    """Compare the arrays of two caffemodels, layer by layer, by name.

    The exit status is 1 if they differ.

    \b
    Example:
      ssd-data weights diff merged.caffemodel theirs.caffemodel --tolerance 1e-5
    """
    from ssd_data.nets.caffemodel import read_caffemodel
    from ssd_data.nets.edit.stats import difference

    rows = difference(read_caffemodel(first).layers, read_caffemodel(second).layers)
    other = [row for row in rows if not _close(row, tolerance)]
    if as_json:
        table = {"arrays": len(rows), "different": len(other), "rows": [asdict(r) for r in rows]}
        shared.print_json(table)
    elif not quiet:
        _print_difference(rows, other)
    if other:
        click.get_current_context().exit(1)


@command.command(short_help="Ranges, dead channels, NaN.")
@click.argument("file", type=shared.PATH)
@shared.output_options
def stats(file: Path, as_json: bool, quiet: bool) -> None:
    """Ranges of the arrays of FILE, a caffemodel, and what looks ill: dead channels, NaN, infinity.

    Dead is an output whose weights, a BatchNorm's channel whose variance or a Scale's factor is
    less than a millionth of the layer's largest. The exit status is 1 if a value is no number.

    \b
    Example:
      ssd-data weights stats wider_iter_90000.caffemodel
    """
    from ssd_data.nets.caffemodel import read_caffemodel
    from ssd_data.nets.edit.stats import stats as collect

    rows = collect(read_caffemodel(file))
    ill = sum(row.nan + row.infinite for row in rows)
    if as_json:
        shared.print_json({"file": str(file), "arrays": [asdict(row) for row in rows]})
    elif not quiet:
        _print_stats(rows)
    if ill:
        click.get_current_context().exit(1)


def _close(row: ArrayDifference, tolerance: float) -> bool:
    small = row.state == "differs" and row.largest <= tolerance * row.scale
    return row.state == "same" or small


def _print_difference(rows: list[ArrayDifference], other: list[ArrayDifference]) -> None:
    table = [["layer", "array", "", "largest difference", "of values up to"]]
    for row in other:
        differs = row.state == "differs"
        numbers = [f"{row.largest:.2g}", f"{row.scale:.3g}"] if differs else [row.detail, ""]
        table.append([row.layer, str(row.index), row.state, *numbers])
    if other:
        shared.print_table(table, right=[1])
        shared.say()
    worst = max((r.largest / (r.scale or 1) for r in rows if r.state == "differs"), default=0.0)
    shared.say(f"{len(other)} of {len(rows)} arrays differ, by up to {worst:.2g} of their values")


def _print_stats(rows: list[ArrayStats]) -> None:
    from ssd_data.nets.geometry import shape_text

    table: list[list[object]] = [
        ["layer", "type", "array", "shape", "min", "max", "mean", "std", "zeros", "ill", "dead"]
    ]
    for r in rows:
        numbers = [f"{value:.3g}" for value in (r.least, r.most, r.mean, r.std)]
        dead = "" if r.dead is None else f"{r.dead} of {r.channels}"
        ill = r.nan + r.infinite
        named = (r.layer, r.type, r.index, shape_text(r.shape))
        table.append([*named, *numbers, r.zeros, ill, dead])
    shared.print_table(table, right=[2, *range(4, 11)])
    counts = {"NaN": sum(r.nan for r in rows), "infinite": sum(r.infinite for r in rows)}
    counts["dead channels"] = sum(r.dead or 0 for r in rows)
    said = ", ".join(f"{count or 'no'} {name}" for name, count in counts.items())
    shared.say()
    shared.say(f"{sum(r.count for r in rows):,} values in {len(rows)} arrays: {said}")
