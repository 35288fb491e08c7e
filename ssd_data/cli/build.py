"""``ssd-data build``"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import options_of
from ssd_data.cli.parts.places import on_option, teller
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
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="N",
    help="Build each split as N LMDBs that are read as one; what is whole is not built again.",
)
@on_option
@click.option("--redo", is_flag=True, help="Replace a build that was made otherwise.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Do and say all that a build would, errors included, but write nothing.",
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

    With --shards each split is a folder of LMDBs with a shards.json, which every command reads as
    one LMDB ('ssd-data merge' makes one of it). Run again after a failure, or with --redo after
    pictures came or went, it builds only what is not there.

    \b
    Examples:
      ssd-data build voc0712 --root VOCdevkit --link .
      ssd-data build widerface --size 640
      ssd-data build voc0712 --download
      ssd-data build my_pictures --dry-run
      ssd-data build my_pictures -o my_lmdbs --map dog=hound
      ssd-data build s3://bucket/pictures -o s3://bucket/lmdbs
      ssd-data build --list trainval.txt --labelmap labelmap.prototxt --root .
    """
    from ssd_data.data.build.builder import build

    if options["on"] != "local" and options["shards"] is None:
        raise click.UsageError("--on needs --shards N: the shards are what is spread.")
    build_options = _options(options, from_list=list_file is not None)
    if fetch:
        options["root"] = _fetch(dataset, list_file, options, quiet)
    found = _dataset(dataset, list_file, options)
    if not (as_json or quiet):
        if dry_run:
            shared.say(f"{found.format}: {found.root}" + f" ({found.why})" * bool(found.why))
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
        dry_run=dry_run,
        shards=options["shards"],
        on=options["on"],
        say=teller(quiet),
    )
    if as_json and dry_run:
        shared.print_json(_rehearsed(found, result))
    elif as_json:
        shared.print_json(
            {"out": result.out, "built": result.built, "links": result.linked, **result.manifest}
        )
    elif not quiet:
        _print(result, dry_run)


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


def _rehearsed(found: Dataset, result: BuildResult) -> dict[str, Any]:
    """What a dry run found, as JSON has it."""
    table = result.manifest
    return {
        **{key: table[key] for key in ("name", "format", "root", "splits")},
        "dry_run": True,
        "out": result.out,
        "why": found.why,
        "said": list(found.said),
        "links": _links(result),
        "labelmap": list(result.labelmap.shown_apart().values()),
        "built": result.built,
    }


def _links(result: BuildResult) -> dict[str, str]:
    """The links of the splits that are there."""
    splits = result.record.splits
    return {link: split for link, split in result.record.links.items() if split in splits}


def _print_said(found: Dataset, options: dict[str, Any]) -> None:
    """What was guessed of a folder, and which of its splits nobody asked for."""
    shared.print_said(found.said)
    if not options["splits"]:
        shared.print_left_out(found.left_out(found.default_splits()), "built")


def _print(result: BuildResult, dry_run: bool) -> None:
    rows: list[list[object]] = [
        ["split", "records", "boxes", "difficult", "without boxes", "MB", ""]
    ]
    splits, made = result.record.splits, "would be built" if dry_run else "built"
    for name, split in splits.items():
        state = made if name in result.built else "up to date"
        if name in result.shards:
            new, all_ = result.shards[name]
            state = f"built, {new:,} of {all_:,} shards"
        counts = [split.records, split.boxes, split.difficult, split.without_boxes]
        rows.append([name, *counts, f"{split.bytes / 1e6:.1f}", state])
    shared.print_table(rows, right=range(1, 6))
    if dry_run:
        _print_classes(result)
    for name in result.built:
        for kind, entry in splits[name].notes.items():
            more = "… all in build.json" if entry.count <= 1000 and not dry_run else "…"
            title = f"{name}: {entry.count} x {kind}"
            shared.print_listed(title, entry.listed, entry.count, more=more)
    if dry_run:
        for link, target in _links(result).items():
            shared.say(f"{link} would be {target}")
        shared.say("up to date" if result.up_to_date else "nothing was written")
        return
    state = "up to date" if result.up_to_date else "done"
    shared.say(f"{state}: {result.out}")
    for link in result.linked:
        shared.say(f"linked: {link}")


def _print_classes(result: BuildResult) -> None:
    splits = result.record.splits
    rows: list[list[object]] = [["label", "class", *splits]]
    for label, name in result.labelmap.shown_apart().items():
        rows.append([label, name, *((one.classes or {}).get(name, 0) for one in splits.values())])
    shared.print_table(rows, right=[0, *range(2, 2 + len(splits))])
