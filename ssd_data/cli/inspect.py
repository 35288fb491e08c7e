"""``ssd-data inspect``"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.core.legible import few

if TYPE_CHECKING:
    from ssd_data.core.headers import PictureInfo
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.data.lmdb.records import Record
    from ssd_data.data.lmdb.store import LmdbReader
    from ssd_data.data.lmdb.survey import Look

SHOWN = 5
BAR = 24


@click.command(short_help="Show what an LMDB holds; draw its boxes.")
@click.argument("lmdb", type=shared.PATH)
@click.option("--key", metavar="KEY", help="Show the one record with this key.")
@click.option(
    "--index", type=int, metavar="N", help="Show one record: 0 is the first, -1 the last."
)
@click.option(
    "--draw",
    "folder",
    type=shared.PATH,
    metavar="DIR",
    help="Draw boxes and names into pictures in DIR: of all records, or those asked for.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N records.")
@click.option(
    "--labelmap",
    type=shared.PATH,
    help="Names the classes.  [default: labelmap.prototxt in the LMDB or beside it]",
)
@shared.output_options
def command(
    lmdb: Path,
    key: str | None,
    index: int | None,
    folder: Path | None,
    limit: int | None,
    labelmap: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what LMDB holds: counts, classes, pictures and box statistics, or one record.

    Any AnnotatedDatum LMDB will do, the original Caffe's included. Pictures are decoded only to
    draw them. Records that cannot be read are listed, and the exit status is 1.

    \b
    Examples:
      ssd-data inspect VOC0712/VOC0712_test_lmdb
      ssd-data inspect trainval_lmdb --draw pictures --limit 100
      ssd-data inspect trainval_lmdb --index 0 --draw .
    """
    from ssd_data.core.images import picture_limits
    from ssd_data.data.lmdb.companions import labelmap_file
    from ssd_data.data.lmdb.one_build import one_build
    from ssd_data.data.lmdb.store import LmdbReader

    if sum(option is not None for option in (key, index, limit)) > 1:
        raise click.UsageError("--key, --index and --limit exclude each other.")
    which = index if index is not None else key
    with ExitStack() as stack:
        with one_build(lmdb):
            file = labelmap or labelmap_file(lmdb)
            names = shared.read_names(file)
            reader = stack.enter_context(LmdbReader(lmdb))
        stack.enter_context(picture_limits())
        if which is None:
            table = _all(reader, names, limit, folder, quiet)
        else:
            table = _one(reader, names, which, folder)
    table = {"lmdb": lmdb, "labelmap": file, **table}
    if as_json:
        shared.print_json(table)
    elif not quiet:
        (_print_all if which is None else _print_one)(table)
    broken = table["broken"]["count"] if which is None else 0
    if broken:
        for place in () if as_json else table["broken"]["listed"][: 4 * SHOWN]:
            shared.say(f"broken: {place}", err=True)
        shared.say(f"error: {broken} of {table['records']} records are broken", err=True)
        click.get_current_context().exit(1)


def _looks(looks: Iterable[Look], folder: Path | None, names: LabelMap | None) -> Iterable[Look]:
    from ssd_data.core.parallel import default_workers
    from ssd_data.data.draw import draw_all

    return looks if folder is None else draw_all(looks, folder, names, default_workers())


def _all(
    reader: LmdbReader, names: LabelMap | None, limit: int | None, folder: Path | None, quiet: bool
) -> dict[str, Any]:
    from itertools import islice

    from ssd_data.data.lmdb.survey import Survey, look

    survey = Survey(names)
    total = min(limit or len(reader), len(reader))
    looks = _looks(
        (look(key, value) for key, value in islice(reader.items(), limit)), folder, names
    )
    for seen in shared.tracker(quiet)(looks, total, "records"):
        survey.add(seen)
    table = {"records_in_lmdb": len(reader), **survey.summary()}
    if folder is not None:
        drawn = survey.records - table["broken"]["count"]
        table["drawn"] = {"folder": folder, "pictures": drawn}
    return table


def _one(
    reader: LmdbReader, names: LabelMap | None, which: int | str, folder: Path | None
) -> dict[str, Any]:
    from ssd_data.core.errors import InputError
    from ssd_data.data.lmdb.survey import find_item, look

    (seen,) = _looks([look(*find_item(reader, which))], folder, names)
    if seen.error is not None or seen.record is None or seen.info is None:
        raise InputError(seen.error.what if seen.error else "cannot be read", where=seen.name)
    table = _record(seen.name, seen.record, seen.info, names)
    if folder is not None:
        table["drawn"] = {"folder": folder, "pictures": 1}
    return table


def _record(name: str, record: Record, info: PictureInfo, names: LabelMap | None) -> dict[str, Any]:
    from ssd_data.data.lmdb.survey import class_name, pixel_boxes, remark

    pixels = pixel_boxes(record)
    boxes = [
        {
            "label": label,
            "name": class_name(label, names),
            "instance_id": int(record.instance_ids[index]),
            "difficult": bool(record.difficult[index]),
            "pixels": _numbers(pixels[index]),
            "fractions": _numbers(record.boxes[index]),
            "remark": remark(record.boxes[index]),
        }
        for index, label in enumerate(record.labels.tolist())
    ]
    return {
        "key": name,
        "channels": record.channels,
        "height": record.height,
        "width": record.width,
        "encoded": record.encoded,
        "format": info.format,
        "bytes": len(record.data),
        "exif_orientation": info.orientation_at is not None,
        "boxes": boxes,
    }


def _numbers(values: Iterable[Any]) -> list[float | None]:
    """Floats as short as their precision allows; None where JSON has no number."""
    return [float(str(value)) if abs(value) < float("inf") else None for value in values]


def _print_all(table: dict[str, Any]) -> None:
    pictures, broken = table["pictures"], table["broken"]["count"]
    sound = table["records"] - broken
    kinds = ", ".join(f"{count} {kind}" for kind, count in pictures["formats"].items())
    channels = " or ".join(pictures["channels"])
    all_of_them = table["records"] == table["records_in_lmdb"]
    mean = f"{table['boxes'] / sound:.1f} a record, at most {table['most_boxes']}" if sound else ""
    megabytes = f"{pictures['bytes'] / 1e6:.1f} MB"
    rows: list[list[object]] = [
        ["records", table["records"], "" if all_of_them else f"of {table['records_in_lmdb']}"],
        ["boxes", table["boxes"], mean],
        ["difficult", table["difficult"], ""],
        ["without boxes", table["without_boxes"], ""],
        ["broken", broken, ""],
        ["pictures", sound, f"{kinds}; {channels} channels; {megabytes}" if sound else ""],
    ]
    shared.say(f"{table['lmdb']}  (labelmap: {table['labelmap'] or 'none found'})")
    shared.say()
    shared.print_table(rows, right=[1])
    shared.say(f"keys   {table['first_key']}")
    shared.say(f"  to   {table['last_key']}")
    if sound:
        _print_classes(table)
        _print_spreads(table)
    for kind, what in (
        ("outside", "leave the picture"),
        ("empty", "are inverted or have no area"),
        ("not_finite", "have corners that are no numbers"),
    ):
        _print_places(table[kind], f"boxes that {what}")
    _print_drawn(table)


def _print_classes(table: dict[str, Any]) -> None:
    most = max((row["boxes"] for row in table["classes"]), default=0)
    rows: list[list[object]] = [["label", "class", "boxes", "pictures", "difficult", ""]]
    for row in table["classes"]:
        bar = "█" * max(1, round(BAR * row["boxes"] / most))
        counts = [row[key] for key in ("boxes", "pictures", "difficult")]
        rows.append([row["label"], row["name"], *counts, bar])
    shared.say()
    shared.print_table(rows, right=[0, 2, 3, 4])
    if table["absent"]:
        shared.say(f"never: {few(table['absent'], 12)}")


def _print_spreads(table: dict[str, Any]) -> None:
    pictures, boxes = table["pictures"], table["box_statistics"]
    rows: list[list[object]] = [["", "min", "5%", "median", "95%", "max"]]
    for spread, what, unit in (
        (pictures["width"], "picture width, pixels", ""),
        (pictures["height"], "picture height, pixels", ""),
        (boxes["width"], "box width, pixels", ""),
        (boxes["height"], "box height, pixels", ""),
        (boxes["width_share"], "box width, of the picture's", "%"),
        (boxes["height_share"], "box height, of the picture's", "%"),
        (boxes["area_share"], "box area, of the picture's", "%"),
        (boxes["aspect_ratio"], "box width : height", ""),
    ):
        factor = 100 if unit else 1
        if spread:
            rows.append([what, *(f"{factor * value:.3g}{unit}" for value in spread.values())])
    shared.say()
    shared.print_table(rows, right=range(1, 6))
    sizes = [f"{s['width']}x{s['height']} ({s['pictures']})" for s in pictures["sizes"]]
    more = pictures["different_sizes"] - len(sizes)
    shared.say()
    shared.say(f"picture sizes: {', '.join(sizes)}{f' and {more} more' if more else ''}")


def _print_places(listed: dict[str, Any], what: str) -> None:
    if count := listed["count"]:
        more = f"… and {count - SHOWN} more (--json lists up to 1000)"
        shared.say()
        shared.print_listed(f"{count} {what}:", listed["listed"], count, shown=SHOWN, more=more)


def _print_drawn(table: dict[str, Any]) -> None:
    if "drawn" in table:
        count = table["drawn"]["pictures"]
        noun = "picture" if count == 1 else "pictures"
        shared.say()
        shared.say(f"{count} {noun} drawn into {table['drawn']['folder']}")


def _print_one(table: dict[str, Any]) -> None:
    shared.say(table["key"])
    shape = f"{table['width']} x {table['height']}, {table['channels']} channels"
    turned = "; its EXIF orientation would turn it" if table["exif_orientation"] else ""
    shared.say(f"{shape}, {table['format']}, {table['bytes']} bytes{turned}")
    shared.say()
    rows: list[list[object]] = [
        ["", "class", "label", "", "xmin", "ymin", "xmax", "ymax", "", "", "", "", ""]
    ]
    for number, box in enumerate(table["boxes"]):
        pixels = [_number(value, ".1f") for value in box["pixels"]]
        fractions = [_number(value, ".4f") for value in box["fractions"]]
        hard = "difficult" if box["difficult"] else ""
        head = [number, box["name"], box["label"], hard]
        rows.append([*head, *pixels, *fractions, box["remark"]])
    if table["boxes"]:
        shared.print_table(rows, right=[0, 2, *range(4, 12)])
        shared.say("(corners in pixels, then as fractions of the picture)")
    else:
        shared.say("no boxes")
    _print_drawn(table)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
