"""``ssd-data export``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.core.registry import WRITERS

if TYPE_CHECKING:
    from ssd_data.data.export import ExportResult


@click.command(short_help="Write an LMDB back to pictures and annotations.")
@click.argument("lmdb", type=shared.PATH)
@click.option("--to", type=click.Choice(WRITERS.names()), required=True, help="The layout.")
@shared.out_option("Folder to write; must not exist, or be empty.", required=True)
@click.option(
    "--labelmap",
    type=shared.PATH,
    help="What the labels mean.  [default: labelmap.prototxt beside or in LMDB]",
)
@click.option(
    "--split",
    metavar="NAME",
    help="The split's name.  [default: that in LMDB's name, <NAME>_<split>_lmdb; else all]",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only N of the records, chosen at random, always the same.",
)
@click.option(
    "--classes",
    default="",
    metavar="A,B",
    help="Only boxes of these classes, and records that have one.",
)
@shared.output_options
def command(
    lmdb: Path,
    to: str,
    out: Path,
    labelmap: Path | None,
    split: str | None,
    sample: int | None,
    classes: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the records of LMDB, made here or by Caffe, as a VOC tree, a COCO or a YOLO folder.

    The pictures' bytes stay as they are stored (raw values become PNG), and what is built from the
    result has the same boxes to the bit, but for those of resized pictures that no pixels can
    state: they are counted. Keys stay the same where they have a JPEGImages folder (voc), or start
    with the split's name (coco; so name it: --split val2017).

    \b
    Examples:
      ssd-data export VOC0712/VOC0712_test_lmdb --to coco -o test_coco
      ssd-data export trainval_lmdb --to voc -o small --sample 100 --classes cat,dog
      ssd-data export old_lmdb --to voc -o old --labelmap labelmap_voc.prototxt
    """
    from ssd_data.data.export import export

    result = export(
        lmdb,
        to,
        out,
        labelmap=shared.read_names(labelmap),
        split=split,
        sample=sample,
        classes=[name for name in classes.split(",") if name],
        track=shared.tracker(quiet),
    )
    if as_json:
        shared.print_json(result.to_json())
    elif not quiet:
        _print(result)


def _print(result: ExportResult) -> None:
    import shlex

    columns = ["split", "pictures", "boxes", "difficult", "rounded", "renamed"]
    row = [getattr(result, column) for column in columns]
    shared.print_table([columns, row], right=range(1, len(columns)))
    for kind, entry in result.notes.kinds.items():
        shared.print_listed(f"{entry.count} x {kind}", entry.listed, entry.count)
    shared.say(f"done: {result.out}")
    shared.say(f"to build it again: {shlex.join(result.command)}")
