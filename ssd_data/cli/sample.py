"""``ssd-data sample``"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.data.synthetic import LAYOUTS, SIZE, TEST, TRAIN

if TYPE_CHECKING:
    from ssd_data.data.synthetic.sample import LayoutResult


@click.command(short_help="Draw a small data set to try things with.")
@click.argument("folder", metavar="DIR", type=shared.PATH)
@click.option(
    "--layout",
    "layouts",
    type=click.Choice(LAYOUTS),
    multiple=True,
    help="Layout to write, into DIR/<layout>; repeatable.  [default: all three]",
)
@click.option(
    "--train", type=int, default=TRAIN, show_default=True, metavar="N", help="Training pictures."
)
@click.option(
    "--test", type=int, default=TEST, show_default=True, metavar="N", help="Test pictures."
)
@click.option(
    "--size",
    type=int,
    default=SIZE,
    show_default=True,
    metavar="N",
    help="About the pictures' sides, in pixels.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the drawing.")
@shared.output_options
def command(
    folder: Path, layouts: tuple[str, ...], as_json: bool, quiet: bool, **drawing: int
) -> None:
    """Draw a sample data set into DIR, which must not exist or be empty.

    Each picture shows one to six circles, squares and triangles that overlap and may leave it. All
    layouts hold the same pictures; in the WIDER FACE one the circles are the faces. The same seed
    and size give the same pictures and boxes.

    \b
    Examples:
      ssd-data sample shapes
      ssd-data sample shapes --layout voc --train 2000 --test 500
    """
    from ssd_data.data.synthetic.sample import draw_sample

    results = draw_sample(folder, layouts or LAYOUTS, track=shared.tracker(quiet), **drawing)
    if as_json:
        tables = {r.name: {**asdict(r), "next": _next(r)} for r in results}
        shared.print_json({"out": folder, "layouts": tables})
    elif not quiet:
        _print(results)


def _next(result: LayoutResult) -> str:
    return f"ssd-data build {shlex.quote(str(result.folder))}"


def _print(results: list[LayoutResult]) -> None:
    rows: list[list[object]] = [["layout", "folder", "split", "pictures", "boxes"]]
    for result in results:
        for split, count in result.splits.items():
            rows.append([result.name, result.folder, split, count.pictures, count.boxes])
    shared.print_table(rows, right=(3, 4))
    shared.say("next, for instance:")
    for result in results:
        shared.say(f"  {_next(result)}")
