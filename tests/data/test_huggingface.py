"""Hugging Face data sets: Parquet files that hold pictures, and folders with metadata."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support import hub, raw
from support.hub import features, metadata, parquet, row
from support.openimages_csv import pictures
from support.trees import jpeg

from ssd_data import BuildOptions, InputError, LmdbReader, build, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data.build.plan import plan
from ssd_data.data.check.raw import check_dataset
from ssd_data.data.diff import diff
from ssd_data.data.find import find
from ssd_data.data.layout import find_layout

pytest.importorskip("pyarrow")
TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"
README = """---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: objects
    sequence:
    - name: bbox
      sequence: float32
      length: 4
    - name: category
      dtype:
        class_label:
          names:
            '1': jug
            '0': glass
---
# Glasses
"""
WIDE = (100, 20, 50, 90)  # x y width height: as corners it is inverted
BOX = (100.0, 20.0, 150.0, 110.0)


def one(root: Path, *rows: dict[str, Any], **how: Any) -> raw.Raw:
    parquet(root, TRAIN, rows, how.pop("stated", features()), **how)
    return raw.read(root)


# Parquet


def test_pictures_and_boxes_of_a_parquet_file(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        row("0001.jpg", WIDE, (1, 2, 3, 4), classes=[1, 2], width=160, height=120),
        row("0002.jpg", width=160, height=120),
    )
    place = TRAIN.removesuffix(".parquet")
    assert found.rows == {
        f"{place}/0001.jpg": [("plate", BOX, False), ("fork", (1, 2, 4, 6), False)],
        f"{place}/0002.jpg": [],
    }
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.held is not None
    assert entry.held.read() == jpeg(*hub.SIZE)
    assert (entry.width, entry.height) == (160, 120)
    assert entry.place(0) == f"{TRAIN}: row 1"
    dataset = recognise(tmp_path)
    assert [item.name for item in dataset.classes()][1:] == ["cup", "plate", "fork"]
    assert dataset.said == ("boxes are x y width height, as all of them together tell",)


def test_records_check_and_diff(tmp_path: Path) -> None:
    raw_set, out = tmp_path / "raw", tmp_path / "out"
    rows = [row(f"{i}.jpg", (16 + i, 30, 64, 60), (100, 1, 9, 9)) for i in range(5)]
    for i, one_row in enumerate(rows):
        one_row["image"] = hub.picture(f"{i}.jpg", seed=i)
    parquet(raw_set, TRAIN, rows, features(), row_group_size=2)
    made = build(recognise(raw_set), out)
    with LmdbReader(out / "raw_train_lmdb") as records:
        for record in records:
            number = int(Path(record.image).stem)
            assert record.data == jpeg(*hub.SIZE, seed=number)
            assert record.boxes[0].tolist() == pytest.approx(
                [0.1 + number / 160, 0.25, 0.5 + number / 160, 0.75]
            )
    assert not diff(raw_set, out)
    assert not check_dataset(recognise(raw_set)).errors
    assert build(recognise(raw_set), tmp_path / "dry", dry_run=True).up_to_date is False
    assert build(recognise(raw_set), out).up_to_date
    parquet(raw_set, TRAIN, [*rows[:4], row("9.jpg", WIDE)], features())
    with pytest.raises(Exception, match="have changed since it was built"):
        build(recognise(raw_set), out)
    assert made.manifest["splits"]["train"]["records"] == 5


def test_a_changed_picture_changes_the_digest(tmp_path: Path) -> None:
    parquet(tmp_path, TRAIN, [row("1.jpg", WIDE)], features())
    (before,) = plan(recognise(tmp_path)).scans().values()
    digest = before.input_digest(tmp_path)
    other = row("1.jpg", WIDE)
    other["image"]["bytes"] = jpeg(*hub.SIZE, seed=3, quality=80)
    parquet(tmp_path, TRAIN, [other], features())
    (after,) = plan(recognise(tmp_path)).scans().values()
    assert after.input_digest(tmp_path) != digest


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [list(WIDE)], "category": [0]},
        {"bbox": [list(WIDE)], "categories": ["cup"], "is_crowd": [False]},
        [{"bbox": list(WIDE), "category_id": 0, "iscrowd": 0}],
        [{"bbox": list(WIDE), "label": "cup", "id": 7, "area": 1.5}],
        {"boxes": [list(WIDE)], "category_id": [3], "class_name": ["cup"]},
    ],
)
@pytest.mark.parametrize("container", ["objects", "annotations", ""])
def test_tables_of_lists_and_lists_of_tables(objects: Any, container: str, tmp_path: Path) -> None:
    if not container and isinstance(objects, list):
        objects = {key: [item[key] for item in objects] for key in objects[0]}
    columns = {container: objects} if container else objects
    label = {"names": ["cup"], "_type": "ClassLabel"}
    stated = {container: {"category": label, "category_id": label}} if container else {
        "category": label, "category_id": label
    }  # fmt: skip
    found = one(tmp_path, {"image": hub.picture("1.jpg"), **columns}, stated=stated)
    assert list(found.rows.values()) == [[("cup", BOX, False)]]


def test_masks_are_not_pictures(tmp_path: Path) -> None:
    rows = [{"mask": hub.picture("m.png"), "caption": "two", **row("1.jpg", WIDE)}]
    rows[0]["mask"]["bytes"] = b"no picture"
    entry = one(tmp_path, *rows).entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.held is not None
    assert entry.held.read() == jpeg(*hub.SIZE)


def test_a_column_of_bytes_alone(tmp_path: Path) -> None:
    data = {"img": jpeg(*hub.SIZE), "objects": row("1.jpg", WIDE)["objects"]}
    entry = one(tmp_path, data).entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.image == f"{TRAIN.removesuffix('.parquet')}/000000.jpg"
    assert entry.held is not None
    assert entry.held.read() == jpeg(*hub.SIZE)


def test_crowds_are_difficult(tmp_path: Path) -> None:
    objects = {"bbox": [list(WIDE), [1, 2, 3, 4]], "category": [0, 0], "is_crowd": [True, False]}
    found = one(tmp_path, {"image": hub.picture("1.jpg"), "objects": objects})
    assert [hard for _, _, hard in next(iter(found.rows.values()))] == [True, False]


def test_classes_that_nothing_names(tmp_path: Path) -> None:
    one(tmp_path, row("1.jpg", WIDE, classes=[1]), stated=None)
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["1"]
    infos = {"default": {"features": features(["background", "mug"])}}
    (tmp_path / "dataset_infos.json").write_text(json.dumps(infos))
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["mug"]
    assert [r[0] for r in next(iter(raw.read(tmp_path).rows.values()))] == ["mug"]
    (tmp_path / "dataset_infos.json").unlink()
    (tmp_path / "README.md").write_text(README)
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["glass", "jug"]
    assert [r[0] for r in next(iter(raw.read(tmp_path).rows.values()))] == ["jug"]
    (tmp_path / "README.md").write_text(README.replace("'1'", "'2'"))  # a gap
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["1"]


def test_rows_that_cannot_be_taken(tmp_path: Path) -> None:
    rows = [
        row("0.jpg", WIDE),
        row("1.jpg", WIDE, classes=[7]),
        row("2.jpg", WIDE, WIDE, classes=[1]),
        row("3.jpg", WIDE, classes=[-1]),
        row("4.jpg", (1, 2, 3)),
        row("5.jpg", (1, 2, float("nan"), 4)),
        {"image": hub.picture("6.jpg"), "objects": None},
    ]
    found = one(tmp_path, *rows)
    assert len(found.rows) == 1
    assert [error.removeprefix(f"{TRAIN}: row ") for error in found.errors] == [
        "2: class 7, of 3",
        "3: bbox, category are not lists of one length",
        "4: -1 is no class",
        "5: [1.0, 2.0, 3.0] is not a box of four numbers",
        "6: [1.0, 2.0, nan, 4.0] is not a box of four numbers",
        "7: the row has no objects",
    ]
    bare = found.entries[-1]
    assert isinstance(bare, Unreadable)
    assert bare.unannotated
    parquet(tmp_path, TRAIN, [rows[0], rows[-1]], features())
    made = build(recognise(tmp_path), tmp_path / "out", BuildOptions(unannotated="background"))
    assert made.manifest["splits"]["train"]["without_boxes"] == 1


@pytest.mark.parametrize(
    ("names", "stored"),
    [
        (["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
        (["x/a.jpg", "y/a.jpg"], ["000000.jpg", "000001.jpg"]),  # of one name
        ([None, None], ["000000.jpg", "000001.jpg"]),
        (["a", "../.."], ["a.jpg", "000001.jpg"]),
        (["a\n.jpg", "b\x1b[2J.jpg"], ["000000.jpg", "000001.jpg"]),
    ],
)
def test_names_of_held_pictures(names: list[str | None], stored: list[str], tmp_path: Path) -> None:
    found = one(tmp_path, *(row(name, WIDE) for name in names))
    place = TRAIN.removesuffix(".parquet")
    assert [entry.image for entry in found.entries] == [f"{place}/{name}" for name in stored]
    build(recognise(tmp_path), tmp_path / "out")


def test_pictures_that_are_files(tmp_path: Path) -> None:
    """Pictures that were not embedded; a file with both kinds has one a row group."""
    pictures(tmp_path, "data/images/1.jpg")
    beside = row("images/1.jpg", WIDE)
    beside["image"] = {"bytes": None, "path": "/home/u/set/images/1.jpg"}
    found = one(tmp_path, beside, row("2.jpg", WIDE), row("3.jpg", WIDE), row_group_size=1)
    assert list(found.rows) == [
        "data/images/1.jpg",
        f"{TRAIN.removesuffix('.parquet')}/2.jpg",
        f"{TRAIN.removesuffix('.parquet')}/3.jpg",
    ]
    gone = row("9.jpg", WIDE)
    gone["image"] = {"bytes": None, "path": None}
    found = one(tmp_path, gone, row("3.jpg", WIDE))
    held = found.entries[0]
    assert isinstance(held, AnnotatedImage)
    assert held.held is not None
    with pytest.raises(InputError, match="row 1: the row holds no picture"):
        held.held.read()


def test_shards_are_one_split_and_none_may_miss(tmp_path: Path) -> None:
    for number in range(3):
        parquet(
            tmp_path,
            f"data/train-{number:05d}-of-00003.parquet",
            [row(f"{number}.jpg", WIDE)],
            features(),
        )
    parquet(tmp_path, TEST, [row("t.jpg", WIDE)], features())
    dataset = recognise(tmp_path)
    assert {s: len(raw.read(tmp_path, s).entries) for s in dataset.splits} == {
        "test": 1,
        "train": 3,
    }
    assert dataset.links == {"trainval_lmdb": "train", "test_lmdb": "test"}
    (tmp_path / "data/train-00001-of-00003.parquet").unlink()
    with pytest.raises(
        InputError, match="train-00001-of-00003.parquet is missing: 2 of 3 are here"
    ):
        recognise(tmp_path)


@pytest.mark.parametrize(
    "names", [("train/0000.parquet", "validation/0000.parquet"), ("Train.parquet", "dev.parquet")]
)
def test_other_names_of_splits(names: tuple[str, str], tmp_path: Path) -> None:
    for name in names:
        parquet(tmp_path, name, [row("1.jpg", WIDE)], features())
    assert len(recognise(tmp_path).links) == 2


def test_a_file_of_no_split_is_divided(tmp_path: Path) -> None:
    parquet(tmp_path, "data.parquet", [row(f"{i}.jpg", WIDE) for i in range(10)], features())
    pictures(tmp_path, *(f"other/{i}.jpg" for i in range(3)))
    sizes = {s: len(raw.read(tmp_path, s).entries) for s in recognise(tmp_path).splits}
    assert sizes == {"trainval": 8, "test": 2}


# What four numbers are


def test_corners_by_all_boxes_together(tmp_path: Path) -> None:
    """One box alone could be both; another one leaves its picture as x y width height."""
    far = (100, 50, 150, 110)
    parquet(tmp_path, TRAIN, [row("1.jpg", far)], features())
    parquet(tmp_path, TEST, [row("2.jpg", (10, 20, 50, 90))], features())
    assert list(raw.read(tmp_path, "test").rows.values()) == [[("cup", (10, 20, 50, 90), False)]]
    assert recognise(tmp_path).said[0].startswith("boxes are xmin ymin xmax ymax")


def test_nothing_tells(tmp_path: Path) -> None:
    parquet(tmp_path, TRAIN, [row("1.jpg", (10, 20, 50, 90))], features())
    with pytest.raises(InputError, match='the numbers of "bbox" may be x y width height, or'):
        raw.read(tmp_path)
    recipe = tmp_path / "my.toml"
    recipe.write_text(
        'format = "huggingface"\n[splits.train]\n'
        f'sources = [{{ file = "{TRAIN}", four = "corners" }}]\n'
    )
    (entry,) = find(recipe, root=tmp_path).entries("train", Tally())
    assert isinstance(entry, AnnotatedImage)
    assert entry.boxes.tolist() == [[10, 20, 50, 90]]


def test_fractions(tmp_path: Path) -> None:
    found = one(tmp_path, row("1.jpg", (0.6, 0.25, 0.25, 0.5)), row("2.jpg", (0, 0, 1, 1)))
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.normalized
    assert entry.boxes[0].tolist() == pytest.approx([0.6, 0.25, 0.85, 0.75])
    tiny = [row(f"{i}.jpg", (0.6, 0.25, 0.25, 0.5), WIDE) for i in range(4)]
    with pytest.raises(InputError, match="4 of 8 boxes are fractions, the others pixels"):
        one(tmp_path / "2", *tiny)


# Folders with metadata


def line(name: str, *boxes: Any, classes: list[Any] | None = None) -> dict[str, Any]:
    labels = ["cup"] * len(boxes) if classes is None else classes
    return {"file_name": name, "objects": {"bbox": list(boxes), "categories": labels}}


def test_a_folder_with_metadata(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg", "train/sub/b.jpg", "train/c.jpg", "test/a.jpg")
    metadata(tmp_path, "train/metadata.jsonl", line("a.jpg", WIDE), line("sub/b.jpg"))
    metadata(tmp_path, "test/metadata.jsonl", line("a.jpg", WIDE))
    found = raw.read(tmp_path, "train")
    assert found.rows == {"train/a.jpg": [("cup", BOX, False)], "train/sub/b.jpg": []}
    assert found.errors == ["train/metadata.jsonl: no row is of the picture train/c.jpg"]
    assert list(raw.read(tmp_path, "test").rows) == ["test/a.jpg"]
    assert recognise(tmp_path).links == {"trainval_lmdb": "train", "test_lmdb": "test"}
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.place(0) == "train/metadata.jsonl:1"


def test_one_metadata_file_above_the_folders(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg", "val/b.jpg")
    metadata(tmp_path, "metadata.jsonl", line("train/a.jpg", WIDE), line("val/b.jpg", WIDE))
    assert list(raw.read(tmp_path, "val").rows) == ["val/b.jpg"]
    assert recognise(tmp_path).said[1] == "the splits are the folders train, val"


def test_metadata_files_of_one_folder_of_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{letter}.jpg" for letter in "abc"))
    metadata(tmp_path, "train/metadata.jsonl", line("a.jpg", WIDE))
    metadata(tmp_path, "test/metadata.jsonl", line("b.jpg", WIDE))
    found = raw.read(tmp_path, "train")
    assert (list(found.rows), found.errors) == (["images/a.jpg"], [])
    assert found.notes["picture that no row names (left out)"] == ["images/c.jpg"]


def test_metadata_as_csv_or_parquet(tmp_path: Path) -> None:
    pictures(tmp_path, "csv/train/a.jpg", "pq/train/a.jpg")
    objects = json.dumps({"bbox": [WIDE], "categories": ["cup"]}).replace('"', '""')
    (tmp_path / "csv/train/metadata.csv").write_text(
        f'file_name,width,objects\na.jpg,160,"{objects}"\n'
    )
    parquet(tmp_path, "pq/train/metadata.parquet", [line("a.jpg", WIDE)])
    for name in ("csv", "pq"):
        assert raw.read(tmp_path / name).rows == {"train/a.jpg": [("cup", BOX, False)]}
    entry = raw.read(tmp_path / "csv").entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.width == 160


def test_broken_metadata(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg", "train/b.jpg")
    metadata(
        tmp_path,
        "train/metadata.jsonl",
        line("a.jpg", WIDE),
        line("../../b.jpg", WIDE),
        line("c.jpg"),
    )
    found = raw.read(tmp_path)
    assert list(found.rows) == ["train/a.jpg", "train/b.jpg"]  # found by its end, below the root
    assert found.errors == ['train/metadata.jsonl:3: the picture "c.jpg" is not here']
    metadata(tmp_path, "train/metadata.jsonl", line("a.jpg", WIDE), "{")
    with pytest.raises(InputError, match="train/metadata.jsonl:2: not a line of JSON"):
        raw.read(tmp_path)


def test_a_class_key_that_nobody_knows(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    odd = {"file_name": "a.jpg", "objects": {"bbox": [WIDE], "sorte": ["cup"]}}
    metadata(tmp_path, "train/metadata.jsonl", odd)
    with pytest.raises(InputError, match=r'no key is known for the class .*is it "sorte"'):
        raw.read(tmp_path, format="huggingface")


def test_others_are_not_taken(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    metadata(tmp_path, "train/metadata.jsonl", {"file_name": "a.jpg", "text": "a cup"})
    parquet(tmp_path, "data/table.parquet", [{"a": 1, "b": [[1, 2, 3, 4]]}])
    (tmp_path / "data/broken.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(InputError, match="no known layout"):
        find_layout(tmp_path)


# Hostile


def test_broken_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path, TRAIN, [row(f"{i}.jpg", WIDE) for i in range(50)], features())
    dataset = recognise(tmp_path)
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)  # the pages of the first column, not the footer
    path.write_bytes(data)
    (entry, *_) = dataset.entries("train", Tally())
    assert isinstance(entry, AnnotatedImage)
    assert entry.held is not None
    with pytest.raises(InputError, match="not a readable Parquet file"):
        entry.held.read()
    path.write_bytes(data[:1000])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        list(dataset.entries("train", Tally()))


def test_row_groups_with_too_many_bytes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that are one picture, written once: a small file, and endless memory."""
    from ssd_data.data.formats.huggingface import parquet as module

    monkeypatch.setattr(module, "MOST_GROUP", 100_000)
    entry = one(tmp_path, *(row(f"{i}.jpg", WIDE) for i in range(200))).entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.held is not None
    with pytest.raises(InputError, match="row group 0 has more than"):
        entry.held.read()


@pytest.mark.parametrize("where", ["a column of text", "the pictures"])
def test_what_unpacks_to_far_more_than_the_file_is_refused(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that stands once in the file, and is that of every row."""
    from ssd_data.data.formats.huggingface import parquet as module

    monkeypatch.setattr(module, "SLACK", 1 << 16)
    rows = [row(f"{i}.jpg", WIDE) for i in range(300)]
    for each in rows:
        if where == "the pictures":
            each["image"]["bytes"] = bytes(100_000)
        else:
            each["text"] = "x" * 100_000
    path = parquet(tmp_path, TRAIN, rows, features())
    assert path.stat().st_size < 60_000
    table = module.ParquetTable(path, TRAIN)
    with pytest.raises(InputError, match=r"bytes or more are packed into [\d,]+$") as error:
        print(len(list(table.rows())), len(table.pictures(0)))
    assert error.value.where == TRAIN


def test_row_groups_that_were_read_last_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ssd_data.data.formats.huggingface import parquet as module

    rows = [row(f"{i}.jpg", WIDE) for i in range(6)]
    for i, one_row in enumerate(rows):
        one_row["image"]["bytes"] = jpeg(*hub.SIZE, seed=i)
    asked: list[int] = []
    pictures_of = module.ParquetTable.pictures

    def counted(self: Any, group: int) -> list[bytes | None]:
        asked.append(group)
        return pictures_of(self, group)

    monkeypatch.setattr(module.ParquetTable, "pictures", counted)
    group = len(jpeg(*hub.SIZE)) * 2
    for kept, groups in ((1, [2, 0, 2, 1, 2]), (group * 2.5, [2, 0, 1]), (group * 9, [2, 0, 1])):
        monkeypatch.setattr(module, "KEPT", kept)
        entries = one(tmp_path, *rows, row_group_size=2).entries
        asked.clear()
        for i in (5, 0, 4, 2, 5):
            entry = entries[i]
            assert isinstance(entry, AnnotatedImage)
            assert entry.held is not None
            assert entry.held.read() == jpeg(*hub.SIZE, seed=i)
        assert asked == groups


def test_without_pyarrow_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path, TRAIN, [row("1.jpg", WIDE)], features())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("ssd_data.data.formats.huggingface.recognise.has_pyarrow", lambda: False)
    with pytest.raises(InputError, match="this needs pyarrow") as error:
        raw.read(tmp_path)
    assert "pip install 'ssd-data[hf]'" in error.value.hint
