"""What a search is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.core.options import option
from ssd_data.training.options import AUTO, Precision

TEST_SPLIT = "test"
LEAST_TRIALS, MOST_TRIALS, MOST_HALVING = 2, 1000, 100


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How to search; each field is a command-line option.

    Attributes:
        over: what is tried, see :func:`~ssd_data.training.tune.space.read_space`.
        trials: how many are drawn. keep: one in so many goes on, for so many times as long.
        iterations: of the longest runs, of the family's own batch; None for a tenth of the
            family's.
        test: ``test``, the build's split; or the share of the training pictures that is held out.
        seed: of the trials, of what is held out, and of all runs.
    """

    over: tuple[str, ...] = option(
        (), "What to try; repeatable.  [default: rate, priors, recipe]", metavar="NAME[=A,B,…]"
    )
    trials: int = option(9, "So many are drawn.", metavar="N", low=2, most=MOST_TRIALS)
    keep: int = option(
        3, "One in N goes on, for N times as long.", metavar="N", low=2, most=MOST_HALVING
    )
    iterations: int | None = option(
        None,
        "Of the longest runs.  [default: a tenth of the family's]",
        metavar="N",
        low=1,
    )
    test: str = option(
        "0.2",
        "Share of the training pictures to test on; or test, the build's split.",
        metavar="SHARE|test",
        shows_default=True,
    )
    seed: int = option(1, "Of all that is random.", metavar="N", low=0, shows_default=True)
    weights: Sequence[Path] = option((), "Caffemodels to start from.", metavar="F[,F]")
    device: str = option(AUTO, "cpu, cuda, cuda:1 or auto.", metavar="NAME", shows_default=True)
    workers: int | None = option(None, "Threads that read pictures.", metavar="N", low=0)
    amp: Precision = option("off", "Mixed precision; fp16 needs a GPU.")
    cache: int = option(0, "Keep decoded pictures in memory.", metavar="MB", low=0)
    variant: str | None = option(None, "Of the family.", metavar="NAME")
    from_scratch: bool = option(False, "Nets for training without weights.")

    def __post_init__(self) -> None:
        for name, least, most in (("trials", LEAST_TRIALS, MOST_TRIALS), ("keep", 2, MOST_HALVING)):
            if not least <= getattr(self, name) <= most:
                text = f"{getattr(self, name)} is not in {least} … {most}"
                raise UsageError(text, where=f"--{name}")
        self.held()

    def held(self) -> float:
        """The share of training pictures that is held out; 0 for none.

        Raises:
            UsageError: it is none.
        """
        if self.test == TEST_SPLIT:
            return 0.0
        try:
            share = float(self.test)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            hint = "0.2 holds out a fifth of the training pictures"
            raise UsageError(f'"{self.test}" is no share', where="--test", hint=hint)
        return share

    def model(self) -> dict[str, Any]:
        """Those that are the family's."""
        more = {"variant": self.variant, "from_scratch": self.from_scratch or None}
        return {name: value for name, value in more.items() if value is not None}

    def run(self) -> dict[str, Any]:
        """Those that are a training's."""
        extras: dict[str, Any] = {"amp": self.amp} if self.amp != "off" else {}
        extras |= {"cache": self.cache} if self.cache else {}
        return {"device": self.device, "workers": self.workers, "seed": self.seed, **extras}

    def settled(self) -> dict[str, Any]:
        """Those that the trials come from: another search if one differs."""
        names = ("over", "trials", "keep", "iterations", "test", "seed", "amp")
        table = {name: getattr(self, name) for name in names}
        return table | {"weights": [str(path) for path in self.weights], **self.model()}
