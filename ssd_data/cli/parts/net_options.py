"""Options of the commands that run a net: how pictures are prepared, and what computes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.there import is_file, is_there
from ssd_data.core.registry import ENGINES, FAMILIES

if TYPE_CHECKING:
    from ssd_data.engines import Engine
    from ssd_data.nets.graph import Graph
    from ssd_data.nets.preprocessing import Preprocessing

mean_options = shared.stacked(
    click.option(
        "--train",
        type=shared.PATH,
        metavar="PROTOTXT",
        help="Take mean and scale from this net's data layer.  "
        "[default: DEPLOY's own, or of train.prototxt or test.prototxt beside it]",
    ),
    click.option(
        "--family",
        type=shared.Name(FAMILIES),
        metavar="NAME",
        help="Take mean and scale of a family, see model --list.",
    ),
    click.option("--mean", metavar="B,G,R", help="Mean of blue, green and red; or one for all."),
    click.option(
        "--scale", type=shared.Number(), help="Factor after the mean was subtracted.  [default: 1]"
    ),
)
preprocessing_options = shared.stacked(
    mean_options,
    click.option(
        "--size", metavar="N|WxH", help="Warp pictures to this size.  [default: the net's]"
    ),
)
engine_options = shared.stacked(
    click.option(
        "--engine",
        type=click.Choice(ENGINES.names()),
        default="torch",
        show_default=True,
        help="What computes the net.",
    ),
    click.option("--device", metavar="NAME", default="auto", help="cpu, cuda, cuda:1 or auto."),
    click.option("--half", is_flag=True, help="Compute in half precision (on a GPU)."),
)


def preprocessing(deploy: Path, options: Mapping[str, Any]) -> Preprocessing:
    """What :func:`mean_options` among the options say; see :mod:`ssd_data.nets.preprocessing`.

    Raises:
        click.UsageError: they exclude each other.
        InputError: nothing says it.
    """
    from ssd_data.nets.preprocessing import Preprocessing, find_preprocessing, read_preprocessing

    train, family, mean, scale = (options[key] for key in ("train", "family", "mean", "scale"))
    by_hand = mean is not None or scale is not None
    if sum((train is not None, family is not None, by_hand)) > 1:
        raise click.UsageError("--train, --family and --mean with --scale exclude each other.")
    if by_hand:
        return Preprocessing(_means(mean or "0"), 1.0 if scale is None else scale)
    if family is not None:
        found: Preprocessing = FAMILIES.load(family).DETECTOR.preprocessing
        return found
    return find_preprocessing(deploy) if train is None else read_preprocessing(train)


def deploy_net(deploy: Path, quiet: bool, weights: Path | None = None) -> Path | Graph:
    """The file where it is a deploy net; of a net for training or testing its deploy form, which is
    said unless ``quiet``.

    Raises:
        InputError: it is no net, or its deploy form cannot be told.
    """
    graph = deploy_graph(deploy, quiet, weights)
    return graph if graph.made else deploy


def deploy_graph(deploy: Path, quiet: bool, weights: Path | None = None) -> Graph:
    """The same as a graph."""
    from ssd_data.nets.edit.deploy_form import read_deploy_form

    known = weights if weights is not None and is_file(weights) else None
    graph = read_deploy_form(deploy, known)
    if graph.made and not quiet:
        shared.say(f"note: {graph.made}", err=True)
    return graph


def load(
    deploy: Path | Graph,
    weights: Path,
    options: Mapping[str, Any],
    *,
    threshold: float | None = None,
) -> Engine:
    """The net in the engine that the options name."""
    from ssd_data.engines import load_engine

    own = {key: options[key] for key in ("device", "half")}
    return load_engine(options["engine"], deploy, weights, threshold=threshold, **own)


@contextmanager
def weights_file(deploy: Path | Graph, weights: Path, seed: int = 0) -> Iterator[Path]:
    """The caffemodel; in the place of the word ``random`` a temporary one of random weights."""
    if str(weights) != "random" or is_there(weights):
        yield weights
        return
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.engines.torch.randomise import write_random_weights

    with scratch() as folder:
        file = folder / "random.caffemodel"
        write_random_weights(deploy, file, seed)
        yield file


def _means(text: str) -> tuple[float, ...]:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise click.BadParameter(f'"{text}" is neither B,G,R nor one number', param_hint="--mean")
    return tuple(values)
