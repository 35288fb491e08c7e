"""``ssd-data report``"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import field_option, options_of
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.pages.report.options import RunView

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.pages.report.blocks import Page
    from ssd_data.pages.report.run_subject import RunSubject
    from ssd_data.pages.report.subject import Subject

OF_DATA = {"splits": "--split", "seed": "--seed", "decode": "--no-decode"}
OF_RUNS = {"iteration": "--iteration", "test_pictures": "--test-pictures", "device": "--device"}


@click.command(short_help="Make a page of what a build, an LMDB or a training run holds.")
@click.argument("what", metavar="LMDB|BUILD_DIR|RUN_DIR…", type=shared.PATH, nargs=-1)
@shared.out_option("The page, one HTML file; one that is there is replaced.", metavar="FILE")
@field_option(
    RunView,
    "--pictures",
    type=click.IntRange(0, 100),
    metavar="N",
    help="Pictures of each kind.",
)
@click.option("--labelmap", type=shared.PATH, help="Labelmap to use instead of the one found.")
@shared.splits_option("Split of a build; repeatable.  [default: all]")
@click.option("--seed", type=int, default=0, help="Of data's pictures at random.  [default: 0]")
@click.option(
    "--decode/--no-decode",
    default=True,
    help="Decode all pixels of data, or read pictures' headers only.  [default: --decode]",
)
@options_of(RunView)
@click.option(
    "--device",
    default="auto",
    metavar="NAME",
    help="Of a run's snapshots: cpu, cuda, cuda:1, auto.",
)
@shared.output_options
def command(
    what: tuple[Path, ...],
    out: Path | None,
    pictures: int,
    labelmap: Path | None,
    splits: tuple[str, ...],
    seed: int,
    decode: bool,
    iteration: int,
    test_pictures: int,
    device: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make one HTML page of what a build or an LMDB holds, or of how a net was trained.

    Of data: how it was built, counts and class balance, what 'ssd-data check' finds, boxes,
    pictures; of two, side by side. Of a training run, its folder, table (.jsonl) or log: curves,
    the pictures that the net was fed with the priors matched, detections of its snapshots over
    time, the worst mistakes of the best one, command, versions and files; of several, in the same
    drawings. A log of Caffe's will do. The page is one file, loads nothing and runs no script.

    \b
    Examples:
      ssd-data report VOC0712 -o voc.html
      ssd-data report trainval_lmdb -o page.html --no-decode --pictures 12
      ssd-data report FACES FACES_cleaned -o compared.html
      ssd-data report tiny_ssd -o run.html
      ssd-data report tiny_ssd slower_rate caffe.log -o runs.html
    """
    from ssd_data.data.lmdb.store import is_lmdb
    from ssd_data.data.lmdb.strangers import refuse_stranger
    from ssd_data.pages.report import require_templates

    if not what:
        raise click.UsageError("Name an LMDB, a build's folder, or a training run's.")
    if out is None:
        raise click.UsageError("Give -o FILE, the page.")
    if is_folder(out):
        raise click.UsageError(f"{out} is a folder; give -o a file such as {out / 'page.html'}")
    require_templates()
    from ssd_data.data.lmdb.manifest import MANIFEST
    from ssd_data.pages.report.render import write_page
    from ssd_data.pages.report.run_subject import is_run

    for path in what:
        refuse_stranger(path)
    data = [path for path in what if is_lmdb(path) or is_file(path / MANIFEST)]
    runs = [path for path in what if path not in data and is_run(path)]
    if runs and len(runs) < len(what):
        other = next(path for path in what if path not in runs)
        raise click.UsageError(f"{runs[0]} is a training run, {other} is not: a page for each.")
    _refuse(OF_DATA if runs else OF_RUNS, "data" if runs else "training runs")
    names = shared.read_names(labelmap)
    track = shared.tracker(quiet)
    if runs:
        view = RunView(pictures, iteration, test_pictures, device)
        page, table = _of_runs(what, names, view, track)
    else:
        options = {"splits": splits, "labelmap": names, "decode": decode, "track": track}
        page, table = _of_data(what, options, pictures, seed)
    size = write_page(page, out)
    if as_json:
        shared.print_json({"page": out, "bytes": size, **table})
    elif not quiet:
        shared.say(f"{out}: {size / 1e6:.1f} MB; open it in a browser")


def _refuse(options: dict[str, str], whose: str) -> None:
    """Options that mean nothing here are an error."""
    told = click.get_current_context().get_parameter_source
    for name, spelled in options.items():
        if told(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{spelled} is for pages of {whose}.")


def _of_data(
    paths: tuple[Path, ...], options: dict[str, Any], pictures: int, seed: int
) -> tuple[Page, dict[str, Any]]:
    from ssd_data.data.lmdb.one_build import one_build
    from ssd_data.pages.report.data_page import data_page
    from ssd_data.pages.report.subject import gather

    if len(paths) > 2:
        raise click.UsageError("A page compares two builds or LMDBs at most.")
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(one_build(path))
        subjects = [gather(path, **options) for path in paths]
        page = data_page(subjects, pictures, seed)
    return page, {"subjects": [_table(one) for one in subjects]}


def _of_runs(
    paths: tuple[Path, ...], labelmap: LabelMap | None, view: Any, track: Any
) -> tuple[Page, dict[str, Any]]:
    from ssd_data.pages.report.run_page import MOST_RUNS, run_page
    from ssd_data.pages.report.run_subject import gather_run

    if len(paths) > MOST_RUNS:
        raise click.UsageError(f"A page compares {MOST_RUNS} runs at most.")
    subjects = [gather_run(path, labelmap) for path in paths]
    return run_page(subjects, view, track), {"runs": [_run_table(one) for one in subjects]}


def _table(subject: Subject) -> dict[str, Any]:
    return {
        "path": subject.path,
        "splits": {split.name: split.summary for split in subject.splits},
        "findings": subject.findings.to_json(),
    }


def _run_table(subject: RunSubject) -> dict[str, Any]:
    best = subject.best()
    return {
        "path": subject.path,
        **subject.history.summary(),
        "snapshots": [one.path for one in subject.kept],
        "best_snapshot": None if best is None else best[0].path,
        "notes": subject.notes,
    }
