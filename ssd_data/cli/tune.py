"""``ssd-data tune``"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import options_of
from ssd_data.cli.parts.stops import STOPPED
from ssd_data.core.registry import FAMILIES
from ssd_data.training.tune.options import TuneOptions

if TYPE_CHECKING:
    from ssd_data.training.tune.search import TuneResult

PAGE = "tune.html"


@click.command(short_help="Find by short runs what trains a family best.")
@click.argument("build", type=shared.PATH)
@click.option(
    "--family", type=shared.Name(FAMILIES), required=True, metavar="NAME", help="Of the nets."
)
@shared.out_option("Folder of the search.  [default: tune_FAMILY]", metavar="DIR")
@options_of(TuneOptions)
@shared.output_options
def command(
    build: Path, family: str, out: Path | None, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Try rates, batches, priors that fit, and recipes on BUILD by short runs, and say which win.

    Successive halving: all trials are trained shortly, the best third three times as long, and so
    on. Tested is on training pictures that are held out (a copy of the LMDB, parted in two). Each
    run lies in a folder of its own; stopped or killed, the same command goes on where it was. At
    the end there are a table, a page with the curves, and the command that trains the winner for
    its full time. All runs have one seed: what wins by a hundredth may have been lucky.

    \b
    What there is to try, with --over:
      rate=0.25,4    factors of the solver's rate, from least to greatest
      batch=8,16     as many pictures are seen with each
      priors         the family's, or those that 'ssd-data fit' proposes
      recipe=A,B     names or files; by itself: all that come with ssd-data
      schedule, classification, boxes, matching, average, augmentation
                     elements in the place of the recipe's; matching=atss

    \b
    Examples:
      ssd-data tune SHAPES --family tiny_ssd
      ssd-data tune SHAPES --family tiny_ssd --over rate --over matching --over boxes=giou
      ssd-data tune FACES --family face_ssd --over rate=0.5,2 --over recipe=faces,mine.toml
    """
    from ssd_data.training.tune.search import tune

    out = out or Path(f"tune_{family}")
    say = (lambda text: None) if quiet else (lambda text: shared.say(text, err=True))
    asked = TuneOptions(**options)
    found = tune(build, family, out, asked, say=say, track=shared.tracker(quiet))
    table = found.to_json()
    if found.trials and (page := _page(found, out, say)) is not None:
        table["page"] = page
    if as_json:
        shared.print_json(table)
    elif not quiet:
        _print(found, table)
    if not found.finished:
        click.get_current_context().exit(STOPPED)


def _page(found: TuneResult, out: Path, say: Any) -> Path | None:
    """The longest runs' curves; None without Jinja2."""
    from ssd_data.core.errors import SsdDataError
    from ssd_data.pages.report import require_templates

    try:
        require_templates()
    except SsdDataError as error:
        say(f"no page: {error}")
        return None
    from ssd_data.pages.report.options import RunView
    from ssd_data.pages.report.render import write_page
    from ssd_data.pages.report.run_page import MOST_RUNS, run_page
    from ssd_data.pages.report.run_subject import gather_run
    from ssd_data.training.tune.space import told

    trained = [one for one in found.trials if one.last.score is not None][:MOST_RUNS]
    if not trained:
        return None
    trained.sort(key=lambda one: one.number)  # the first is the family as it is
    titles = [f"{one.number}: {told(one.config)}" for one in trained]
    runs = [gather_run(one.folders[-1]) for one in trained]
    named = [replace(run, title=title) for run, title in zip(runs, titles, strict=True)]
    page = run_page(named, RunView(0))
    write_page(page, out / PAGE)
    return out / PAGE


def _print(found: TuneResult, table: dict[str, Any]) -> None:
    from ssd_data.training.tune.space import told

    heads = ["trial", "what", *(f"{length:,}" for length in found.lengths), "seconds"]
    rows: list[list[object]] = []
    for one, said in zip(found.trials, table["trials"], strict=True):
        scores = ["-" if rung.score is None else f"{rung.score:.4f}" for rung in one.rungs]
        scores += [""] * (len(found.lengths) - len(scores))
        rows.append([one.number, told(one.config), *scores, f"{said['seconds']:,.0f}"])
    shared.print_table([heads, *rows], right=[0, *range(2, len(heads))])
    for one in found.trials:
        if one.last.score is None:
            shared.say(f"trial {one.number} was not trained: {one.last.why}")
    for note in found.notes:
        shared.say(f"note: {note}")
    if "page" in table:
        shared.say(f"{table['page']}: the curves")
    if not found.finished:
        shared.say("stopped; the same command goes on")
    elif found.command:
        shared.say()
        shared.say("train the winner for its full time:")
        shared.say(f"  {found.command}")
