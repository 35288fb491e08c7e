"""Options that are fields of a dataclass: type, choices and default are the field's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

from ssd_data.cli.parts.fields import field_option, options_of
from ssd_data.core.options import offer, option


@dataclass
class Meal:
    main: Literal["soup", "fish"] = "fish"
    sides: tuple[Literal["rice", "peas"], ...] = ()
    dessert: Literal["cake"] | None = None
    persons: int = 2
    price: float = 9.5
    to_take_away: bool = False


@pytest.fixture
def order() -> Any:
    found: dict[str, Any] = {}

    @click.command()
    @field_option(Meal, "--main")
    @field_option(Meal, "--sides")
    @field_option(Meal, "--dessert")
    @field_option(Meal, "--persons", type=click.IntRange(1, 9))
    @field_option(Meal, "--price")
    @field_option(Meal, "--to-take-away", help="In a box.")
    def command(**options: Any) -> None:
        found.update(options)

    def call(*args: str) -> Any:
        result = CliRunner().invoke(command, args)
        return result.output or Meal(**found)

    return call


def test_defaults_are_the_fields(order: Any) -> None:
    assert order() == Meal()


def test_values_have_the_fields_types(order: Any) -> None:
    words = "--main soup --sides rice --sides peas --dessert cake --persons 3 --price 1 "
    expected = Meal("soup", ("rice", "peas"), "cake", 3, 1.0, True)
    assert order(*words.split(), "--to-take-away") == expected


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--main cake", "'cake' is not one of 'soup', 'fish'"),
        ("--dessert soup", "'soup' is not 'cake'"),
        ("--sides x", "'x' is not one of 'rice', 'peas'"),
        ("--persons 0", "not in the range 1<=x<=9"),
        ("--price nan", "no finite number"),
    ],
)
def test_other_values_are_errors(order: Any, words: str, error: str) -> None:
    assert error in order(*words.split())


def test_help_shows_choices_and_defaults(order: Any) -> None:
    text = order("--help")
    assert "--main [soup|fish]" in text
    assert "[default: fish]" in text
    assert "[default: 9.5" in text
    assert "In a box." in text
    assert text.count("default") == 3  # of what there is none, none is shown


# ---- fields that say themselves how they are offered ----


@dataclass
class Trip:
    tickets: Sequence[Path] = option((), "Of the train.", metavar="F[,F]")
    seats: int | None = option(None, "How many.", metavar="N", low=1)
    speed: float = option(0.5, "Of light.", low=0, below=1, shows_default=True)
    window: bool = option(True, "A seat by it.")
    quiet: bool = option(False, "No talking.")
    out: str | Path | None = option(None, "Where to.", letter="o")
    remembered: int = 3


def invoke(told: bool, *args: str) -> Any:
    found: dict[str, Any] = {}

    @click.command()
    @options_of(Trip, told=told)
    def command(**options: Any) -> None:
        found.update(options)

    return CliRunner().invoke(command, args).output or found


def test_what_was_not_given_is_the_fields_default_or_none() -> None:
    names = ["tickets", "seats", "speed", "window", "quiet", "out"]  # in this order, no others
    assert list(invoke(False).items()) == [(name, getattr(Trip(), name)) for name in names]
    assert invoke(True) == dict.fromkeys(names)


def test_what_was_given_has_the_fields_type() -> None:
    words = "--tickets a,b --seats 2 --speed 0 --no-window --quiet -o home"
    expected = ([Path("a"), Path("b")], 2, 0.0, False, True, "home")
    assert tuple(invoke(False, *words.split()).values()) == expected
    assert invoke(True, "--no-quiet")["quiet"] is False
    assert invoke(False, "--tickets", "")["tickets"] == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--seats 0", "not in the range x>=1"),
        ("--speed 1", "not in the range 0<=x<1"),
        ("--speed nan", "no finite number"),
        ("--no-quiet", "No such option"),  # it is off by itself
        ("--remembered 4", "No such option"),
    ],
)
def test_what_a_field_does_not_offer(words: str, error: str) -> None:
    assert error in invoke(False, *words.split())


def test_the_help_says_what_the_fields_say() -> None:
    lines = [" ".join(line.split()) for line in invoke(False, "--help").splitlines()]
    for line in (
        "--tickets F[,F] Of the train.",
        "--seats N How many. [x>=1]",
        "--speed FLOAT Of light. [default: 0.5; 0<=x<1]",
        "--window / --no-window A seat by it.",
        "--quiet No talking.",
        "-o, --out TEXT Where to.",
    ):
        assert line in lines


@dataclass
class Journey:
    size: tuple[int, int] | None = option(None, "How large.", metavar="N|WxH")
    rename: Mapping[str, str] = field(default_factory=dict, metadata=offer("Who is who."))
    alone: bool | None = option(None, "Without the others.")
    days: int = option(2, "How long.", low=1, shows_default=True)
    note: str = "is not offered"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Journey()),
        ("--size 3x4", Journey(size=(3, 4))),
        ("--rename a=b --rename c=", Journey(rename={"a": "b", "c": ""})),
        ("--no-alone", Journey(alone=False)),
        ("--alone --days 1", Journey(alone=True, days=1)),
    ],
)
def test_all_options_that_a_class_offers(words: str, expected: Journey) -> None:
    found: dict[str, Any] = {}

    @click.command()
    @options_of(Journey)
    def command(**options: Any) -> None:
        found.update(options)

    result = CliRunner().invoke(command, words.split())
    assert not result.output
    assert Journey(**found) == expected
    assert "note" not in found
