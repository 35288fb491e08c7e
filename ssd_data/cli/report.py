"""``ssd-data report``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli import shared

if TYPE_CHECKING:
    from ssd_data.report.subject import Subject


@click.command(short_help="Make a page of what a build or an LMDB holds.")
@click.argument("what", metavar="LMDB|BUILD_DIR", type=shared.PATH)
@click.argument("second", metavar="[SECOND]", type=shared.PATH, required=False)
@shared.out_option("The page, one HTML file; one that is there is replaced.", metavar="FILE")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Split of a build; repeatable.  [default: all]",
)
@click.option(
    "--pictures",
    type=click.IntRange(0, 100),
    default=6,
    show_default=True,
    metavar="N",
    help="Pictures of each kind in the gallery of a split.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the pictures at random.")
@click.option("--labelmap", type=shared.PATH, help="Labelmap to use instead of the one found.")
@click.option(
    "--decode/--no-decode",
    default=True,
    help="Decode all pixels, or read pictures' headers only.  [default: --decode]",
)
@shared.json_option
@shared.quiet_option
def command(
    what: Path,
    second: Path | None,
    out: Path | None,
    splits: tuple[str, ...],
    pictures: int,
    seed: int,
    labelmap: Path | None,
    decode: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make one HTML page of what a build or an LMDB holds; of two, side by side.

    What it is and how it was built; counts and class balance; what 'ssd-data check' finds; sizes,
    aspect ratios and positions of boxes; sizes of pictures; pictures with their boxes: at random,
    the most crowded, the smallest boxes, suspicious ones. The page is one file, loads nothing and
    runs no script.

    \b
    Examples:
      ssd-data report VOC0712 -o voc.html
      ssd-data report trainval_lmdb -o page.html --no-decode --pictures 12
      ssd-data report FACES FACES_cleaned -o compared.html
    """
    from ssd_data.labelmap import read_labelmap
    from ssd_data.report import require_templates

    if out is None:
        raise click.UsageError("Give -o FILE, the page.")
    if out.is_dir():
        raise click.UsageError(f"{out} is a folder; give -o a file such as {out / 'page.html'}")
    require_templates()
    from ssd_data.report.data_page import data_page
    from ssd_data.report.render import write_page
    from ssd_data.report.subject import gather

    names = None if labelmap is None else read_labelmap(labelmap)
    track = (lambda items, total, name: items) if quiet else shared.track
    subjects = [
        gather(path, splits=splits, labelmap=names, decode=decode, track=track)
        for path in (what, *([] if second is None else [second]))
    ]
    size = write_page(data_page(subjects, pictures, seed), out)
    if as_json:
        table = {"page": out, "bytes": size, "subjects": [_table(subject) for subject in subjects]}
        shared.print_json(table)
    elif not quiet:
        click.echo(f"{out}: {size / 1e6:.1f} MB; open it in a browser")


def _table(subject: Subject) -> dict[str, Any]:
    return {
        "path": subject.path,
        "splits": {split.name: split.summary for split in subject.splits},
        "findings": subject.findings.to_json(),
    }
