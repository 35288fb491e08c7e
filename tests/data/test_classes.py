"""Classes are renamed, merged and dropped before the labelmap is made of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, InputError, UsageError, build, find, read_labelmap
from ssd_data.data.classes import renamed


def pets(root: Path) -> Path:
    made = Voc(root, 2)
    made.annotation(1).write_text(xml([("cat", 5, 6, 30, 40), ("dog", 1, 2, 9, 9)]))
    made.annotation(2).write_text(xml([("dog", 5, 6, 30, 40), ("cow", 1, 2, 9, 9)]))
    return root


def coco(root: Path) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    (root / "images" / "1.jpg").write_bytes(jpeg())
    boxes = [{"id": i, "image_id": 1, "category_id": i, "bbox": [1, 2, 9, 9]} for i in (17, 18, 21)]
    table = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}],
        "annotations": boxes,
        "categories": [
            {"id": i, "name": n} for i, n in ((17, "cat"), (18, "dog"), (21, "cow"), (22, "elk"))
        ],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(table))
    return root


def numbers(root: Path, labels: tuple[int, ...]) -> Path:
    for folder in ("Images", "Labels"):
        (root / folder).mkdir(parents=True)
    for i in range(5):
        (root / "Images" / f"{i}.jpg").write_bytes(jpeg(seed=i))
        lines = [f"{n} {n + 1} 2 {n + 20} 30\n" for n in labels]
        (root / "Labels" / f"{i}.txt").write_text("".join(lines))
    return root


def built(root: Path, **table: str) -> tuple[list[str], dict[str, int]]:
    """The labelmap's names, and how many boxes each class has."""
    out = root.with_name(f"{root.name}_{'_'.join(f'{k}-{v}' for k, v in table.items())}")
    made = build(find(root), out, BuildOptions(map={k.lstrip("n"): v for k, v in table.items()}))
    names = [item.display_name for item in read_labelmap(out / "labelmap.prototxt")][1:]
    counts = next(iter(made.record.splits.values())).classes
    return names, dict(counts)


def test_a_new_name_is_in_the_labelmap(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    assert built(root, dog="hound") == (["cat", "cow", "hound"], {"cat": 1, "cow": 1, "hound": 2})


def test_a_merged_or_dropped_class_leaves_it(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    assert built(root, dog="cat") == (["cat", "cow"], {"cat": 3, "cow": 1})
    assert built(root, dog="") == (["cat", "cow"], {"cat": 1, "cow": 1})
    assert built(root, dog="pet", cat="pet") == (["cow", "pet"], {"cow": 1, "pet": 3})
    assert built(root, dog="cat", cat="dog") == (
        ["cat", "cow", "dog"],
        {"cat": 2, "cow": 1, "dog": 1},
    )


def test_coco_by_names_and_by_ids(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco")
    left = ["cat", "hound", "cow", "elk"]
    assert built(root, dog="hound") == (left, {"cat": 1, "hound": 1, "cow": 1})
    assert built(root, n18="hound") == (left, {"cat": 1, "hound": 1, "cow": 1})
    assert built(root, dog="cat", elk="") == (["cat", "cow"], {"cat": 2, "cow": 1})
    assert built(root, dog="pet", cat="pet") == (["pet", "cow", "elk"], {"pet": 2, "cow": 1})


@pytest.mark.parametrize("make", [pets, coco])
def test_an_old_name_that_is_none(make: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no box is of a class "dgo"') as caught:
        built(make(tmp_path / "pets"), dgo="x")
    assert 'Did you mean "dog"?' in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["pets"]


def test_dropping_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no class is left"):
        built(pets(tmp_path / "pets"), dog="", cat="", cow="")


def test_a_labelmap_that_is_given_stays(tmp_path: Path) -> None:
    root, labels = pets(tmp_path / "pets"), tmp_path / "two.prototxt"
    build(find(root), tmp_path / "out", BuildOptions(map={"cow": "", "dog": "hound"}))
    labels.write_bytes((tmp_path / "out" / "labelmap.prototxt").read_bytes())
    given = read_labelmap(labels)
    again = BuildOptions(map={"dog": "hound", "cow": "cat"})
    made = build(find(root), tmp_path / "again", again, labelmap=given)
    assert made.record.splits["trainval"].classes == {"cat": 2, "hound": 2}
    assert read_labelmap(tmp_path / "again" / "labelmap.prototxt") == given
    with pytest.raises(InputError, match='"wolf": 2 boxes'):
        build(
            find(root),
            tmp_path / "no",
            BuildOptions(map={"dog": "wolf", "cow": ""}),
            labelmap=given,
        )


def test_label_numbers_get_names(tmp_path: Path) -> None:
    root = numbers(tmp_path / "txt", (1, 2, 3))
    assert built(root) == (["1", "2", "3"], {"1": 4, "2": 4, "3": 4})
    assert built(root, n2="") == (["1", "3"], {"1": 4, "3": 4})
    assert built(root, n1="cat", n3="cat", n2="dog") == (["cat", "dog"], {"cat": 8, "dog": 4})


def test_labels_counted_from_0(tmp_path: Path) -> None:
    root = numbers(tmp_path / "txt", (0, 1))
    with pytest.raises(InputError, match="counted from 0, which is the background's") as caught:
        built(root)
    assert "--map 0=NAME" in str(caught.value)
    assert built(root, n0="cat", n1="dog") == (["cat", "dog"], {"cat": 4, "dog": 4})
    with pytest.raises(InputError, match="counted from 0"):
        built(root, n0="cat")
    given = read_labelmap(tmp_path / "txt_n0-cat_n1-dog" / "labelmap.prototxt")
    with pytest.raises(InputError, match="not in the labelmap") as caught:
        build(find(root), tmp_path / "no", labelmap=given)
    assert "--map 0=cat --map 1=dog" in str(caught.value)
    assert "--unknown skip" not in str(caught.value)


words = st.sampled_from("abcde")


@given(st.lists(words, unique=True), st.dictionaries(words, st.sampled_from(["", *"abcxy"])))
def test_each_class_is_in_the_labelmap_under_its_new_name(
    names: list[str], wanted: dict[str, str]
) -> None:
    left, table = renamed([(name, name) for name in names], wanted)
    new = {wanted.get(name, name) for name in names} - {""}
    assert {name for name, _ in left} == new
    assert len(left) == len(new)
    assert {table.get(name, name) for name in names} - {""} == new


def test_a_name_of_5000_digits_is_no_label_number(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    pets(root).joinpath("Annotations/1.xml").write_text(
        xml([("9" * 5000, 5, 6, 30, 40), ("dog", 1, 2, 9, 9)])
    )
    made = find(root).with_map({"dog": "hound"}).classes()
    assert [item.name for item in made][1:] == ["9" * 5000, "cow", "hound"]
