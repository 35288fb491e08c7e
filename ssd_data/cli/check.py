"""``ssd-data check``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.reading import reading_of, reading_options
from ssd_data.core.legible import count_of

if TYPE_CHECKING:
    from ssd_data.data.check.findings import Finding, Findings

SHOWN = 3


@click.command(short_help="Find what would make training fail or learn nonsense.")
@click.argument("what", metavar="LMDB|DATASET")
@click.option("--root", type=shared.PATH, help="Where a recipe's files lie.")
@click.option("--labelmap", type=shared.PATH, help="Labelmap to use instead of the one found.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Split of a build or data set; repeatable.  [default: all of a build; those linked]",
)
@click.option(
    "--decode/--no-decode",
    default=True,
    help="Decode all pixels, or read pictures' headers only.  [default: --decode]",
)
@shared.format_option
@reading_options()
@shared.output_options
def command(
    what: str,
    root: Path | None,
    labelmap: Path | None,
    splits: tuple[str, ...],
    decode: bool,
    format: str,
    follow_links: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Check an LMDB, all LMDBs of a build's folder, or a raw data set before it is built.

    DATASET is what 'ssd-data build' takes; nothing is written. Give it the options of that build
    that say how annotations are read, and it says what that build would. The exit status is 1 if
    there are errors, 0 with warnings only.

    \b
    Examples:
      ssd-data check VOC0712
      ssd-data check trainval_lmdb --no-decode
      ssd-data check voc0712 --root VOCdevkit --split trainval
    """
    from ssd_data.data.check.check import check

    findings = check(
        what,
        shared.read_names(labelmap),
        splits,
        root=root,
        format=format,
        follow_links=follow_links,
        reading=reading_of(options),
        decode=decode,
        track=shared.tracker(quiet),
    )
    if as_json:
        shared.print_json(findings.to_json())
    else:
        _print(findings, quiet)
    if findings.errors:
        click.get_current_context().exit(1)


def _print(findings: Findings, quiet: bool) -> None:
    if not quiet:
        rows: list[list[object]] = [["checked", "records", "boxes"]]
        rows += [[table[key] for key in ("name", "records", "boxes")] for table in findings.checked]
        shared.print_table(rows, right=[1, 2])
        shared.say(f"labelmap: {findings.labelmap or 'none'}")
        shared.print_left_out(findings.left_out, "checked")
        shared.say()
    _print_all("errors", findings.errors)
    if not quiet:
        _print_all("warnings", findings.warnings)
        shared.say(f"{_count(findings.errors, 'error')}, {_count(findings.warnings, 'warning')}")


def _count(found: list[Finding], what: str) -> str:
    count = sum(finding.count for finding in found)
    return count_of(count, what) if count else f"no {what}s"


def _print_all(title: str, found: list[Finding]) -> None:
    if not found:
        return
    width = max(len(str(finding.count)) for finding in found)
    shared.say(f"{title}:")
    for finding in found:
        shared.say(f"  {finding.count:{width}} x {finding.message}  [{finding.kind}]")
        for place in finding.places[:SHOWN]:
            if place:
                shared.say(f"  {'':{width}}     {place}")
        if finding.count > SHOWN:
            shared.say(f"  {'':{width}}     … and {finding.count - SHOWN} more")
    shared.say()
