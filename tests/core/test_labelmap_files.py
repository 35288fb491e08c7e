"""Labelmaps that are not Caffe's: TensorFlow's messages and files of names."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data import InputError, LabelMap, LabelMapItem, read_labelmap
from ssd_data.core.classes.names_file import class_names, parse_names
from ssd_data.core.labelmap import CAFFE, NAMES, TENSORFLOW

BACKGROUND = LabelMapItem("none_of_the_above", 0, "background")


def read(tmp_path: Path, text: str | bytes, name: str = "labels.txt") -> LabelMap:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labelmap(path)


def shown(labelmap: LabelMap) -> list[tuple[int, str, str]]:
    """All but the background."""
    assert labelmap.items[0] == BACKGROUND
    return [(i.label, i.name, i.display_name) for i in labelmap.items[1:]]


# ---- TensorFlow's ----


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("item {\n  id: 1\n  name: 'dog'\n}\nitem {\n  id: 2\n  name: 'person'\n}\n",
         [(1, "dog", "dog"), (2, "person", "person")]),
        ('item { name: "/m/01g317" id: 1 display_name: "Person" }', [(1, "/m/01g317", "Person")]),
        ("item { id: 1 display_name: 'cat' }", [(1, "cat", "cat")]),
        ("# ours\nitem:{id:1,name:\"it's\"}item<id:2;name:'a\\'b'>",
         [(1, "it's", "it's"), (2, "a'b", "a'b")]),
        ("item { id: 1 name: 'кот' display_name: '\\347\\214\\253' }", [(1, "кот", "猫")]),
        ("item { id: 0 name: 'background' } item { id: 1 name: 'a' }", [(1, "a", "a")]),
        ("item { id: 0 name: '0' display_name: 'background' } item { id: 1 name: 'a' }",
         [(1, "a", "a")]),
        ("item { id: 1 name: 'a' keypoints { id: 1 label: 'nose' } frequency: RARE "
         "ancestor_ids: [2, 3] }", [(1, "a", "a")]),
        ("item { id: 3 name: 'c' } item { id: 1 name: 'a' }", [(3, "c", "c"), (1, "a", "a")]),
    ],
)  # fmt: skip
def test_tensorflow(text: str, classes: list[tuple[int, str, str]], tmp_path: Path) -> None:
    for name in ("map.pbtxt", "labelmap.prototxt", "labels.txt", "labels"):
        labelmap = read(tmp_path, text, name)
        assert shown(labelmap) == classes
        assert (labelmap.form, labelmap.origin) == (TENSORFLOW, str(tmp_path / name))


def test_tensorflow_as_windows_writes_it(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfitem {\r\n id: 1\r\n name: 'dog'\r\n}\r\n"
    assert shown(read(tmp_path, text, "map.pbtxt")) == [(1, "dog", "dog")]


def test_tensorflows_gaps_are_as_caffes(tmp_path: Path) -> None:
    labelmap = read(tmp_path, "item { id: 1 name: 'a' } item { id: 90 name: 'b' }", "coco.pbtxt")
    assert labelmap.display_name(90) == "b"
    assert "gaps" in labelmap.faults()[0]
    labelmap = read(tmp_path, "item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "twice.pbtxt")
    assert labelmap.faults() == ["the label 1 stands 2 times"]
    labelmap = read(tmp_path, "item { id: 1 name: 'background' } item { id: 2 name: 'a' }", "b")
    assert '"background" has the label 1' in labelmap.faults()[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item { id: 0 name: 'dog' }", '"dog" has the id 0'),
        ("item { id: 1 }", "item 0: an item lacks its name or id"),
        ("item { id: 1 name: 'a' } item { name: 'b' extra: 3 }", "item 1: an item lacks"),
        ("item { id: 1 name: 'a' label: 1 }", "both id"),
        ("item {\n id: one\n name: 'a' }", "m:2: not a labelmap"),
        ("item {\n id: 1\n name: 'it's'\n}", "m:3: not a labelmap"),
        ("item { id: 1 name: 'a' " + "x { " * 5000 + "} " * 5000 + "}", "nested too deep"),
        ("item { id: 1 name: '\\033[31m' } item { id: 0 name: '\\033[31m' }", "x1b"),
    ],
)
def test_broken_tensorflow(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, text, "m")
    assert "\x1b" not in str(error.value)


# ---- names ----


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("dog\nperson\n", ["dog", "person"]),
        ("dog\nperson", ["dog", "person"]),
        ("background\ndog\nperson\n", ["dog", "person"]),
        ("__background__\ndog", ["dog"]),
        ("none_of_the_above\ndog", ["dog"]),
        ("???\ndog", ["dog"]),
        ("BG\ndog", ["dog"]),
        ("__ignore__\n_background_\ndog", ["dog"]),
        ("\ufeffdog\r\nperson\r\n\r\n", ["dog", "person"]),
        ("dog\rperson\r", ["dog", "person"]),
        (" traffic light \n\tperson\n \n", ["traffic light", "person"]),
        ("кот\n猫\nÄpfel, rot\nx", ["кот", "猫", "Äpfel, rot", "x"]),
        ("0\n1\n2\n10", ["0", "1", "2", "10"]),
        ("1 cent\n2 cent\n5 cent", ["1 cent", "2 cent", "5 cent"]),
        ("# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:1,2,3::\ncat:4,5,6::bark\n",
         ["dog", "cat"]),
    ],
)  # fmt: skip
def test_names(text: str, names: list[str], tmp_path: Path) -> None:
    for file in ("classes.txt", "obj.names", "labels"):
        labelmap = read(tmp_path, text, file)
        assert shown(labelmap) == [(n, name, name) for n, name in enumerate(names, 1)]
        assert (labelmap.form, labelmap.origin) == (NAMES, str(tmp_path / file))
        labelmap.require_sound()


def test_a_background_that_is_not_first(tmp_path: Path) -> None:
    labelmap = read(tmp_path, "dog\nbackground\ncat\n")
    assert labelmap.label("cat") == 3  # nothing is shifted
    with pytest.raises(InputError, match='"background" has the label 2'):
        labelmap.require_sound()


def test_placeholders_keep_their_number(tmp_path: Path) -> None:
    """As in torchvision's and TensorFlow Lite's names of COCO, whose ids have gaps."""
    for none in ("N/A", "???"):
        labelmap = read(tmp_path, f"__background__\nperson\n{none}\ncar\n{none}\nbus\n")
        assert (labelmap.label("car"), labelmap.label("bus")) == (3, 5)
        assert labelmap.faults() == [f'the name "{none}" stands 2 times']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog\n\nperson\n", ":2: a blank line between names"),
        ("\ndog\n", ":1: a blank line"),
        ("dog\nperson\ndog\n", ':3: "dog" stands in line 1 too'),
        ("background\ndog\nbackground\n", ":3: .* line 1 too"),
        ("", "names no class"),
        (" \n\n", "names no class"),
        ("dog\tcat\n", "is no name"),
        ("dog\x1b[31m\n", "is no name"),
        ("dog\ncat\x00\n", ":2: .*is no name"),
        ("<annotation>\n", "no list of names"),
        ('{"0": "dog"}', "no list of names"),
        ("['dog', 'cat']", "no list of names"),
        ("layer\n{\nname\n}", "not a labelmap"),
        ('name: "net"\nlayer {\n}', "no list of names"),
        ("train: ../train\nval: ../val\n\nnc: 2\nnames: ['a', 'b']\n", "YAML"),
        ("names:\n  0: dog\n  1: cat\n", "YAML"),
        ("dog, person, cat\n", "several columns or names"),
        ("dog,0\nperson,1\n", "several columns or names"),
        ("0 dog\n1 person\n", "a number stands before each name"),
        ("0: dog\n1: person\n", "a number stands before each name"),
        ("1) dog\n2) person\n5) cat", "a number stands before each name"),
        ("a/1.jpg\nb/2.PNG\n", "it lists files"),
        ("a/1.jpg a/1.xml\nb/2.jpg b/2.xml\n", "it lists files"),
        ("0 0.5 0.5 0.1 0.2\n3 .5 .5 1e-1 0.2", "boxes"),
        ("# label:color_rgb:parts:actions\ndog:1,2,3::\ndog:4,5,6::\n", ":3: .*line 2 too"),
    ],
)
def test_what_is_no_names_file(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, text)
    assert error.value.hint
    assert "\x1b" not in str(error.value)


def test_the_ending_says_message(tmp_path: Path) -> None:
    for name in ("labelmap.prototxt", "map.PBTXT"):
        with pytest.raises(InputError, match="not a labelmap"):
            read(tmp_path, "dog\nperson\n", name)
    caffes = 'item { name: "a" label: 1 }'
    assert read(tmp_path, caffes, "labels.txt").form == CAFFE
    with pytest.raises(InputError, match="not UTF-8"):
        read(tmp_path, "dog\nперсона\n".encode("cp1251"))
    with pytest.raises(InputError, match="not UTF-8"):
        read(tmp_path, "dog\ncat\n".encode("utf-16"))


def test_no_text_takes_long(tmp_path: Path) -> None:
    """What looks like the beginning of a message, or a number before a name, and goes on."""
    for text in ("x" + " " * 2_000_000 + "y", "1" + " " * 2_000_000 + "y\n2 z", "\n" * 2_000_000):
        with pytest.raises(InputError) if text.isspace() or "z" in text else nullcontext():
            read(tmp_path, text)
    with pytest.raises(InputError, match="larger than"):
        read(tmp_path, "x" * 4_000_000)


def test_names_from_elsewhere() -> None:
    assert class_names(["background", "dog"], "--names") == ["dog"]
    with pytest.raises(InputError, match="--names:2: a blank"):
        class_names(["a", "", "b"], "--names")


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf")),
    min_size=1,
    max_size=8,
).map(lambda word: f"x{word}y")


@given(st.lists(words, min_size=2, unique=True), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_names_are_what_was_written(names: list[str], background: bool, end: str) -> None:
    if all("," in name for name in names):
        return
    lines = ["__background__", *names] if background else names
    assert parse_names(end.join(lines) + end, "f") == names


@given(st.text(max_size=200))
def test_any_text_is_names_or_refused(text: str) -> None:
    try:
        names = parse_names(text, "f")
    except InputError:
        return
    assert all(name and name == name.strip() for name in names)
    classes = [name for name in names if name not in ("N/A", "???")]
    assert len(set(classes)) == len(classes)
