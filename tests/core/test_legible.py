"""What is shown is short, on one line, and holds nothing that is not seen."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given, strategies

from ssd_data.core.errors import InputError
from ssd_data.core.legible import (
    LINE,
    MOST,
    QUOTE,
    Legible,
    few,
    legible,
    legible_lines,
    quoted,
    visible,
)
from ssd_data.core.notes import Tally

ANY = strategies.text() | strategies.text("a\x1b\x9b\u202e\ud800\n", max_size=2000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 猫, e\u0301 and 🐈", "plain text, 猫, e\u0301 and 🐈"),
        ("\x1b[31m\x07\x7f", r"\x1b[31m\x07\x7f"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\x9b1m\x85", r"\x9b1m\x85"),
        ("\u202egpj.exe\u2066\u200f\u200e", r"\u202egpj.exe\u2066\u200f\u200e"),
        ("a\u200b\u200d\ufeff\u00ad\u2060b", r"a\u200b\u200d\ufeff\xad\u2060b"),
        ("\u3164\u115f\u2800\ufe0f\U000e0041", r"\u3164\u115f\u2800\ufe0f\U000e0041"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud800\udcff", r"\ud800\udcff"),
        (r"C:\x1b", r"C:\x1b"),
    ],
)  # fmt: skip
def test_what_is_not_seen_is_an_escape(text: str, shown: str) -> None:
    assert legible(text) == visible(text) == shown
    assert quoted(text) == f'"{shown}"'


@given(ANY)
@example("y\x1b" * 15000)
@example('"' + "x" * 5000 + '" and "' + "\u202e" * 5000 + '"')
@example('"' * 5000)
def test_any_text(text: str) -> None:
    for shown in (legible(text), legible(text, 40), legible(text, 500, 160), quoted(text)):
        assert all(c.isprintable() for c in shown)
    assert len(legible(text)) <= MOST
    assert len(legible(text, 40)) <= 40
    assert len(quoted(text)) <= QUOTE + 2
    assert legible(legible(text), 40) == legible(text)
    assert len(visible(text)) >= len(text)
    if len(visible(text)) <= QUOTE:
        assert legible(text) == visible(text)


@given(ANY, ANY)
def test_an_error_of_any_text(name: str, place: str) -> None:
    error = InputError(
        f'the class "{name}" of {name} is not here', where=f"{place}:7", hint=f"Is it {name}?"
    )
    first, cure = str(error).split("\n")
    assert all(c.isprintable() for c in first + cure)
    assert first.startswith(legible(place)[:20])
    assert ":7: the class" in first
    assert first.endswith("is not here")
    assert cure.startswith("  Is it ")
    assert len(str(error)) < 1000


def test_the_longest_error_is_short() -> None:
    name = "x" * 30_000
    error = InputError(f'no class "{name}" in "{name}"', where=f"{name}:7", hint=f"Or {name}?")
    assert len(str(error)) < 500
    assert error.where.endswith(":7")
    error.where = f"{name}:8"
    assert len(error.where) < 130
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)


def test_what_is_long_keeps_both_ends() -> None:
    path = "/data/" + "deep/" * 1000 + "a.xml:12"
    assert legible(path).startswith("/data/deep/")
    assert legible(path).endswith("deep/a.xml:12")
    assert "…(5,014 characters)…" in legible(path)
    assert len(legible(path)) <= LINE
    assert legible("x" * MOST) == "x" * MOST
    # An escape is not cut through.
    for most in range(40, 60):
        head, tail = legible("\u202e" * 100, most).split("…(100 characters)…")
        assert head == tail == r"\u202e" * (len(head) // 6)


def test_what_is_quoted_is_short_wherever_it_stands() -> None:
    shown = legible(f'"{"a" * 200}" is not "{"b" * 100}", but "{"c" * 200}"')
    assert shown.count("…(200 characters)…") == 2
    assert f'"{"b" * 100}"' in shown


def test_several_lines_are_told_from_line_ends_in_names() -> None:
    error = InputError(["two problems:", "1.xml\nerror: forged"], hint=["first", "second\r"])
    assert str(error).split("\n") == [
        "two problems:", r"  1.xml\nerror: forged", "  first", r"  second\r",
    ]  # fmt: skip
    again = InputError(error.what, where="here", hint=error.hint)
    assert str(again) == f"here: {error}"
    assert legible_lines("a\nb") == r"a\nb"
    assert isinstance(legible_lines(["a", "b"]), Legible)


def test_some_names() -> None:
    names = [f"name{i}" for i in range(20_000)]
    assert few(names) == "name0, name1, name2, name3, name4 and 19,995 more"
    assert few(names[:2]) == "name0, name1"
    assert few([]) == ""
    assert few(["a\nb", "x" * 30_000]).startswith(r"a\nb, xxx")
    assert len(few(["x" * 30_000] * 30)) < 600


def test_what_is_counted_is_legible() -> None:
    notes, name = Tally(), "\x1b" * 30_000
    for _ in range(3):
        notes.add(f'box of class "{name}"', f"{name}.xml:3")
    ((kind, entry),) = notes.kinds.items()
    assert (entry.count, len(entry.listed)) == (3, 3)
    assert len(kind) < 150
    assert len(entry.listed[0]) <= LINE
    assert entry.listed[0].endswith(".xml:3")
    assert "\x1b" not in kind + entry.listed[0]
