"""``ssd-data time``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import net_options, shared
from ssd_data.core.files.there import is_there
from ssd_data.core.legible import count_of

if TYPE_CHECKING:
    from ssd_data.engines.torch.timing import Timing
    from ssd_data.evaluation.speed import Speed
    from ssd_data.nets.graph import Graph


@click.command(short_help="Milliseconds of each layer of a net.")
@click.argument("deploy", type=shared.PATH)
@click.argument("weights", metavar="[WEIGHTS|random]", default="random", type=shared.PATH)
@click.option(
    "--iterations", type=click.IntRange(1), default=50, show_default=True, help="Forward and back."
)
@click.option(
    "--phase",
    type=click.Choice(["TRAIN", "TEST"], case_sensitive=False),
    help="Which layers take part, those of data too.  [default: the deploy net's]",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures at a time.  [default: as DEPLOY says]",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or auto.")
@click.option(
    "--engine",
    "engines",
    metavar="A,B",
    help="Time whole engines instead, side by side: forward alone, a round each in turn.",
)
@shared.output_options
def command(
    deploy: Path,
    weights: Path,
    iterations: int,
    phase: str | None,
    batch: int | None,
    device: str,
    engines: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Time each layer of DEPLOY (a prototxt), forward and backward, on random input.

    Without WEIGHTS (a caffemodel), or with the word random in their place, the net gets random
    ones. All gradients are computed, also those that the net itself would not need. This is the
    net as Caffe has it, layer by layer; detect runs a faster copy.

    \b
    Examples:
      ssd-data time deploy.prototxt
      ssd-data time deploy.prototxt net.caffemodel --iterations 10 --batch 8
      ssd-data time deploy.prototxt net.caffemodel --engine torch,opencv,ncnn
    """
    if engines is not None:
        if phase is not None and phase.upper() != "TEST":
            raise click.UsageError("--phase and --engine exclude each other.")
        given = net_options.deploy_net(deploy, quiet, weights)
        rows = _compare(given, weights, engines, iterations, batch, device)
        if as_json:
            shared.print_json({"unit": "ms", "engines": [asdict(row) for row in rows]})
        elif not quiet:
            _print_engines(rows, iterations)
        return
    from ssd_data.engines.torch import require_torch
    from ssd_data.nets.graph import read_graph

    require_torch()
    from ssd_data.engines.torch.timing import measure, prepare

    is_random = str(weights) == "random" and not is_there(weights)
    if phase is None:
        graph = net_options.deploy_graph(deploy, quiet, None if is_random else weights)
    else:
        graph = read_graph(deploy, phase.upper())
    net = prepare(graph, None if is_random else weights, batch=batch, device=device)
    timing = measure(net, iterations)
    if as_json:
        phase_word = {"phase": ("TRAIN", "TEST")[timing.phase]}
        shared.print_json({"unit": "ms", **asdict(timing), **phase_word, "total": timing.total})
    elif not quiet:
        _print(timing)


def _compare(
    deploy: Path | Graph, weights: Path, engines: str, rounds: int, batch: int | None, device: str
) -> list[Speed]:
    import numpy as np

    from ssd_data.engines import load_engine
    from ssd_data.evaluation.speed import compare_speed

    names = [name.strip() for name in engines.split(",")]
    with net_options.weights_file(deploy, weights, 0) as file:
        nets = [
            load_engine(name, deploy, file, device=device if name == "torch" else "cpu")
            for name in names
        ]
    shape = (batch or nets[0].shape[0], *nets[0].shape[1:])
    values = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    return compare_speed(nets, values, rounds)


def _print_engines(rows: list[Speed], rounds: int) -> None:
    table: list[list[object]] = [["engine", "median, ms", "fastest, ms", "to the first"]]
    table += [
        [row.engine, f"{row.median:.2f}", f"{row.fastest:.2f}", f"{row.relative:.2f}"]
        for row in rows
    ]
    shared.print_table(table, right=[1, 2, 3])
    shared.say(f"forward, {count_of(rounds, 'round')}")


def _print(timing: Timing) -> None:
    rows: list[list[object]] = [["layer", "type", "forward, ms", "backward, ms"]]
    rows += [[x.name, x.type, f"{x.forward:.3f}", f"{x.backward:.3f}"] for x in timing.layers]
    rows.append(["all", "", f"{timing.forward:.3f}", f"{timing.backward:.3f}"])
    shared.print_table(rows, right=[2, 3])
    both = timing.forward + timing.backward
    shared.say()
    shared.say(
        f"forward and backward {both:.1f} ms: the mean of {timing.iterations}, together "
        f"{timing.total / 1e3:.2f} s; batch {timing.batch or 'as the data layer has it'}, "
        f"{timing.device}, {count_of(timing.threads, 'thread')}"
    )
