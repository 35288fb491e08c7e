"""YAML of strangers: texts as they are written, nothing executed, nothing that grows."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_data import InputError
from ssd_data.core.files.plain_yaml import MOST_BYTES, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("# nothing\n", ""),
        ("names: [yes, no, on, ~, null, 0123, 1e3, 1_000]", "yes no on ~ null 0123 1e3 1_000"),
        ("names:\n- a b\n- 'it''s'\n- \"\\u00e9\"\n", ["a b", "it's", "é"]),
        ("names: {1: dog, '0': cat}", {"1": "dog", "0": "cat"}),
        (
            "names:\n  0: a  # the first\n  1: >-\n    long\n    name\n",
            {"0": "a", "1": "long name"},
        ),
        ("names: &here [a]", ["a"]),
        ("names: !!python/object/apply:os.system [touch x]", ["touch x"]),
        ("names: !!int x", "x"),
        ("names: [a]\n---\nnames: [b]\n", ["a"]),
        ("names:", ""),
    ],
)
def test_values_stay_the_text_that_was_written(text: str, value: object) -> None:
    found = parse_yaml(text, "data.yaml")
    if isinstance(value, str) and " " in value:
        value = value.split()
    assert found == ({"names": value} if "names" in text else value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", r"^x\.yaml:2: not YAML: "),
        ("a:\n\t- b\n", r"^x\.yaml:2: not YAML: .*\\t"),
        ("a: 1\nb: 2\na: 3\n", r'^x\.yaml:3: the key "a" stands twice'),
        ('"\\e[31m": 1\n"\\e[31m": 2\n', r'the key "\\x1b\[31m" stands twice'),
        ("? [a]\n: b\n", r"^x\.yaml:1: a key is a text"),
        ("a: &b [1]\nc: *b\n", r'^x\.yaml:2: the alias "\*b" is not followed\n'),
        ("a: \x07\n", r"^x\.yaml: not YAML: unacceptable character #x0007"),
        ("a: " + "[" * 30 + "]" * 30, r"nested deeper than 20"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_yaml(text, "x.yaml")


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(InputError, match="alias"):
        parse_yaml("\n".join(lines), "x.yaml")


@pytest.mark.parametrize(
    "piece", ["[", "{a: ", "- ", "? ", "a: b\n", "'", '"', "#", " ", "&a ", "!"]
)
def test_a_file_of_one_thing_ends(piece: str) -> None:
    with suppress(InputError):
        parse_yaml(piece * (MOST_BYTES // len(piece)), "x.yaml")


def test_the_size_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# " + "x" * MOST_BYTES)
    with pytest.raises(InputError, match=f"the YAML file is larger than {MOST_BYTES} bytes"):
        read_yaml(path, "YAML file")
    path.write_bytes(b"\xef\xbb\xbfnames: [a]\r\n")
    assert read_yaml(path, "YAML file") == {"names": ["a"]}
    path.write_bytes(b"names: [\xe9]\n")
    with pytest.raises(InputError, match=r"^data\.yaml: the YAML file is not UTF-8 text"):
        read_yaml(path, "YAML file", "data.yaml")


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab01 \n\t:-[]{},&*!?|>'\"#%@`~<=\\é\x07\u2028"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InputError):
        parse_yaml(text, "x.yaml")
