"""``ssd-data diff``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.reading import reading_of, reading_options

if TYPE_CHECKING:
    from ssd_data.data.diff import DataDifference


@click.command(short_help="Show what differs between two data sets, builds or LMDBs.")
@click.argument("first", type=shared.PATH)
@click.argument("second", type=shared.PATH)
@click.option("--root", type=shared.PATH, help="Where a recipe's files lie.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="Read folders as this format; given twice, FIRST and SECOND.",
)
@reading_options()
@shared.output_options
def command(
    first: Path,
    second: Path,
    root: Path | None,
    formats: tuple[str, ...],
    follow_links: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Hold FIRST against SECOND: each an LMDB, a build's folder, or what 'ssd-data build' takes.

    Pictures are matched by path, else by name, else by their bytes; boxes by overlap. The options
    say how raw data sets are read, as those of 'ssd-data build' do; pictures without an annotation
    have no boxes unless --unannotated says otherwise. The exit status is 1 if anything differs.

    \b
    Examples:
      ssd-data diff my_voc my_yolo
      ssd-data diff old_lmdb VOC0712/VOC0712_test_lmdb
      ssd-data diff my_voc my_lmdbs
    """
    from ssd_data.data.diff import diff

    found = diff(
        first,
        second,
        root=root,
        follow_links=follow_links,
        format=formats[0] if len(formats) == 1 else formats or "",
        reading=reading_of(options),
        track=shared.tracker(quiet),
    )
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
    for name, notes in zip(found.names, found.notes, strict=True):
        for kind, entry in notes.kinds.items():
            shared.print_listed(f"{name}: {entry.count} x {kind}", entry.listed, entry.count)
    for kind, entry in found.found.kinds.items():
        shared.print_listed(f"{entry.count} x {kind}", entry.listed, entry.count)
    if found.farthest:
        shared.say(f"the farthest corner has moved by {found.farthest:.3g} pixels")
    shared.say("they differ" if found else "no difference")
