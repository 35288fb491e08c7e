"""A net's summary as ``ssd-data model --summary`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared

if TYPE_CHECKING:
    from ssd_data.engines.torch.summary import Summary
    from ssd_data.nets.graph import Graph


def show(graph: Graph, as_json: bool = False, quiet: bool = False) -> None:
    """Print the summary of a net."""
    if as_json:
        shared.print_json(table(graph))
    elif not quiet:
        _print(_summarise(graph))


def table(graph: Graph) -> dict[str, Any]:
    """The summary for JSON."""
    from dataclasses import asdict

    found = _summarise(graph)
    return {
        **asdict(found),
        "parameters": found.parameters,
        "multiply_adds": found.multiply_adds,
        "prior_count": found.prior_count,
    }


def _summarise(graph: Graph) -> Summary:
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.engines.torch.summary import summarise

    return summarise(graph)


def _print(found: Summary) -> None:
    from ssd_data.nets.geometry import shape_text

    rows: list[list[object]] = [["layer", "type", "output", "parameters", "multiply-adds"]]
    for layer in found.layers:
        shapes = ", ".join(shape_text(s) for s in layer.shapes)
        counts = [f"{n:,}" if n else "" for n in (layer.parameters, layer.multiply_adds)]
        rows.append([layer.name, layer.type, shapes, *counts])
    rows.append(["all", "", "", f"{found.parameters:,}", f"{found.multiply_adds:,}"])
    shared.print_table(rows, right=[3, 4])
    if not found.priors:
        return
    click.echo()
    head = ["priors of", "map", "a place", "in all", "stride", "field", "width x height, pixels"]
    table: list[list[object]] = [list(head)]
    for prior in found.priors:
        sizes = " ".join(f"{width:.4g}x{height:.4g}" for width, height in prior.sizes)
        pairs = [_pair(prior.map), len(prior.sizes), f"{prior.count:,}"]
        table.append([prior.blob, *pairs, _pair(prior.stride), _pair(prior.field), sizes])
    table.append(["all", "", "", f"{found.prior_count:,}", "", "", ""])
    shared.print_table(table, right=[1, 2, 3, 4, 5])


def _pair(values: tuple[float, ...]) -> str:
    """Height and width, once where they are the same."""
    return "x".join(f"{v:g}" for v in (values[:1] if len(set(values)) == 1 else values))
