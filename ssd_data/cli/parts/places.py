"""``--on``: where work is done, in this process or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ssd_data.cli.parts import shared
from ssd_data.core.registry import PLACES

if TYPE_CHECKING:
    from ssd_data.core.tasks import Pool

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
    help="Who does it: this process, or the workers of a Ray cluster (that of RAY_ADDRESS or of "
    "'ray start' on this machine, or else a new one here; or another's client server).",
)


def pool_of(on: str, quiet: bool) -> Pool:
    """The workers of a place; what is to be said of them goes to standard error."""
    from ssd_data.core.tasks import Pool

    return Pool(on, teller(quiet))


def teller(quiet: bool) -> Callable[[str], None]:
    """Says what a user should know of workers."""

    def tell(text: str) -> None:
        if not quiet:
            shared.say(f"note: {text}", err=True)

    return tell
