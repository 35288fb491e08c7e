"""Class names that look alike: which, and what the sentence says of them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data import LabelMap
from ssd_data.core.classes.lookalikes import (
    _PAIRS,
    CASE,
    FORM,
    LETTERS,
    SPACES,
    UNSEEN,
    lookalikes,
)


@pytest.mark.parametrize(
    ("names", "differ"),
    [
        (["Cup", "cup", "CUP"], {CASE}),
        (["Straße", "STRASSE"], {CASE}),
        (["cup", " cup", "cup\t"], {SPACES}),
        (["a b", "a  b", "a\u00a0b", "a\u3000b"], {SPACES}),
        (["traffic light", "traffic_light", "traffic-light", "trafficlight"], {SPACES}),
        (["Traffic Light", "traffic_light"], {SPACES, CASE}),
        (["dog", "d\u200bog", "\ufeffdog", "dog\u00ad", "dog\ufe0f", "\u202edog"], {UNSEEN}),
        (["caf\u00e9", "cafe\u0301"], {FORM}),
        (["\uff23up", "Cup"], {FORM}),
        (["cat", "c\u0430t"], {LETTERS}),
        (["Bus", "\u0412us", "\u0392us"], {LETTERS}),
        (["bus", "\u0412us"], {LETTERS, CASE}),
        (["Волк", "волк"], {CASE}),
        (["ΝΙΚΗ", "νικη"], {CASE}),
        (["Волк", "волк", "Bолк"], {LETTERS, CASE}),
        (["don't", "don\u2019t"], {LETTERS}),
        (["a\u2013b", "ab"], {LETTERS, SPACES}),
        (["C\u200bup ", "\u0441up"], {UNSEEN, SPACES, LETTERS, CASE}),
    ],
)
def test_alike(names: list[str], differ: set[str]) -> None:
    (found,) = lookalikes(["other", *names, "another", *names])
    assert found.names == tuple(names)
    assert set(found.differ) == differ


@pytest.mark.parametrize(
    "names",
    [
        ["cup", "cups", "cap"],
        ["cafe", "café"],
        ["10-5", "105", "10 5"],
        ["A", "A-", "A+"],
        ["0", "O", "1", "l", "I"],
        ["вол", "вал"],
        ["猫", "描"],
        ["cup", "c\u0443p"],  # a Cyrillic у looks like y
        ["dog", "dog"],
        [],
    ],
)
def test_not_alike(names: list[str]) -> None:
    assert lookalikes(names) == []


def test_the_sentence_shows_what_deceives() -> None:
    def said(*names: str) -> str:
        return str(lookalikes(names)[0])

    assert said("Cup", "cup", "CUP") == '"Cup", "cup" and "CUP" differ only in case'
    assert said("cup", "cup ") == '"cup" and "cup " differ only in spaces or joining signs'
    assert said("cup", "cu\u200bp") == r'"cup" and "cu\u200bp" differ only in unseen characters'
    assert said("é", "e\u0301") == r'"é" and "e\u0301" differ only in Unicode form'
    assert said("cat", "c\u0430t") == r'"cat" and "c\u0430t" differ only in look-alike characters'
    assert said("Собака", "собака") == '"Собака" and "собака" differ only in case'
    assert "\x1b" not in said("a\x1b[0m", "A\x1b[0m")
    many = said(*(f"a{' ' * n}b" for n in range(1, 9)))
    assert many.endswith('"a      b" and 2 more differ only in spaces or joining signs')


def test_the_table_maps_one_letter_to_an_ascii_one() -> None:
    for pair in _PAIRS.split():
        assert len(pair) == 2
        assert not pair[0].isascii()
        assert pair[1].isascii()
        assert unicodedata.normalize("NFKC", pair[0]) == pair[0] or pair[0] == "´"


def test_a_labelmaps_names_and_display_names() -> None:
    assert LabelMap.from_names(["cat", "dog"]).lookalikes() == []
    (names,) = LabelMap.from_names(["cat", "Cat"]).lookalikes()
    assert names.names == ("cat", "Cat")
    (shown,) = LabelMap.from_names(["17", "44"], ["Cup", "cup"]).lookalikes()
    assert shown.names == ("Cup", "cup")
    assert LabelMap.from_names(["Background"]).lookalikes() == []  # label 0 is no class


letters = st.text("aBсС éｅ\u200b_-1", min_size=1, max_size=4)


@given(st.lists(letters, max_size=12))
def test_groups_do_not_depend_on_the_order(names: list[str]) -> None:
    def groups(order: list[str]) -> set[frozenset[str]]:
        return {frozenset(found.names) for found in lookalikes(order)}

    assert groups(names) == groups(names[::-1]) == groups(sorted(names))
    for found in lookalikes(names):
        assert found.differ
        assert len(found.names) > 1
