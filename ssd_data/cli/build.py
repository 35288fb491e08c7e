"""``ssd-data build``"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import options_of
from ssd_data.data.build.options import BuildOptions

if TYPE_CHECKING:
    from ssd_data.data.build.builder import BuildResult
    from ssd_data.data.dataset import Dataset


@click.command(short_help="Build a data set's LMDBs, labelmap and lists.")
@click.argument("dataset", required=False)
@click.option(
    "--root",
    type=shared.PATH,
    help="Where a recipe's files lie; for --list, the root of its paths.",
)
@click.option(
    "--download",
    "fetch",
    is_flag=True,
    help="First fetch what is not there, into --root, as 'ssd-data download' does.",
)
@shared.out_option("Folder to write to.  [default: ./<NAME>]")
@click.option(
    "--list",
    "list_file",
    type=shared.PATH,
    help="Build from a list of 'image annotation' lines, as create_annoset.py does.",
)
@click.option("--labelmap", type=shared.PATH, help="Labelmap to use instead of the data set's own.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Split to build; repeatable.  [default: those linked as training and test]",
)
@shared.format_option
@shared.follow_links_option
@options_of(BuildOptions)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads; the result is the same with any.  [default: one a processor]",
)
@click.option("--redo", is_flag=True, help="Replace a build that was made otherwise.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Read all annotations, say what would be built, and write nothing.",
)
@click.option(
    "--link",
    type=shared.PATH,
    metavar="DIR",
    help="Also link the result into DIR, as 'ssd-data link' does.",
)
@shared.output_options
def command(
    dataset: str | None,
    list_file: Path | None,
    fetch: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Build the LMDBs of DATASET with labelmap, lists and size files.

    DATASET is a recipe (voc0712, voc2007, voc2012, coco2014, coco2017, widerface), a recipe file of
    your own (my.toml) or a folder whose layout is recognised. A recipe's files are looked for in
    --root, else in $SSD_DATA_ROOT, else here and in ./data.

    \b
    Examples:
      ssd-data build voc0712 --root VOCdevkit --link .
      ssd-data build widerface --size 640
      ssd-data build voc0712 --download
      ssd-data build my_pictures --dry-run
      ssd-data build my_pictures -o my_lmdbs --map dog=hound
      ssd-data build --list trainval.txt --labelmap labelmap.prototxt --root .
    """
    from ssd_data.data.build.builder import build

    build_options = _options(options, from_list=list_file is not None)
    if fetch:
        options["root"] = _fetch(dataset, list_file, options, quiet)
    found = _dataset(dataset, list_file, options)
    if dry_run:
        _show_plan(found, build_options, options, as_json)
        return
    if not (as_json or quiet):
        _print_said(found, options)
    result = build(
        found,
        options["out"],
        build_options,
        splits=options["splits"],
        labelmap=shared.read_names(options["labelmap"]),
        workers=options["workers"],
        redo=options["redo"],
        link=options["link"],
        track=shared.tracker(quiet),
    )
    if as_json:
        shared.print_json(
            {"out": result.out, "built": result.built, "links": result.linked, **result.manifest}
        )
    elif not quiet:
        _print(result)


def _dataset(name: str | None, list_file: Path | None, options: dict[str, Any]) -> Dataset:
    from ssd_data.data import find

    follow = options["follow_links"]
    if (name is None) == (list_file is None):
        raise click.UsageError("Give a DATASET or --list, one of the two.")
    if list_file is None:
        return find.find(
            str(name),
            options["root"],
            options["splits"],
            options["format"],
            follow_links=follow,
            out=options["out"],
        )
    if options["labelmap"] is None or options["root"] is None:
        raise click.UsageError("--list needs --labelmap and --root.")
    if options["format"]:
        raise click.UsageError("--format does not go with --list.")
    if options["splits"]:
        raise click.UsageError("--split does not go with --list: a list is one split.")
    return find.from_list(list_file, options["root"], options["labelmap"], follow_links=follow)


def _fetch(
    name: str | None, list_file: Path | None, options: dict[str, Any], quiet: bool
) -> Path | None:
    """The root to look in, after what it lacked was fetched into it."""
    from ssd_data.cli.download import fetch
    from ssd_data.core.errors import InputError
    from ssd_data.data import find, recipes
    from ssd_data.data.download.download import default_out, is_begun

    if name is None or list_file is not None:
        raise click.UsageError("--download belongs to a recipe.")
    recipe = recipes.load(name)
    root: Path | None = options["root"]
    out = root or default_out()
    if not is_begun(recipe, out):
        with suppress(InputError):  # somebody else put it here: it is taken as it is
            find.find(name, root, options["splits"])
            return root
    fetch(recipe, out, options["splits"], quiet=quiet)
    return out


def _options(options: dict[str, Any], from_list: bool) -> BuildOptions:
    given = click.get_current_context().get_parameter_source("empty")
    if from_list and given is click.core.ParameterSource.DEFAULT:
        options["empty"] = "keep"
    return BuildOptions(**{one.name: options[one.name] for one in fields(BuildOptions)})


def _show_plan(
    found: Dataset, build_options: BuildOptions, options: dict[str, Any], as_json: bool
) -> None:
    """What would be built, from the annotations alone."""
    from ssd_data.data.build.plan import plan

    labelmap = shared.read_names(options["labelmap"])
    table = plan(found, build_options, options["splits"], labelmap).summary()
    if as_json:
        shared.print_json(table)
        return
    click.echo(f"{table['format']}: {found.root}" + (f" ({found.why})" if found.why else ""))
    _print_said(found, options)
    _print_plan(table)


def _print_said(found: Dataset, options: dict[str, Any]) -> None:
    """What was guessed of a folder, and which of its splits nobody asked for."""
    shared.print_said(found.said)
    if not options["splits"]:
        shared.print_left_out(found.left_out(found.default_splits()), "built")


def _print_plan(table: dict[str, Any]) -> None:
    columns, splits = ["pictures", "boxes", "difficult", "without_boxes"], table["splits"].items()
    rows: list[list[object]] = [["split", *(c.replace("_", " ") for c in columns)]]
    rows += [[name, *(counts[c] for c in columns)] for name, counts in splits]
    shared.print_table(rows, right=range(1, 5))
    rows = [["label", "class", *table["splits"]]]
    rows += [
        [label, name, *(counts["classes"].get(name, 0) for _, counts in splits)]
        for label, name in enumerate(table["labelmap"])
    ]
    shared.print_table(rows, right=[0, *range(2, 2 + len(splits))])
    for name, counts in splits:
        for kind, entry in counts["notes"].items():
            title = f"{name}: {entry['count']} x {kind}"
            shared.print_listed(title, entry["listed"], entry["count"])
        for kind in ("absent pictures", "unreadable"):
            if places := counts[kind.replace(" ", "_")]:
                shared.print_listed(f"{name}: {len(places)} x {kind}", places, len(places))
    for link, split in table["links"].items():
        click.echo(f"{link} would be {split}")
    click.echo("nothing was written")


def _print(result: BuildResult) -> None:
    rows: list[list[object]] = [
        ["split", "records", "boxes", "difficult", "without boxes", "MB", ""]
    ]
    splits = result.record.splits
    for name, split in splits.items():
        state = "built" if name in result.built else "up to date"
        counts = [split.records, split.boxes, split.difficult, split.without_boxes]
        rows.append([name, *counts, f"{split.bytes / 1e6:.1f}", state])
    shared.print_table(rows, right=range(1, 6))
    for name in result.built:
        for kind, entry in splits[name].notes.items():
            more = "… all in build.json" if entry.count <= 1000 else "…"
            title = f"{name}: {entry.count} x {kind}"
            shared.print_listed(title, entry.listed, entry.count, more=more)
    state = "up to date" if result.up_to_date else "done"
    click.echo(f"{state}: {result.out}")
    for link in result.linked:
        click.echo(f"linked: {link}")
