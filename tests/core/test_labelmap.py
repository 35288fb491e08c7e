"""Labelmaps: Caffe's files read and written, faults and differences named."""

from pathlib import Path

import pytest
from support import ROOT

from ssd_data import InputError, LabelMap, LabelMapItem, OutputError, parse_labelmap, read_labelmap
from ssd_data.core.classes.background import BACKGROUND_ITEM
from ssd_data.core.labelmap import write_labelmap

VOC = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()


def test_the_shipped_labelmaps() -> None:
    voc = read_labelmap(ROOT / "labelmaps" / "labelmap_voc.prototxt")
    assert [item.name for item in voc] == ["none_of_the_above", *VOC]
    assert [item.label for item in voc] == list(range(21))
    assert voc.display_name(0) == "background"
    coco = read_labelmap(ROOT / "labelmaps" / "labelmap_coco.prototxt")
    assert len(coco) == 81
    assert (coco.label("90"), coco.display_name(80)) == (80, "toothbrush")
    assert coco.label("12") is None  # COCO's ids have gaps, the labels have none
    face = read_labelmap(ROOT / "labelmaps" / "labelmap_widerface.prototxt")
    assert [(i.name, i.label) for i in face][1:] == [("face", 1)]
    for labelmap in (voc, coco, face):
        labelmap.require_sound()


def test_text_is_as_caffe_writes_it() -> None:
    text = LabelMap.from_names(["kätzchen"]).to_text()
    assert text == (
        'item {\n  name: "none_of_the_above"\n  label: 0\n  display_name: "background"\n}\n'
        'item {\n  name: "kätzchen"\n  label: 1\n  display_name: "kätzchen"\n}\n'
    )
    assert parse_labelmap(text, "").items == LabelMap.from_names(["kätzchen"]).items


def of(*pairs: tuple[str, int]) -> LabelMap:
    return LabelMap([LabelMapItem(name, label, name) for name, label in pairs], "mine")


@pytest.mark.parametrize(
    ("labelmap", "fault"),
    [
        (of(("bg", 0), ("a", 1), ("a", 2)), 'the name "a" stands 2 times'),
        (of(("bg", 0), ("a", 1), ("b", 1)), "the label 1 stands 2 times"),
        (of(("a", 1)), "the background"),
        (of(("bg", 0), ("a", 1), ("b", 4)), "gaps: 2, 3 missing"),
        (of(("bg", 0), ("a", -1)), "negative"),
        (of(("bg", 0)), "no class but the background"),
        (of(("a", 0), ("b", 1)), 'label 0 is the background, but here it is "a"'),
        (of(("bg", 0), ("Background", 1), ("a", 2)), '"Background" has the label 1'),
        (of(("a", 0), ("background", 1)), '"background" has the label 1'),
    ],
)
def test_faults(labelmap: LabelMap, fault: str, tmp_path: Path) -> None:
    assert fault in "; ".join(labelmap.faults())
    with pytest.raises(InputError, match="mine"):
        write_labelmap(labelmap, tmp_path / "out.prototxt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("labelmap", "cures"),
    [
        (of(("a", 1), ("b", 2)), [f"Add {BACKGROUND_ITEM}"]),
        (of(("a", 0), ("b", 1)), [f"Add {BACKGROUND_ITEM} and 1 to the label", '"a" gets 1']),
        (of(("background", 1), ("a", 2)), ['Give "background" the label 0, and the classes 1']),
        (of(("a", 0), ("background", 1)), ['Give "background" the label 0, and the classes 1']),
        (of(("bg", 0), ("background", 1)), ["leave it out", "--map background= drops"]),
        (of(("bg", 0), ("a", 1), ("b", 4)), ["Number the classes 1, 2, 3"]),
        (of(("bg", 0), ("a", 1), ("a", 2)), ["Give each class a name of its own"]),
    ],
)
def test_each_fault_has_its_own_cure(labelmap: LabelMap, cures: list[str]) -> None:
    (fault,) = labelmap.judged()
    with pytest.raises(InputError) as error:
        labelmap.require_sound()
    assert error.value.hint == fault.cure
    assert all(cure in fault.cure for cure in cures)


def test_what_the_cures_say_makes_a_labelmap_sound() -> None:
    """The text of the cure itself, put where it says."""
    classes = 'item { name: "a" label: 1 } item { name: "b" label: 2 }'
    (fault,) = parse_labelmap(classes, "").judged()
    added = parse_labelmap(fault.cure.removeprefix("Add ") + classes, "").require_sound()
    assert [(i.label, i.name) for i in added] == [(0, "none_of_the_above"), (1, "a"), (2, "b")]


@pytest.mark.parametrize(
    "name",
    [
        *"none_of_the_above background BACKGROUND __background__ bg none ??? void N/A".split(),
        "",
        "None of the above",
    ],
)
def test_what_label_0_may_be_called(name: str) -> None:
    assert of((name, 0), ("a", 1)).faults() == []


def test_a_background_by_its_display_name() -> None:
    items = [LabelMapItem("street", 0, "background"), LabelMapItem("car", 1, "car")]
    assert LabelMap(items).faults() == []
    items = [LabelMapItem("0", 0, "bg"), LabelMapItem("1", 1, "Background")]
    assert '"1" has the label 1' in LabelMap(items).faults()[0]


def test_counting_classes_needs_a_background_only() -> None:
    assert len(of(("bg", 0), ("N/A", 1), ("N/A", 2), ("b", 9)).require_background()) == 4
    with pytest.raises(InputError, match="label 0 is the background"):
        of(("a", 0), ("b", 1)).require_background()


def test_names_cannot_write_to_the_terminal() -> None:
    evil = "\x1b[31m"
    for labelmap in (of((evil, 0), ("b", 1)), of(("bg", 0), (evil, 1), (evil, 2))):
        with pytest.raises(InputError) as error:
            labelmap.require_sound()
        assert "\x1b" not in str(error.value)


def test_ten_classes_called_na_can_be_read() -> None:
    items = [("bg", 0), *((f"class{i}" if i % 2 else "N/A", i) for i in range(1, 21))]
    text = "".join(f'item {{ name: "{name}" label: {label} }}\n' for name, label in items)
    labelmap = parse_labelmap(text, "published")
    assert len(labelmap) == 21
    assert labelmap.display_name(4) == "N/A"
    assert labelmap.faults() == ['the name "N/A" stands 10 times']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item {\n name: 3\n}", "f:2: not a labelmap"),
        ("item { title: 'x' }", "not a labelmap"),
        ("", "holds no item"),
        ("item { name: 'x' }", "item 0: an item lacks"),
        ("<html>", "not a labelmap"),
    ],
)
def test_broken_labelmaps(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_labelmap(text, "f")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the labelmap is missing"):
        read_labelmap(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_labelmap(tmp_path / "binary")


def test_differences() -> None:
    a, b = of(("bg", 0), ("cat", 1), ("dog", 2)), of(("bg", 0), ("dog", 1))
    found = a.differences(b)
    assert len(found) == 2
    assert 'label 1: name "cat" in mine, "dog"' in found[0]
    assert 'label 2 "dog" stands only in mine' in found[1]
    assert a.differences(a) == []


def test_nearest() -> None:
    labelmap = LabelMap.from_names(["3", "44"], ["motorcycle", "bottle"])
    assert labelmap.nearest("motorcicle") == "3"
    assert labelmap.nearest("Bottle") == "44"
    assert labelmap.nearest("zzz") is None


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "l.prototxt"
    write_labelmap(of(("bg", 0), ("cat", 1)), path)
    with pytest.raises(OutputError, match="--redo"):
        write_labelmap(of(("bg", 0), ("dog", 1)), path)
    write_labelmap(of(("bg", 0), ("dog", 1)), path, redo=True)
    assert read_labelmap(path).label("dog") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["l.prototxt"]
