"""``ssd-data labelmap``"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.reading import reading_of, reading_options

SHOWN = 100


@click.command(short_help="Write a labelmap, or check one against data.")
@click.argument("source", required=False)
@shared.out_option("File to write.  [default: standard output]")
@click.option("--names", metavar="A,B,…", help="Class names in the order of their labels.")
@click.option("--names-file", type=shared.PATH, help="Class names, one a line, as SOURCE too.")
@click.option("--check", type=shared.PATH, metavar="LABELMAP", help="Compare LABELMAP with SOURCE.")
@click.option("--root", type=shared.PATH, help="Where a recipe's files lie.")
@shared.format_option
@reading_options()
@click.option("--redo", is_flag=True, help="Replace the file if it is there.")
@shared.output_options
def command(
    source: str | None,
    out: Path | None,
    names: str | None,
    names_file: Path | None,
    check: Path | None,
    root: Path | None,
    format: str,
    follow_links: bool,
    redo: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the labelmap of SOURCE, or compare one with it.

    SOURCE is a recipe, a data set's folder (its annotations are scanned, names sorted), an LMDB or
    a labelmap; or give --names. A labelmap is Caffe's prototxt, TensorFlow's pbtxt or a file of
    names, one a line, in which a background that stands first is label 0; here as in every
    --labelmap. With --check every difference is named; exit status 1 if any.

    \b
    Examples:
      ssd-data labelmap voc0712 -o labelmap.prototxt
      ssd-data labelmap --names face -o labelmap.prototxt
      ssd-data labelmap label_map.pbtxt -o labelmap.prototxt
      ssd-data labelmap --check labelmap.prototxt VOC0712/VOC0712_test_lmdb
    """
    from ssd_data.core.classes.names_file import class_names
    from ssd_data.core.labelmap import LabelMap, read_labelmap, write_labelmap
    from ssd_data.data.build.agreement import disagreements, labelmap_of

    if [source, names, names_file].count(None) != 2:
        raise click.UsageError("Give one of SOURCE, --names and --names-file.")
    raw: dict[str, Any] = {"format": format, "follow_links": follow_links}
    raw["reading"] = reading_of(options)
    if check is not None:
        if source is None:
            raise click.UsageError("--check compares with a SOURCE.")
        found = disagreements(read_labelmap(check), source, root, **raw)
        _print_check(check, source, found, as_json, quiet)
        return
    if source is not None:
        labelmap = labelmap_of(source, root, **raw)
    elif names is not None:
        listed = [name.strip() for name in names.split(",")]
        labelmap = LabelMap.from_names(class_names(listed, "--names"), origin="--names")
    else:
        assert names_file is not None
        labelmap = read_labelmap(names_file)
    labelmap.require_sound()
    if out is not None:
        write_labelmap(labelmap, out, redo)
    if as_json:
        items = [
            {"label": i.label, "name": i.name, "display_name": i.display_name} for i in labelmap
        ]
        shared.print_json({"out": out, "items": items})
    elif out is None:
        shared.print_prototxt(labelmap.to_text())
    elif not quiet:
        shared.say(f"{len(labelmap)} items, background included: {out}")


def _print_check(check: Path, source: str, found: list[str], as_json: bool, quiet: bool) -> None:
    if as_json:
        shared.print_json({"labelmap": check, "source": source, "differences": found})
    elif not quiet:
        for difference in found[:SHOWN]:
            shared.say(difference)
        if len(found) > SHOWN:
            shared.say(f"… and {len(found) - SHOWN:,} more")
        shared.say(f"{len(found)} differences" if found else f"{check} fits {source}")
    if found:
        raise click.exceptions.Exit(1)
