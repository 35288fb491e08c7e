"""``ssd-data parity``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import net_options, shared
from ssd_data.core.legible import count_of

if TYPE_CHECKING:
    from ssd_data.engines import Array, Engine
    from ssd_data.evaluation.compare import Difference


@click.command(short_help="Compare what several engines make of a net.")
@click.argument("deploy", type=shared.PATH)
@click.argument("weights", metavar="WEIGHTS|random", type=shared.PATH)
@click.argument("pictures", metavar="[IMAGE|FOLDER]…", nargs=-1, type=shared.PATH)
@click.option(
    "--engines",
    default="torch,opencv",
    show_default=True,
    metavar="A,B",
    help="The first is what the others are compared with.",
)
@click.option(
    "--tolerance",
    type=shared.Number(),
    default=1e-3,
    show_default=True,
    help="Largest difference, of an output's largest value.",
)
@click.option(
    "--random",
    "count",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    metavar="N",
    help="How many random pictures, where none are given.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is random.")
@click.option("--device", default="cpu", show_default=True, help="For the engines with a choice.")
@shared.follow_links_option
@net_options.preprocessing_options
@shared.output_options
def command(
    deploy: Path,
    weights: Path,
    pictures: tuple[Path, ...],
    engines: str,
    tolerance: float,
    count: int,
    seed: int,
    device: str,
    follow_links: bool,
    size: str | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run the same pictures, or random ones, through DEPLOY with WEIGHTS in several engines.

    The word random in the place of WEIGHTS fills the net with random ones.

    Prints the largest difference of each output. Detections are compared as sets: one that only one
    engine has counts as unmatched, unless it lies at a threshold. Exit status 1 beyond the
    tolerance or with an unmatched detection. Where OpenCV differs, layers are named that it is
    known to compute in another way.

    \b
    Examples:
      ssd-data parity deploy.prototxt net.caffemodel --engines torch,opencv
      ssd-data parity deploy.prototxt wider.caffemodel photos --mean 104,117,123
      ssd-data parity deploy.prototxt random
    """  # fmt: skip
    from ssd_data.engines import load_engine
    from ssd_data.evaluation.candidates import CandidatesOf
    from ssd_data.evaluation.compare import compare_engines
    from ssd_data.evaluation.detect import read_inputs
    from ssd_data.evaluation.reasons import opencv_reasons

    names = [name.strip() for name in engines.split(",")]
    if len(names) < 2:
        raise click.BadParameter("name at least two engines", param_hint="--engines")
    given = net_options.deploy_net(deploy, quiet, weights)
    with net_options.weights_file(given, weights, seed) as file:
        nets = [
            load_engine(name, given, file, device="cpu" if name == "opencv" else device)
            for name in names
        ]
        if pictures:
            prepare = net_options.preprocessing(deploy, options).fitted(nets[0].graph)
            wanted = shared.parse_size(size) or (nets[0].shape[3], nets[0].shape[2])
            batches = read_inputs(pictures, prepare, wanted, follow_links=follow_links)
        else:
            batches = _random(nets[0], count, seed, shared.parse_size(size))
        boxes = CandidatesOf(given, file, nets[0].map_sizes())
        rows = compare_engines(nets, batches, boxes=boxes)
    passed = all(row.within(tolerance) for row in rows)
    apart = {row.engine for row in rows if not row.within(tolerance)}
    reasons = opencv_reasons(nets[0].graph) if "opencv" in apart else []
    if as_json:
        shared.print_json(_table(names, rows, len(batches), tolerance, passed, reasons))
    elif not quiet:
        _print(rows, len(batches))
        for reason in reasons:
            shared.say(f"opencv differs, {reason}")
    if not passed:
        shared.say(f"error: the engines differ by more than {tolerance:g}", err=True)
        click.get_current_context().exit(1)


def _random(net: Engine, count: int, seed: int, size: tuple[int, int] | None) -> list[Array]:
    """Values like those of a picture whose mean was subtracted, in the net's own shape."""
    import numpy as np

    random = np.random.default_rng(seed)
    height, width = size[::-1] if size else net.shape[2:]
    shape = (1, net.shape[1], height, width)
    return [random.uniform(-1, 1, shape).astype(np.float32) for _ in range(count)]


def _table(
    names: list[str],
    rows: list[Difference],
    pictures: int,
    tolerance: float,
    passed: bool,
    reasons: list[str],
) -> dict[str, Any]:
    fields = ("output", "engine", "largest", "relative", "unmatched", "compared")
    return {
        "engines": names,
        "pictures": pictures,
        "tolerance": tolerance,
        "outputs": [{name: getattr(row, name) for name in fields} for row in rows],
        "passed": passed,
        "reasons": reasons,
    }


def _print(rows: list[Difference], pictures: int) -> None:
    table: list[list[object]] = [["output", "engine", "largest", "relative", "unmatched"]]
    table += [
        [row.output, row.engine, f"{row.largest:.2e}", f"{row.relative:.2e}", row.unmatched]
        for row in rows
    ]
    shared.print_table(table, right=[2, 3, 4])
    shared.say(count_of(pictures, "picture"))
