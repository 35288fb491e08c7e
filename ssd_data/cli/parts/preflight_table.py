"""How commands that train or test show a preflight: on standard error, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared

if TYPE_CHECKING:
    from ssd_data.training.preflight.report import Preflight, Trouble


def print_preflight(found: Preflight, quiet: bool = False) -> None:
    """Where the paths lead, what the weights give, then all errors and warnings.

    Args:
        quiet: show errors alone.
    """
    if not quiet:
        shared.print_table(found.rows(), right=[3], err=True)
        for loaded in found.weights:
            click.echo(f"weights: {loaded}", err=True)
    _print_all("error", found.errors)
    if not quiet:
        _print_all("warning", found.warnings)


def _print_all(kind: str, troubles: list[Trouble]) -> None:
    for trouble in troubles:
        click.echo(f"{kind}: {trouble}", err=True)
