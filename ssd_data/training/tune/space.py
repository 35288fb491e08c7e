"""What is tried: the values of each dimension, and the trials that are drawn of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random
from typing import Any, TypeAlias

from ssd_data.core.errors import UsageError
from ssd_data.core.legible import quoted
from ssd_data.training.recipe.named import names

Value: TypeAlias = float | str
Config: TypeAlias = dict[str, Value]

OWN = "-"  # as the recipe, or else the solver or the net, says
RATE, BATCH, PRIORS, RECIPE = "rate", "batch", "priors", "recipe"
OVER = (RATE, PRIORS, RECIPE)
# Values of a dimension that is told without any; the first is what the family has.
OFFERED: dict[str, tuple[str, ...]] = {
    BATCH: (OWN,),
    PRIORS: (OWN, "fit"),
    RECIPE: ("original", *(name for name in names() if name != "original")),
    "schedule": (OWN, "cosine", "one_cycle"),
    "classification": (OWN, "focal"),
    "boxes": (OWN, "giou", "ciou"),
    "matching": (OWN, "atss", "simota"),
    "average": (OWN, "0.998"),
    "augmentation": (OWN, "square", "mosaic", "mixup", "paste", "hsv"),
}
LOW, HIGH = 0.25, 4.0  # factors of the rate
TRIES = 100
# Besides its kind, what an element of a trial's recipe says.
MORE: dict[str, dict[str, Any]] = {"giou": {"weight": 2}, "ciou": {"weight": 2}}


@dataclass(frozen=True, slots=True)
class Space:
    """The dimensions.

    Attributes:
        rates: the least and the greatest factor of the rate; None where it stays.
        choices: of the other dimensions the values, the family's own first.
    """

    rates: tuple[float, float] | None
    choices: Mapping[str, tuple[str, ...]]

    def draw(self, count: int, seed: int) -> list[Config]:
        """Trials, the first one as the family is: each value of a dimension about as often as each
        other, rates even on a logarithmic scale; no two alike. There are fewer where the values
        allow no more.
        """
        random = Random(seed)
        found = [self._own()]
        columns = {name: _turns(values, count, random) for name, values in self.choices.items()}
        rates = self._rates(count, random)
        for number in range(1, count):
            config: Config = {name: column[number] for name, column in columns.items()}
            if rates:
                config[RATE] = rates[number]
            for _ in range(TRIES):
                if config not in found:
                    found.append(config)
                    break
                config = {name: random.choice(values) for name, values in self.choices.items()}
        return found

    def _own(self) -> Config:
        own: Config = {name: values[0] for name, values in self.choices.items()}
        return own if self.rates is None else {**own, RATE: 1.0}

    def _rates(self, count: int, random: Random) -> list[float]:
        if self.rates is None:
            return []
        low, high = map(math.log, self.rates)
        steps = [(n + random.random()) / count for n in range(count)]
        random.shuffle(steps)
        return [float(f"{math.exp(low + (high - low) * step):.3g}") for step in steps]


def _turns(values: Sequence[str], count: int, random: Random) -> list[str]:
    found = [values[n % len(values)] for n in range(count)]
    random.shuffle(found)
    return found


def read_space(over: Sequence[str]) -> Space:
    """The dimensions that ``--over`` names: ``rate``, ``rate=0.1,10``, ``matching=atss``.

    >>> space = read_space(["rate=0.5,2", "matching=atss"])
    >>> space.rates, space.choices
    ((0.5, 2.0), {'matching': ('-', 'atss')})

    Raises:
        UsageError: a dimension or value is not known.
    """
    rates, choices = None, {}
    for text in over or OVER:
        name, has, listed = text.partition("=")
        values = [word for word in listed.split(",") if word]
        if has and not values:
            raise UsageError(f"{quoted(text)} names no value", where="--over")
        if name == RATE:
            rates = _bounds(values)
        elif name in OFFERED:
            choices[name] = _choices(name, values)
        else:
            known = (RATE, *OFFERED)
            near = "".join(f"Did you mean {n}? " for n in get_close_matches(name, known, n=1))
            what = f"nothing that is tried is called {quoted(name)}"
            raise UsageError(what, where="--over", hint=f"{near}There are {', '.join(known)}")
    return Space(rates, choices)


def _bounds(values: Sequence[str]) -> tuple[float, float]:
    if not values:
        return LOW, HIGH
    try:
        low, high = map(float, values)
    except ValueError:
        low = high = 0.0
    if not 0 < low < high < math.inf:
        what = f"{quoted(','.join(values))} is no range of factors"
        raise UsageError(
            what, where="--over rate", hint="rate=0.25,4 tries a quarter to four times"
        )
    return low, high


def _choices(name: str, values: Sequence[str]) -> tuple[str, ...]:
    from ssd_data.batches.composer import known_elements
    from ssd_data.training.recipe.read import ELEMENTS, read_recipe

    where = f"--over {name}"
    if not values and name == BATCH:
        raise UsageError("say which", where=where, hint="batch=8,16,32")
    for value in values:
        if name in ELEMENTS and value != OWN:
            ELEMENTS[name].check(value)
        elif name == "augmentation" and value not in (OWN, *known_elements()):
            hint = f"There are {', '.join(known_elements())}"
            raise UsageError(f"{quoted(value)} is no element", where=where, hint=hint)
        elif name == BATCH and value != OWN and not (value.isdecimal() and 0 < int(value) < 65_537):
            raise UsageError(f"{quoted(value)} is no number of pictures", where=where)
        elif name == "average" and value != OWN and not _is_decay(value):
            raise UsageError(f"{quoted(value)} is no decay below 1", where=where)
        elif name == PRIORS and value not in OFFERED[PRIORS]:
            raise UsageError(f"{quoted(value)} is neither - nor fit", where=where)
        elif name == RECIPE:
            read_recipe(value)
    own = OFFERED[name][0]
    return tuple(dict.fromkeys((own, *values))) if values else OFFERED[name]


def _is_decay(value: str) -> bool:
    try:
        return 0 <= float(value) < 1
    except ValueError:
        return False


def recipe_table(config: Config, share: float) -> dict[str, Any]:
    """The tables of a trial's recipe; empty where it has none.

    Args:
        share: of the iterations of a full training, which warm-ups are shortened to.
    """
    from ssd_data.training.recipe.read import ELEMENTS, from_table, read_recipe, to_table

    found = to_table(read_recipe(str(config.get(RECIPE, "original"))))
    for name, value in config.items():
        if value == OWN or name in (RATE, BATCH, PRIORS, RECIPE):
            continue
        if name in ELEMENTS:
            found[name] = {"kind": value, **MORE.get(str(value), {})}
        elif name == "average":
            found[name] = {"decay": float(value)}
        else:
            found.setdefault(name, {})[str(value)] = {}
    schedule = found.get("schedule", {})
    if schedule.get("rate") is not None:
        schedule["rate"] *= config.get(RATE, 1.0)
    if schedule.get("warm_up"):
        schedule["warm_up"] = max(round(schedule["warm_up"] * min(share, 1.0)), 1)
    return to_table(from_table(found, "trial"))


def told(config: Config) -> str:
    """A trial in words.

    >>> told({"recipe": "faces", "priors": "-", "rate": 0.5})
    'recipe faces, rate x0.5'
    """
    return ", ".join(_words(config)) or "as it is"


def _words(config: Config) -> Iterator[str]:
    for name, value in config.items():
        if name == RATE and value != 1:
            yield f"rate x{value:g}"
        elif name not in (RATE,) and value not in (OWN, "original"):
            yield f"{name} {value}"
