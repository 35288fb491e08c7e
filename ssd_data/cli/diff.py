"""``ssd-data diff``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared

if TYPE_CHECKING:
    from ssd_data.data.diff import DataDifference


@click.command(short_help="Show what differs between two data sets, builds or LMDBs.")
@click.argument("first", type=shared.PATH)
@click.argument("second", type=shared.PATH)
@click.option("--root", type=shared.PATH, help="Where a recipe's files lie.")
@shared.output_options
def command(first: Path, second: Path, root: Path | None, as_json: bool, quiet: bool) -> None:
    """Hold FIRST against SECOND: each an LMDB, a build's folder, or what 'ssd-data build' takes.

    Pictures are matched by path, else by name; boxes by overlap. The exit status is 1 if anything
    differs.

    \b
    Examples:
      ssd-data diff my_voc my_yolo
      ssd-data diff old_lmdb VOC0712/VOC0712_test_lmdb
      ssd-data diff my_voc my_lmdbs
    """
    from ssd_data.data.diff import diff

    found = diff(first, second, root=root, track=shared.tracker(quiet))
    if as_json:
        shared.print_json(found.to_json())
    elif not quiet:
        _print(found)
    if found:
        click.get_current_context().exit(1)


def _print(found: DataDifference) -> None:
    rows: list[list[object]] = [["", *found.names, "in both"]]
    rows += [["pictures", *found.pictures, found.common], ["boxes", *found.boxes, found.same]]
    rows += [[name, *counts, ""] for name, counts in found.classes.items()]
    shared.print_table(rows, right=range(1, 4))
    for kind, entry in found.found.kinds.items():
        shared.print_listed(f"{entry.count} x {kind}", entry.listed, entry.count)
    if found.farthest:
        shared.say(f"the farthest corner has moved by {found.farthest:.3g} pixels")
    shared.say("they differ" if found else "no difference")
