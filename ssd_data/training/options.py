"""What a run is told: how it differs from what its solver says, and what it may have that the
original has not.

What the original has not (:class:`Extras`) is off unless it is asked for, is recorded beside each
snapshot, and stands in no prototxt, which the original must still read.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from ssd_data.core.errors import UsageError
from ssd_data.core.legible import quoted
from ssd_data.core.options import flag, offered, option
from ssd_data.training.recipe.named import names
from ssd_data.training.shares import parse_shares

EngineName = Literal["torch", "caffe"]
Precision = Literal["off", "bf16", "fp16"]
AUTO = "auto"
MOST = 1 << 31  # of any number


@dataclass(frozen=True, slots=True)
class Extras:
    """What a run may have beyond the original, each by the name that the command line gives it.

    Attributes:
        warm_up: N; the rate of update i < N is (i + 1) / N of what the policy says. 0 is off.
        ema: decay of the moving average of all parameters, below 1; 0 is off. See
            :class:`~ssd_data.training.extras.Average`.
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
        mix: builds or LMDBs with weights, ``VOC0712=1,MINE=3``, in the place of the training net's
            source; empty is off. See :class:`~ssd_data.batches.mix.Mix`.

    Raises:
        UsageError: a value makes no sense.

    >>> Extras(ema=0.999, warm_up=100).on()
    {'warm_up': 100, 'ema': 0.999}
    """

    warm_up: int = option(0, "Let the rate rise over N iterations.", metavar="N", low=0)
    ema: float = option(
        0.0,
        "Test and snapshot a moving average of the weights; 0.999, say.",
        metavar="DECAY",
        low=0,
        below=1,
    )
    amp: Precision = option("off", "Mixed precision; fp16 needs a GPU.")
    channels_last: bool = option(True, "How pictures lie in memory.  [default: channels last]")
    compile: bool = option(False, "Run the net through torch.compile.")
    cache: int = option(0, "Keep decoded pictures in memory.", metavar="MB", low=0)
    scale_compensation: bool = option(False, "SFD's second stage of matching.")
    min_face: int = option(
        0, "Train without boxes that are narrower or lower; SFD: 6.", metavar="PIXELS", low=0
    )
    freeze_bn: bool = option(False, "Leave BatchNorm's statistics as they are.")
    sync_bn: bool = option(False, "BatchNorm over the batches of all processes.")
    mix: str = option("", "Train on several builds, by turns.", metavar="DIR=N[,DIR=N]")

    def __post_init__(self) -> None:
        for one in fields(self):
            value, wanted = getattr(self, one.name), type(one.default)
            whole = wanted is float and type(value) is int  # 0 is meant as 0.0
            if type(value) is not wanted and not whole:
                what = f"{reprlib.repr(value)} is no {wanted.__name__}"
                raise UsageError(what, where=flag(one.name))
            if (known := offered(one)) is not None and known.low is not None:
                self._check_range(one.name, value, known.low, known.below)
        if self.amp not in get_args(Precision):
            what = f"{quoted(self.amp)} is none of {', '.join(get_args(Precision))}"
            raise UsageError(what, where="--amp")
        parse_shares(self.mix)

    def _check_range(self, name: str, value: float, low: int, below: int | None) -> None:
        if not low <= value < (below or MOST):
            end = f"{MOST}" if below is None else f"{below}, {below} excluded"
            text = f"{value:g}" if isinstance(value, float) else reprlib.repr(value)
            raise UsageError(f"{text} is not in {low} … {end}", where=flag(name))

    def on(self) -> dict[str, Any]:
        """Those that differ from what a run has by itself."""
        return {name: value for name, value in asdict(self).items() if value != DEFAULTS[name]}


DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Extras)}


class ExtrasTold(TypedDict, total=False):
    """The fields of :class:`Extras`, those alone that were told."""

    warm_up: int
    ema: float
    amp: Precision
    channels_last: bool
    compile: bool
    cache: int
    scale_compensation: bool
    min_face: int
    freeze_bn: bool
    sync_bn: bool
    mix: str


@dataclass(slots=True)
class TrainOptions:
    """How a run differs from what its solver says; each field is a command-line option.

    Attributes:
        device: as for Net; ``auto`` takes a GPU where there is one.
        workers: the run does not depend on their number.
        seed: of weights, order and augmentation; by default the solver's ``random_seed``, else 0.
        keep: how many snapshots stay, besides the best by mAP; None keeps all.
        write_in: folders that solver and nets may write into, besides the working one and the
            solver's own.
        build: in the place of a solver: nets of a ``family`` are written for this build into
            ``out``, and its LMDBs are linked.
        recipe: what it does otherwise than solver and nets say: a file, or the name of a shipped
            one; once settled, what it says. None on resuming: as the snapshot records.
        extras: what the original has not: of the fields of :class:`Extras` those that are told
            (what is not is off, or on resuming as the snapshot records), or all of them.
    """

    weights: Sequence[Path] = option(
        (), "Caffemodels to start from, one after another.", metavar="F[,F]"
    )
    resume: str | Path | None = option(
        None, "Go on from a solver state; auto: from the newest whole one.", metavar="F|auto"
    )
    device: str | None = option(
        AUTO, "cpu, cuda, cuda:1 or auto.", metavar="NAME", shows_default=True
    )
    workers: int | None = option(None, "Threads that read pictures.", metavar="N", low=0)
    seed: int | None = option(None, "Of all that is random.", metavar="N", low=0)
    recipe: Path | str | Any | None = option(  # or a TrainRecipe, whose import would cost --help
        None,
        f"A recipe to train by: a .toml, or {', '.join(names())}.",
        metavar="F|NAME",
    )
    max_iter: int | None = option(None, "Instead of the solver's.", metavar="N", low=1)
    jpeg_roundtrip: bool = option(
        True, "Training pictures pass the original's JPEG round trips.  [default: they do]"
    )
    tensorboard: Path | str | None = option(None, "Write TensorBoard's events.", metavar="DIR")
    keep: int | None = option(None, "Delete all but N snapshots.", metavar="N", low=1)
    skip_mismatch: bool = option(False, "Start layers of another shape anew.")
    write_in: Sequence[Path] = option(
        (), "Other folders that solver and nets may write into.", metavar="DIR[,DIR]"
    )
    other_data: bool = option(False, "Resume although the LMDB was built anew.")
    engine: EngineName = option(
        "torch", "What trains: PyTorch, or a real Caffe.", shows_default=True
    )
    caffe: Path | str | None = option(None, "Caffe's executable, or its folder.", metavar="F")
    build: Path | str | None = option(None, "Write nets for this build first.", metavar="DIR")
    family: str | None = option(None, "Of the nets to write, see model --list.", metavar="NAME")
    out: Path | str | None = option(
        None, "With --build: folder of the nets.  [default: the family's name]", letter="o"
    )
    extras: Mapping[str, Any] | Extras = field(default_factory=dict)

    def policy(self, own: str) -> str:
        """What the learning rate goes by: a recipe's schedule, else the solver's own policy."""
        schedule = getattr(self.recipe, "schedule", None)
        return own if schedule is None else f"{schedule.kind} (recipe)"

    def recorded(self) -> dict[str, Any]:
        """What log and snapshots keep of it."""
        names = ("weights", "resume", "device", "seed", "workers", "max_iter", "jpeg_roundtrip")
        table = {name: getattr(self, name) for name in (*names, "keep", "skip_mismatch")}
        own = asdict(self.extras) if isinstance(self.extras, Extras) else dict(self.extras)
        from ssd_data.training.recipe.change import recorded_recipe

        recipe = {} if self.recipe is None else {"recipe": recorded_recipe(self.recipe)}
        return {**table, **recipe, "extras": own}


def settle(
    told: Mapping[str, Any],
    recorded: Mapping[str, Any],
    say: Callable[[str], None] = lambda text: None,
) -> Extras:
    """The extras of a run: what was told, else what the snapshot records, else off.

    Args:
        told: by the fields of :class:`Extras`, those alone that were told.
        recorded: what the snapshot records that the run goes on from; empty where it begins.
        say: is told what the run does otherwise than the one before, and what it takes over.

    Raises:
        UsageError: a value makes no sense.

    >>> extras = settle({"ema": 0.5}, {"ema": 0.9, "warm_up": 10}, print)
    --ema 0.5: until the snapshot it was --ema 0.9
    --warm-up 10: as the snapshot records
    """
    extras = Extras(**{**recorded, **told})
    for name, before in recorded.items():
        now = getattr(extras, name)
        if now != before:
            say(f"{flag(name, now)}: until the snapshot it was {flag(name, before)}")
        elif now != DEFAULTS[name] and name not in told:
            say(f"{flag(name, now)}: as the snapshot records")
    return extras


def settle_seed(
    told: int | None,
    recorded: object,
    fixed: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> int | None:
    """The seed of a run: what was told, else what the snapshot records; None where nothing says.

    Args:
        fixed: another than before is refused, since the order of a mix follows from it.
        say: as :func:`settle` has it.

    Raises:
        UsageError: it is another than before.

    >>> settle_seed(None, 6, say=print), settle_seed(7, 6, say=print)
    --seed 7: until the snapshot it was --seed 6
    (6, 7)
    """
    if not isinstance(recorded, int) or recorded < 0:
        return told
    if told is None or told == recorded:
        return recorded
    if fixed:
        raise UsageError(
            f"the snapshot's mix is in the order of --seed {recorded}",
            where=f"--seed {told}",
            hint="Leave --seed out; --other-data goes on at the same place of another order",
        )
    say(f"--seed {told}: until the snapshot it was --seed {recorded}")
    return told


def spelled(table: Mapping[str, Any]) -> str:
    """What is on of some extras, as the command line spells it.

    >>> spelled({"ema": 0.9, "freeze_bn": True, "cache": 0})
    '--ema 0.9, --freeze-bn'
    """
    return ", ".join(flag(name, value) for name, value in Extras(**table).on().items())
