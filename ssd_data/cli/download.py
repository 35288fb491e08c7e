"""``ssd-data download``"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.stops import STOPPED
from ssd_data.core.legible import QUOTE, legible

if TYPE_CHECKING:
    from tqdm import tqdm

    from ssd_data.data.download.download import Step
    from ssd_data.data.recipes import Download, Recipe


@click.command(short_help="Fetch a data set's archives and unpack them.")
@click.argument("dataset")
@shared.out_option("Folder to unpack into.  [default: $SSD_DATA_ROOT, else data]")
@shared.splits_option("Fetch only what this split needs; repeatable.  [default: all]")
@click.option("--keep", is_flag=True, help="Keep the archives, in DIR/.downloads.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched; the network is not used.")
@shared.output_options
def command(
    dataset: str,
    out: Path | None,
    splits: tuple[str, ...],
    keep: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fetch DATASET from its official addresses and unpack it.

    DATASET is a recipe (voc2007, voc2012, voc0712, coco2014, coco2017, widerface) or a recipe file
    of your own that lists downloads. What is there and whole is not fetched again; a download that
    was interrupted goes on where it was. Proxies are taken from the environment (https_proxy, …).

    \b
    Examples:
      ssd-data download voc0712
      ssd-data download coco2017 --split val -o data
      ssd-data download widerface --dry-run
    """
    from ssd_data.data import recipes
    from ssd_data.data.download.download import default_out, plan

    recipe = recipes.load(dataset)
    out = out or default_out()
    steps = plan(recipe, out, splits)
    if not dry_run:
        fetch(recipe, out, splits, keep=keep, quiet=quiet)
    if as_json:
        shared.print_json(_table(out, steps, dry_run))
    elif not quiet:
        _print(out, steps, dry_run, dataset)


def fetch(
    recipe: Recipe, out: Path, splits: Collection[str], *, keep: bool = False, quiet: bool = False
) -> None:
    """Download with bars on standard error; Ctrl-C says that nothing is lost."""
    from ssd_data.data.download.download import download

    bars = Bars(shown=not quiet and sys.stderr.isatty())
    try:
        download(recipe, out, bars.report, splits, keep)
    except KeyboardInterrupt:
        bars.close()
        shared.say("interrupted; the same command goes on from here", err=True)
        click.get_current_context().exit(STOPPED)
    finally:
        bars.close()


class Bars:
    """One progress bar after the other, each for what is being done."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self.what = ""
        self.bar: tqdm[Any] | None = None

    def report(self, what: str, done: int, total: int) -> None:
        """Move the bar of ``what``, a new one where it was another before."""
        if not self.shown:
            return
        if self.bar is None or self.what != what:
            from tqdm import tqdm

            self.close()
            # What came in an earlier run does not count as this one's speed.
            self.bar = tqdm(
                total=total,
                initial=done,
                desc=legible(what, QUOTE),
                unit="B",
                unit_scale=True,
                file=sys.stderr,
            )
            self.what = what
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Leave the last bar as it is."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _checked_by(file: Download) -> str:
    return "sha256" if file.sha256 else "md5" if file.md5 else "size only"


def _table(out: Path, steps: list[Step], dry_run: bool) -> dict[str, object]:
    files = [
        {
            "name": step.file.name,
            "state": step.state,
            "bytes": step.file.bytes,
            "missing": step.missing,
            "checked_by": _checked_by(step.file),
            "urls": step.file.urls,
            "page": step.file.page,
            "folder": out / step.file.into,
        }
        for step in steps
    ]
    missing = sum(step.missing for step in steps)
    return {"out": out, "dry_run": dry_run, "missing": missing, "files": files}


def _print(out: Path, steps: list[Step], dry_run: bool, dataset: str) -> None:
    from ssd_data.data.download.download import UP_TO_DATE

    rows: list[list[object]] = [["archive", "MB", "missing MB", "checked by", "", "from"]]
    for step in steps:
        state = step.state if dry_run or step.state == UP_TO_DATE else "done"
        where = (step.file.urls or (step.file.page,))[0]
        sizes = [f"{step.file.bytes / 1e6:,.1f}", f"{step.missing / 1e6:,.1f}"]
        rows.append([step.file.name, *sizes, _checked_by(step.file), state, where])
    if not dry_run:
        rows = [row[:2] + row[3:5] for row in rows]
    shared.print_table(rows, right=(1, 2) if dry_run else (1,))
    if dry_run:
        missing = sum(step.missing for step in steps) / 1e6
        shared.say(f"{missing:,.1f} MB would be fetched and unpacked into {out}")
    else:
        shared.say(f"done: {out}")
        shared.say(f"next: ssd-data build {dataset} --root {out}")
