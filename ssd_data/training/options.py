"""What a run may have that the original has not.

All of it is off unless it is asked for, is recorded beside each snapshot, and stands in no
prototxt, which the original must still read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.training.snapshots import BESIDE, read_beside

BF16, FP16 = "bf16", "fp16"
PRECISIONS = ("off", BF16, FP16)
MOST = 1 << 31  # of any number


@dataclass(frozen=True, slots=True)
class Extras:
    """The options, each by the name that the command line gives it.

    Attributes:
        warm_up: N; the rate of update i < N is (i + 1) / N of what the policy says. 0 is off.
        ema: decay of the moving average of all parameters, below 1; 0 is off. See ``averaging.py``.
        amp: ``bf16`` or ``fp16``: what convolutions and inner products compute in; ``off`` is
            float32.
        channels_last: whether pictures lie with their channels last in memory; on by default.
        compile: whether the net's layers run as one function that torch.compile makes.
        cache: megabytes (2^20 bytes) of decoded training pictures that stay in memory.
        scale_compensation: faces with few priors get more, see ``compensate`` in ``matching.py``.
        min_face: boxes that are narrower or lower than so many pixels of the net's input are left
            out of training.
        freeze_bn: BatchNorm uses the statistics that it came with, and leaves them.
        sync_bn: several processes normalise by the statistics of the whole batch.

    Raises:
        UsageError: a value makes no sense.
    """

    warm_up: int = 0
    ema: float = 0.0
    amp: str = PRECISIONS[0]
    channels_last: bool = True
    compile: bool = False
    cache: int = 0
    scale_compensation: bool = False
    min_face: int = 0
    freeze_bn: bool = False
    sync_bn: bool = False

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            wanted = type(_DEFAULTS[name])
            whole = wanted is float and type(value) is int  # 0 is meant as 0.0
            if type(value) is not wanted and not whole:
                raise UsageError(f"{value!a} is no {wanted.__name__}", where=option(name))
        for name in ("warm_up", "cache", "min_face"):
            if not 0 <= getattr(self, name) < MOST:
                raise UsageError(f"{getattr(self, name)} is not in 0 … {MOST}", where=option(name))
        if not 0 <= self.ema < 1:
            raise UsageError(f"{self.ema:g} is not in 0 … 1, 1 excluded", where=option("ema"))
        if self.amp not in PRECISIONS:
            raise UsageError(f"{self.amp!a} is none of {', '.join(PRECISIONS)}", where="--amp")

    def on(self) -> dict[str, Any]:
        """Those that differ from what a run has by itself."""
        return {name: value for name, value in asdict(self).items() if value != _DEFAULTS[name]}


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Extras)}


def option(name: str, value: object = None) -> str:
    """A field as the command line spells it, with its value where one is given.

    ``warm_up`` → ``--warm-up``; (``freeze_bn``, False) → ``--no-freeze-bn``.
    """
    words = name.replace("_", "-")
    if value is None or value is True:
        return f"--{words}"
    return f"--no-{words}" if value is False else f"--{words} {value}"


def settle(
    told: Mapping[str, Any],
    resume: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Extras:
    """The options of a run: what was told, else what the snapshot records, else off.

    Args:
        told: by the fields of :class:`Extras`, those alone that were told.
        resume: the solver state that the run goes on from.
        say: is told what the run does otherwise than the one before, and what it takes over.

    Raises:
        UsageError: a value makes no sense. InputError: what the snapshot records makes none.
    """
    recorded = {} if resume is None else recorded_by(resume)
    extras = Extras(**{**recorded, **told})
    for name, before in recorded.items():
        now = getattr(extras, name)
        if now != before:
            say(f"{option(name, now)}: until the snapshot it was {option(name, before)}")
        elif now != _DEFAULTS[name] and name not in told:
            say(f"{option(name, now)}: as the snapshot records")
    return extras


def recorded_by(state: Path) -> dict[str, Any]:
    """The options that the small file beside a solver state records; none of Caffe's own.

    Raises:
        InputError: what it records are no such options.
    """
    where = state.with_suffix(BESIDE)
    options = read_beside(state).get("options", {})
    found = options.get("extras", {}) if isinstance(options, dict) else None
    if not isinstance(found, dict):
        raise InputError("its options are no table", where=where)
    if unknown := found.keys() - _DEFAULTS.keys():
        raise InputError(
            f"it records an option that is not known: {sorted(unknown)[0][:40]!a}",
            where=where,
            hint="Was it written by a later version of ssd-data?",
        )
    try:
        return asdict(Extras(**found))
    except UsageError as error:
        raise InputError(f"it records {error.where}, but {error.what}", where=where) from None


def refuse(told: Mapping[str, Any], what: str) -> None:
    """An engine has none of them.

    Raises:
        UsageError: it names those that were asked for.
    """
    if names := spelled(told):
        raise UsageError(f"{what} does not have this", where=names)


def spelled(table: Mapping[str, Any]) -> str:
    """What is on of some options, as the command line spells it."""
    return ", ".join(option(name, value) for name, value in Extras(**table).on().items())
