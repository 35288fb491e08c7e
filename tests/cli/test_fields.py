"""Options that are fields of a dataclass: type, choices and default are the field's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass
class Trip:
    size: tuple[int, int] | None = option(None, "How large.", metavar="N|WxH")
    rename: Mapping[str, str] = field(default_factory=dict, metadata=offer("Who is who."))
    alone: bool | None = option(None, "Without the others.")
    days: int = option(2, "How long.", low=1, shows_default=True)
    note: str = "is not offered"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Trip()),
        ("--size 3x4", Trip(size=(3, 4))),
        ("--rename a=b --rename c=", Trip(rename={"a": "b", "c": ""})),
        ("--no-alone", Trip(alone=False)),
        ("--alone --days 1", Trip(alone=True, days=1)),
    ],
)
def test_all_options_that_a_class_offers(words: str, expected: Trip) -> None:
    found: dict[str, Any] = {}

    @click.command()
    @options_of(Trip)
    def command(**options: Any) -> None:
        found.update(options)

    result = CliRunner().invoke(command, words.split())
    assert not result.output
    assert Trip(**found) == expected
    assert "note" not in found
