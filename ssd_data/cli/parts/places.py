"""``--on``: where work is done, in this process or by the workers of a cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.core.registry import PLACES

if TYPE_CHECKING:
    from ssd_data.core.tasks import Workers

LOCAL = "local"


def _checked(context: click.Context, parameter: click.Parameter, value: str) -> str:
    PLACES.check(value.partition("://")[0])
    return value


on_option = click.option(
    "--on",
    metavar="|".join([*PLACES.names(), "ray://HOST:PORT"]),
    default=LOCAL,
    show_default=True,
    callback=_checked,
    help="Who does it: this process, or the workers of a Ray cluster (that of this machine or of "
    "RAY_ADDRESS, or else a new one here; or another's client server).",
)


def workers_of(on: str, quiet: bool) -> AbstractContextManager[Workers | None]:
    """The workers of a place; None for this process itself."""
    if on == LOCAL:
        return nullcontext()
    from ssd_data.core.tasks import connect, unsaid

    def say(text: str) -> None:
        shared.say(f"note: {text}", err=True)

    return connect(on, unsaid if quiet else say)
