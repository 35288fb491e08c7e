"""``ssd-data fit``"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ssd_data.cli.parts import shared
from ssd_data.core.legible import count_of

SHOWN = 5
COUNTS = ("boxes", "matched", "coverage", "forced", "without", "mean_overlap", "priors_a_box")
HEADS = ("boxes", "matched", "share", "forced", "none", "overlap", "priors")
FORMS = {"coverage": ".1%", "mean_overlap": ".2f", "priors_a_box": ".1f"}  # the others: ,d


@click.command(short_help="Do a net's priors match an LMDB's boxes?")
@click.argument("lmdb", type=shared.PATH)
@click.option(
    "--net", type=shared.PATH, required=True, metavar="PROTOTXT", help="The net as it is trained."
)
@click.option(
    "--overlap",
    type=shared.Number(0, 1, min_open=True),
    metavar="F",
    help="Least overlap of a match.  [default: the net's overlap_threshold]",
)
@click.option(
    "--propose/--no-propose", default=True, help="Look for better priors.  [default: --propose]"
)
@shared.out_option("Draw plots into this folder (needs matplotlib).", metavar="DIR")
@shared.output_options
def command(
    lmdb: Path,
    net: Path,
    overlap: float | None,
    propose: bool,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Match every box of LMDB with the priors of a net, as its training would.

    Boxes are measured at the net's input as a test shows them: the whole picture warped to its
    size. The random crops and expansions of training change sizes and are not measured. No weights
    are read and no picture is decoded.

    \b
    matched  some prior overlaps the box by the net's threshold or more
    forced   its only prior is the one that the bipartite rule gives it, below the threshold
    none     no prior overlaps it, or others have taken all that do
    overlap  mean of the boxes' best overlaps
    priors   how many a box gets on average

    What is proposed has as many priors a place as the net, so weights of its layers still load.
    Give the options to 'ssd-data model' and fit the new net.

    \b
    Examples:
      ssd-data fit trainval_lmdb --net ssd/train.prototxt
      ssd-data fit trainval_lmdb --net ssd/train.prototxt -o plots
      ssd-data fit trainval_lmdb --net ssd/deploy.prototxt --overlap 0.5 --json
    """
    from ssd_data.families.fit.fit import fit

    track = shared.tracker(quiet)
    found = fit(lmdb, net, overlap=overlap, proposals=propose, track=track)
    table = found.to_json()
    if out is not None:
        from ssd_data.families.fit.plots import draw_plots

        table["plots"] = draw_plots(found, out)
    if as_json:
        shared.print_json(table)
    elif not quiet:
        _print(table)


def _print(table: dict[str, Any]) -> None:
    size = f"{table['input']['width']}x{table['input']['height']}"
    shared.say(f"{table['lmdb']}: {table['boxes']:,} boxes of {table['records']:,} records")
    shared.say(
        f"{table['net']}: {table['priors']:,} priors at {size}, overlap {table['overlap']:g}"
    )
    for note in table["notes"]:
        shared.say(f"note: {note}")
    shared.say()
    rows = [["all", *_counts(table)]]
    shared.print_table([["", *HEADS], *rows], right=range(1, 8))
    shared.say()
    heads = ["best prior in", "map", "width x height", *HEADS]
    rows = [[*_map(m), *_counts(m)] for m in table["maps"]]
    shared.print_table([heads, *rows], right=range(3, 10))
    for what, key, name in (
        ("size, pixels", "sizes", "size"),
        ("width : height", "ratios", "ratio"),
    ):
        shared.say()
        rows = [[row[name], *_counts(row)] for row in table[key]]
        shared.print_table([[what, *HEADS], *rows], right=range(1, 8))
    _print_unreached(table)
    _print_proposals(table)
    for path in table.get("plots", ()):
        shared.say(path)


def _counts(row: dict[str, Any]) -> list[str]:
    forms = {name: FORMS.get(name, ",d") for name in COUNTS}
    return ["-" if row[name] is None else format(row[name], form) for name, form in forms.items()]


def _map(row: dict[str, Any]) -> list[str]:
    """Its blob, size and the sides of its priors."""
    height, width = row["map"]
    sides = " ".join(f"{width:.3g}x{height:.3g}" for width, height in row["sizes"])
    return [row["blob"], f"{width}x{height}", sides]


def _print_unreached(table: dict[str, Any]) -> None:
    found, overlap = table["unreached"], table["overlap"]
    shared.say()
    text = f"{count_of(found['count'], 'box', 'boxes')} that no prior overlaps by {overlap:g}"
    if not found["count"]:
        shared.say(text)
        return
    share = f"{found['count'] / table['boxes']:.1%}"
    shared.say(f"{text} ({share}); for instance, in pixels of the input:")
    rows = [
        [f"{box['width']:g}x{box['height']:g}", f"best {box['best_overlap']:.2f}", box["key"]]
        for box in found["listed"][:SHOWN]
    ]
    shared.print_table([["", *row] for row in rows])


def _print_proposals(table: dict[str, Any]) -> None:
    for proposal in table["proposals"]:
        text = f"{count_of(proposal['matched'], 'box', 'boxes')} ({proposal['coverage']:.1%})"
        shared.say()
        shared.say(f"with these options of ssd-data model {text} would be matched:")
        shared.say("  " + " ".join(f"{k} {v}" for k, v in proposal["options"].items()))
    if not table["proposals"]:
        shared.say()
        shared.say("no sizes were found that match more boxes")
