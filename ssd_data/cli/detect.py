"""``ssd-data detect``"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import net_options, shared
from ssd_data.core.legible import count_of, few

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.evaluation.detect import Frame


@click.command(short_help="Find objects in pictures, folders and videos.")
@click.argument("deploy", type=shared.PATH)
@click.argument("weights", type=shared.PATH)
@click.argument(
    "places", metavar="PICTURE|FOLDER|VIDEO…", nargs=-1, required=True, type=shared.PATH
)
@click.option("--labelmap", type=shared.PATH, help="Names the classes.")
@click.option(
    "--threshold",
    type=shared.Number(),
    default=0.3,
    show_default=True,
    help="Least score of a detection.",
)
@click.option(
    "--draw", "folder", type=shared.PATH, metavar="DIR", help="Draw what was found into DIR."
)
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Pictures at a time."
)
@click.option(
    "--every", type=click.IntRange(1), default=1, metavar="N", help="Each Nth frame of videos."
)
@shared.follow_links_option
@net_options.preprocessing_options
@net_options.engine_options
@shared.output_options
def command(
    deploy: Path,
    weights: Path,
    places: tuple[Path, ...],
    labelmap: Path | None,
    threshold: float,
    folder: Path | None,
    batch: int,
    every: int,
    follow_links: bool,
    size: str | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run pictures through a net: DEPLOY (a prototxt) with WEIGHTS (a caffemodel).

    Boxes are in pixels of the picture as it is stored. A picture that cannot be read is reported,
    the rest goes on, and the exit status is 1.

    \b
    Examples:
      ssd-data detect deploy.prototxt net.caffemodel photos --labelmap labelmap.prototxt --draw out
      ssd-data detect deploy.prototxt net.caffemodel street.mp4 --every 5 --json
      ssd-data detect deploy.prototxt wider.caffemodel crowd.jpg --mean 104,117,123
    """
    from ssd_data.core.images import picture_limits
    from ssd_data.data.draw import DetectionFiles
    from ssd_data.evaluation.detect import detect, find_files, read_frames

    names = shared.read_names(labelmap)
    prepare = net_options.preprocessing(deploy, options)
    files = find_files(places, follow_links)
    given = net_options.deploy_net(deploy, quiet, weights)
    net = net_options.load(given, weights, options)
    prepare = prepare.fitted(net.graph)
    wanted = shared.parse_size(size)
    bad: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    drawing: AbstractContextManager[Any] = DetectionFiles(folder, names)
    with picture_limits(), drawing as drawn:
        frames: Iterable[Frame] = detect(
            net,
            read_frames(files, every, prepare.gray),
            prepare,
            size=wanted,
            batch=batch,
            threshold=threshold,
        )
        for frame in shared.tracker(quiet)(frames, len(files), "detect"):
            if frame.found is None:
                bad[frame.name] = frame.error.sentence if frame.error else frame.name
                continue
            if frame.unsound:
                shared.say(f"warning: {_unsound(frame)}", err=True)
            drawn.add(frame.name, frame.picture, frame.found)
            rows.append(_table(frame, names))
            if not quiet and not as_json:
                shared.say(_line(rows[-1]))
    if as_json:
        shared.print_json({"pictures": rows, "unreadable": [*bad.values()]})
    elif not quiet and folder is not None:
        shared.say(f"drawn: {folder}")
    if bad:
        for text in bad.values():
            shared.say(f"unreadable: {text}", err=True)
        text = f"{len(bad)} of {len(bad) + len(rows)} could not be read: {few([*bad])}"
        shared.say(f"error: {text}", err=True)
        shared.say("  What is wrong with them is said above; all others were read", err=True)
        click.get_current_context().exit(1)


def _table(frame: Frame, names: LabelMap | None) -> dict[str, Any]:
    from ssd_data.data.lmdb.survey import class_name

    assert frame.found is not None and frame.picture is not None  # noqa: PT018
    height, width = frame.picture.shape[:2]
    boxes = frame.found.in_pixels(width, height)
    return {
        "picture": frame.name,
        "width": width,
        "height": height,
        "left_out": frame.unsound,
        "detections": [
            {
                "label": int(label),
                "name": class_name(int(label), names),
                "score": round(float(score), 6),
                "box": [round(float(v), 2) for v in box],
            }
            for label, score, box in zip(frame.found.labels, frame.found.scores, boxes, strict=True)
        ],
    }


def _unsound(frame: Frame) -> str:
    many = count_of(frame.unsound, "detection")
    return (
        f"{frame.name}: left out {many} with a score or box that is no number (NaN "
        "or infinite); see ssd-data weights stats"
    )


def _line(row: dict[str, Any]) -> str:
    counts = Counter(found["name"] for found in row["detections"])
    text = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    best = max((found["score"] for found in row["detections"]), default=None)
    return f"{row['picture']}: {text or 'nothing'}" + (f" (best {best:.2f})" if best else "")
