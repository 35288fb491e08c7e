"""``ssd-data view``"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.core.files.there import is_folder

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.data.lmdb.store import LmdbReader
    from ssd_data.pages.viewer.index import Index
    from ssd_data.pages.viewer.judged import Judged


@click.command(short_help="Browse an LMDB in a local page.")
@click.argument("lmdb", type=shared.PATH)
@click.option(
    "--detections",
    type=shared.PATH,
    metavar="FILE|DIR",
    help="Draw these over the truth, the pictures with most errors first: VOC's "
    "comp4_det_test_<class>.txt or a folder of them, COCO's results JSON, WIDER FACE's folder.",
)
@click.option(
    "--marks",
    type=shared.PATH,
    metavar="FILE",
    help="Let records be marked (the key m), and keep the marked ones' keys here, one a line.",
)
@click.option(
    "--labelmap",
    type=shared.PATH,
    help="Names the classes.  [default: labelmap.prototxt in the LMDB or beside it]",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="[default: a free one]"
)
@shared.follow_links_option
@click.option("--no-browser", is_flag=True, help="Open no browser, only print the address.")
@shared.output_options
def command(
    lmdb: Path,
    detections: Path | None,
    marks: Path | None,
    labelmap: Path | None,
    port: int,
    follow_links: bool,
    no_browser: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Serve a page to browse LMDB: by class, box size, problem and key. Ctrl-C ends it.

    Any AnnotatedDatum LMDB of any size will do, the original Caffe's included. No picture is
    decoded before it is looked at. The page is at 127.0.0.1: other machines cannot reach it, and of
    this one only who has the address that is printed, new each time. It changes nothing but
    FILE of --marks. Needs the extra: pip install 'ssd-data[view]'.

    On a machine far away say --port 8000, and here ssh -L 8000:127.0.0.1:8000 THERE: the printed
    address then leads to it.

    \b
    Examples:
      ssd-data view VOC0712/VOC0712_test_lmdb
      ssd-data view VOC0712/VOC0712_test_lmdb --detections scores/detections
      ssd-data view VOC0712/VOC0712_test_lmdb --marks to_fix.txt
      ssd-data view trainval_lmdb --port 8000 --no-browser
    """
    from ssd_data.core.files.fences import keep_inside
    from ssd_data.core.images import picture_limits
    from ssd_data.core.optional import require
    from ssd_data.data.lmdb.companions import labelmap_file
    from ssd_data.data.lmdb.one_build import one_build
    from ssd_data.data.lmdb.store import LmdbReader
    from ssd_data.pages.viewer.index import Index

    for module in ("jinja2", "waitress", "werkzeug.routing"):
        require(module, "view")
    from ssd_data.pages.viewer.app import Viewer
    from ssd_data.pages.viewer.door import Door
    from ssd_data.pages.viewer.marks import Marks
    from ssd_data.pages.viewer.opening import has_screen, shown
    from ssd_data.pages.viewer.server import listening

    hidden = no_browser or as_json or not has_screen()
    if quiet and hidden and not as_json:
        raise click.UsageError("-q hides the address, and nobody can look without it.")
    if detections is not None and is_folder(detections):
        keep_inside(detections, follow_links)
    with ExitStack() as stack:
        with one_build(lmdb):
            names = shared.read_names(labelmap or labelmap_file(lmdb))
            reader = stack.enter_context(LmdbReader(lmdb))
        stack.enter_context(picture_limits())
        marked = None if marks is None else Marks(marks, reader.keys())
        index = Index(reader, None if names is None else [item.label for item in names])
        index.start()
        try:
            judged = _judged(index, reader, detections, names, quiet)
            door = Door(Viewer(reader, index, names, judged, marked), changes=marked is not None)
            with listening(door, port) as server:
                url = door.address(server.port)
                if as_json:
                    shared.print_json({"url": url, "lmdb": lmdb, "records": len(reader)})
                elif not quiet:
                    shared.say(f"{url}  {len(reader):,} records; Ctrl-C ends it")
                    if marked is not None and marked.strangers:
                        shared.say(f"{marks}: {marked.strangers:,} keys are of no record here")
                with nullcontext() if hidden else shown(url), suppress(KeyboardInterrupt):
                    server.serve_forever()
        finally:
            index.close()
    if not (as_json or quiet):
        if marked is not None:
            shared.say(f"{len(marked):,} marked: {marks}")
        shared.say("ended")


def _judged(
    index: Index,
    reader: LmdbReader,
    detections: Path | None,
    names: LabelMap | None,
    quiet: bool,
) -> Judged | None:
    """Detections over the truth; all records are read for that first."""
    import sys

    from tqdm import tqdm

    from ssd_data.pages.viewer.judging import read_judged

    if detections is None:
        return None
    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=len(reader), desc="reading boxes", unit=" records", disable=hidden) as bar:

        def tell(done: int) -> None:
            bar.update(done - bar.n)

        found = index.wait(tell)
    return read_judged(detections, found, reader.path, names)
