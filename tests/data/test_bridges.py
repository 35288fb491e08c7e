"""An LMDB in Hugging Face's datasets, Datumaro and FiftyOne; each where that tool is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import commands

from ssd_data import (
    InputError,
    LabelMap,
    LmdbReader,
    LmdbWriter,
    SsdDataError,
    datumaro_dataset,
    fiftyone_importer,
    hf_dataset,
)
from ssd_data.data.bridges.entries import LmdbEntries
from ssd_data.data.lmdb.records import encode_record

NAMES = LabelMap.from_names(["cat", "dog"], ["a cat", "a dog"])
TWO = [[0.25, 0.0, 0.75, 0.5], [0.0, 0.5, 1.0, 1.0]]


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bridges")
    layout = ("--layout", "voc", "--train", "5", "--test", "4", "--size", "64", "-q")
    assert commands.run("sample", folder / "sample", *layout) == 0
    assert commands.run("build", folder / "sample" / "voc", "-o", folder / "build", "-q") == 0
    return folder / "build" / "voc_test_lmdb"


def written(
    folder: Path, boxes: list[list[float]], labels: list[int], key: bytes = b"00000000_a/b.png"
) -> Path:
    """One record of 4 x 2 raw gray pixels."""
    pixels = np.arange(8, dtype=np.uint8).tobytes()
    table = np.array(boxes, np.float32).reshape(-1, 4)
    hard = np.arange(len(table)) == 1
    with LmdbWriter(folder) as writer:
        value = encode_record(
            pixels, (1, 2, 4), np.array(labels, np.int32), table, hard, encoded=False
        )
        writer.put(key, value)
    return folder


# ---- what all of them read ----


def test_an_entry_by_hand(tmp_path: Path) -> None:
    entries = LmdbEntries(written(tmp_path / "x_lmdb", TWO, [2, 1]), NAMES)
    (entry,) = entries
    assert entries.names == ["a cat", "a dog"]
    assert (entry.image, entry.extension, entry.data[:4]) == ("a/b.png", "png", b"\x89PNG")
    assert (entry.width, entry.height) == (4, 2)
    assert entry.boxes.tolist() == [[1, 0, 2, 1], [0, 1, 4, 1]]
    assert (entry.classes.tolist(), entry.difficult.tolist()) == ([1, 0], [False, True])


def test_pictures_are_as_they_are_stored(lmdb: Path) -> None:
    with LmdbReader(lmdb) as reader:
        records = list(reader)
    for entry, record in zip(LmdbEntries(lmdb), records, strict=True):
        assert entry.data == record.data
        assert entry.classes.tolist() == [label - 1 for label in record.labels.tolist()]


def test_no_tool_turns_a_picture(tmp_path: Path) -> None:
    """They would by its EXIF orientation; boxes are of the picture as Caffe reads it."""
    from io import BytesIO

    from PIL import Image
    from support.trees import jpeg

    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(exif=exif)
    with Image.open(BytesIO(data)) as picture:
        width, height = picture.size
    none = np.zeros(0, np.int32)
    with LmdbWriter(tmp_path / "x_lmdb") as writer:
        boxes, hard = np.zeros((0, 4), np.float32), np.zeros(0, np.bool_)
        writer.put(b"k", encode_record(data, (3, height, width), none, boxes, hard, True))
    (entry,) = LmdbEntries(tmp_path / "x_lmdb", NAMES)
    with Image.open(BytesIO(entry.data)) as picture:
        assert picture.getexif()[0x0112] == 1
        assert picture.size == (width, height)


@pytest.mark.parametrize(
    ("boxes", "label", "said"),
    [
        ([0.5, 0.0, 0.5, 1.0], 1, "without area"),
        ([0.5, 0.0, np.nan, 1.0], 1, "without area"),
        ([0.0, 0.0, 1.0, 1.0], 3, "no class 3"),
        ([0.0, 0.0, 1.0, 1.0], 0, "no class 0"),
    ],
)
def test_records_that_no_tool_takes(
    tmp_path: Path, boxes: list[float], label: int, said: str
) -> None:
    lmdb = written(tmp_path / "x_lmdb", [boxes], [label])
    with pytest.raises(InputError, match=said) as caught:
        list(LmdbEntries(lmdb, NAMES))
    assert "00000000_a/b.png" in str(caught.value)


def test_without_a_labelmap(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no labelmap\.prototxt"):
        LmdbEntries(written(tmp_path / "x_lmdb", TWO, [1, 2]))


@pytest.mark.parametrize("name", ["datasets", "datumaro", "fiftyone"])
def test_a_tool_that_is_missing(lmdb: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in (name, "datasets.arrow_dataset", "fiftyone.utils.data"):
        monkeypatch.setitem(sys.modules, module, None)
    made: dict[str, Any] = {
        "datasets": hf_dataset,
        "datumaro": datumaro_dataset,
        "fiftyone": lambda path: fiftyone_importer(path, "pictures"),
    }
    with pytest.raises(SsdDataError) as caught:
        made[name](lmdb)
    assert f"pip install 'ssd-data[{name}]'" in str(caught.value.hint)


# ---- Hugging Face ----


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("datasets.arrow_dataset", reason="Hugging Face's datasets is not here")
    module = import_module("datasets")
    monkeypatch.setattr(module.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    module.disable_progress_bars()
    return module


def test_rows_of_hugging_face(datasets: Any, lmdb: Path) -> None:
    rows = hf_dataset(lmdb)
    assert rows.features["objects"]["category"].feature.names == ["circle", "square", "triangle"]
    for place, (row, entry) in enumerate(zip(rows, LmdbEntries(lmdb), strict=True)):
        assert (row["image_id"], row["image"].size) == (place, (entry.width, entry.height))
        np.testing.assert_allclose(row["objects"]["bbox"], entry.boxes, rtol=1e-6)
        assert row["objects"]["category"] == entry.classes.tolist()
    raw = rows.cast_column("image", datasets.Image(decode=False))[0]["image"]
    assert raw == {"bytes": next(iter(LmdbEntries(lmdb))).data, "path": "JPEGImages/test000001.jpg"}


def test_what_another_lmdb_held_is_not_taken_for_it(datasets: Any, tmp_path: Path) -> None:
    first = hf_dataset(written(tmp_path / "x_lmdb", TWO, [1, 2]), NAMES)
    assert first[0]["objects"]["category"] == [0, 1]
    for file in (tmp_path / "x_lmdb").iterdir():
        file.unlink()
    (tmp_path / "x_lmdb").rmdir()
    second = hf_dataset(written(tmp_path / "x_lmdb", TWO, [2, 2]), NAMES)
    assert second[0]["objects"]["category"] == [1, 1]
    assert second[0]["objects"]["difficult"] == [False, True]


def test_a_record_that_is_broken_is_named(datasets: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no class 7"):
        hf_dataset(written(tmp_path / "x_lmdb", TWO, [1, 7]), NAMES)


def test_its_parquet_builds_the_same_boxes(datasets: Any, lmdb: Path, tmp_path: Path) -> None:
    rows = hf_dataset(lmdb).remove_columns("image_id")
    (tmp_path / "hub" / "data").mkdir(parents=True)
    rows.to_parquet(str(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet"))
    assert commands.run("build", tmp_path / "hub", "-o", tmp_path / "built", "-q") == 0
    (again,) = (tmp_path / "built").glob("*_lmdb")
    with LmdbReader(lmdb) as old, LmdbReader(again) as new:
        for one, other in zip(old, new, strict=True):
            assert one.data == other.data
            assert one.labels.tolist() == other.labels.tolist()
            np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-6)


# ---- Datumaro ----


def test_items_of_datumaro(lmdb: Path, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="Datumaro is not installed")
    found = datumaro_dataset(lmdb)
    assert [*found.subsets()] == ["test"]
    names = [label.name for label in found.categories()[datumaro.AnnotationType.label]]
    assert names == ["circle", "square", "triangle"]
    for item, entry in zip(found, LmdbEntries(lmdb), strict=True):
        assert f"{item.id}.jpg" == entry.image
        assert item.media.data.shape == (entry.height, entry.width, 3)
        boxes = [box.get_bbox() for box in item.annotations]
        np.testing.assert_allclose(boxes, entry.boxes, rtol=1e-6)
        assert [box.label for box in item.annotations] == entry.classes.tolist()
    found.export(str(tmp_path / "voc"), "voc", save_media=True)
    assert commands.run("build", tmp_path / "voc", "-o", tmp_path / "built", "-q") == 0
    (again,) = (tmp_path / "built").glob("*_lmdb")
    with LmdbReader(again) as new:
        assert len(new) == len(found)


# ---- FiftyOne ----

PROGRAM = """
import sys
import fiftyone, ssd_data
found = fiftyone.Dataset.from_importer(ssd_data.fiftyone_importer(sys.argv[1], sys.argv[2]))
print(len(found), sum(len(sample.ground_truth.detections) for sample in found))
found.delete()
"""


def test_samples_of_fiftyone(lmdb: Path, tmp_path: Path) -> None:
    """Without its database, which is asked for when a data set is made."""
    pytest.importorskip("fiftyone.utils.data", reason="FiftyOne is not installed")
    importer = fiftyone_importer(lmdb, tmp_path / "pictures")
    entries = LmdbEntries(lmdb)
    with importer:
        assert len(importer) == len(entries)
        for (file, size, truth), entry in zip(importer, entries, strict=True):
            assert Path(file).read_bytes() == entry.data
            assert (size.width, size.height) == (entry.width, entry.height)
            sides = [entry.width, entry.height] * 2
            boxes = [one.bounding_box for one in truth.detections]
            np.testing.assert_allclose(boxes, entry.boxes / sides, rtol=1e-6)
            names = [one.label for one in truth.detections]
            assert names == [entries.names[place] for place in entry.classes]
            assert [one["difficult"] for one in truth.detections] == entry.difficult.tolist()


def test_a_data_set_of_fiftyone(lmdb: Path, tmp_path: Path) -> None:
    """In a process of its own: it begins a database."""
    pytest.importorskip("fiftyone.utils.data", reason="FiftyOne is not installed")
    variables = {"FIFTYONE_DATABASE_DIR": str(tmp_path / "db"), "FIFTYONE_DO_NOT_TRACK": "true"}
    variables |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, lmdb, tmp_path / "pictures"], capture_output=True,
        text=True, env={**os.environ, **variables}, check=False,
    )  # fmt: skip
    if "MongoDB could not be installed" in done.stderr:
        pytest.skip("FiftyOne has no database here (MongoDB's mongod)")
    assert done.returncode == 0, done.stderr
    boxes = sum(len(entry.boxes) for entry in LmdbEntries(lmdb))
    assert done.stdout.splitlines()[-1] == f"{len(LmdbEntries(lmdb))} {boxes}"


def test_no_picture_leaves_the_folder(tmp_path: Path) -> None:
    from ssd_data.data.bridges.fiftyone import _place

    lmdb = written(tmp_path / "x_lmdb", TWO, [1, 2], b"../../evil.png")
    (entry,) = LmdbEntries(lmdb, NAMES)
    with pytest.raises(InputError, match="below the root|leaves"):
        _place(tmp_path / "pictures", entry)
