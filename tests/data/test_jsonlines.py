"""JSON lines: SageMaker Ground Truth's manifests and Vertex AI's import files."""

import json
from pathlib import Path
from typing import Any

import pytest
from support import raw
from support.openimages_csv import pictures

from ssd_data import BuildOptions, InputError, LmdbReader, build, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.find import find
from ssd_data.data.layout import find_layout

BOX = {"class_id": 0, "left": 10, "top": 20, "width": 40, "height": 70}
CUP = ("cup", (10.0, 20.0, 50.0, 90.0), False)


def manifest(
    picture: str, *boxes: dict[str, Any], job: str = "boxes", **metadata: Any
) -> dict[str, Any]:
    """A line of Ground Truth's."""
    return {
        "source-ref": f"s3://bucket/some/{picture}",
        job: {
            "image_size": [{"width": 160, "height": 120, "depth": 3}],
            "annotations": list(boxes),
        },
        f"{job}-metadata": {
            "objects": [{"confidence": 0.9} for _ in boxes],
            "class-map": {"0": "cup", "1": "plate"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2024-01-01T00:00:00",
            "job-name": f"labeling-job/{job}",
            **metadata,
        },
    }


def vertex(picture: str, *boxes: tuple[str, Any, Any, Any, Any], use: str = "") -> dict[str, Any]:
    """A line of Vertex AI's."""
    line: dict[str, Any] = {
        "imageGcsUri": f"gs://bucket/{picture}",
        "boundingBoxAnnotations": [
            {"displayName": name, "xMin": a, "yMin": b, "xMax": c, "yMax": d}
            for name, a, b, c, d in boxes
        ],
    }
    if use:
        line["dataItemResourceLabels"] = {"aiplatform.googleapis.com/ml_use": use}
    return line


def write(root: Path, name: str, *lines: dict[str, Any] | str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return path


def test_a_manifest(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    plate = {**BOX, "class_id": 1, "left": 0.5}
    write(tmp_path, "train.manifest", manifest("a.jpg", BOX, plate), "", manifest("b.jpg"))
    found = raw.read(tmp_path)
    assert found.rows == {
        "images/a.jpg": [CUP, ("plate", (0.5, 20, 40.5, 90), False)],
        "images/b.jpg": [],
    }
    assert found.errors == ["train.manifest: no line is of the picture images/c.jpg"]
    (entry, other, _) = found.entries
    assert isinstance(entry, AnnotatedImage)
    assert (entry.width, entry.height, entry.place(1)) == (160, 120, "train.manifest:1")
    assert isinstance(other, AnnotatedImage)
    assert found.notes["picture found by the end of its path"] == [
        "train.manifest:1: images/a.jpg",
        "train.manifest:3: images/b.jpg",
    ]


def test_built_records(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "b.jpg")
    box = {**BOX, "left": 16, "top": 30, "width": 64, "height": 60}
    write(tmp_path, "manifests/output/output.manifest", manifest("a.jpg", box), manifest("b.jpg"))
    build(recognise(tmp_path), tmp_path / "out", BuildOptions(shuffle=False))
    with LmdbReader(next((tmp_path / "out").glob("*trainval_lmdb"))) as records:
        boxes = {r.image: r.boxes.tolist() for r in records}
    assert boxes["a.jpg"] == [pytest.approx([0.1, 0.25, 0.5, 0.75])]


def test_class_maps_are_each_lines_own(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "b.jpg")
    other = manifest("b.jpg", BOX, **{"class-map": {"0": "fork"}})
    write(tmp_path, "train.manifest", manifest("a.jpg", BOX), other)
    found = raw.read(tmp_path)
    assert [row[0][0] for row in found.rows.values()] == ["cup", "fork"]


def test_lines_that_cannot_be_taken(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{i}.jpg" for i in range(7)))
    failed = {"source-ref": "s3://b/5.jpg", "boxes-metadata": {"failure-reason": "too blurred"}}
    classified = {"source-ref": "s3://b/6.jpg", "kind": 3,
                  "kind-metadata": {"type": "groundtruth/image-classification"}}  # fmt: skip
    write(
        tmp_path,
        "train.manifest",
        manifest("0.jpg", BOX),
        manifest("1.jpg", {**BOX, "class_id": 7}),
        manifest("2.jpg", {**BOX, "left": None}),
        manifest("3.jpg", {**BOX, "width": 1e300}),
        {**manifest("4.jpg", BOX), **manifest("4.jpg", BOX, job="second")},
        failed,
        classified,
        manifest("0.jpg", BOX),
        manifest("9.jpg", BOX),
    )
    found = raw.read(tmp_path)
    assert found.rows == {"0.jpg": [CUP]}
    several = "several label attributes have boxes: boxes, second; say in a recipe which is meant"
    assert [error.replace("train.manifest:", "") for error in found.errors] == [
        "2: the class-map has no class 7",
        "3: Expected `float`, got `null` - at `$.annotations[0].left`",
        "4: a box is not of finite numbers",
        f'5: {several}: attribute = "…"',
        "6: its labelling failed: too blurred",
        "7: labels of the type groundtruth/image-classification, which are no boxes",
        "8: 0.jpg stands in line 1, too\n  Keep one of the two: a picture is one record",
        '9: the picture "s3://bucket/some/9.jpg" is not here',
    ]
    assert found.entries[5].unannotated  # type: ignore[union-attr]
    recipe = tmp_path / "my.toml"
    recipe.write_text(
        'format = "jsonlines"\n[splits.train]\n'
        'sources = [{ lines = "train.manifest", attribute = "second" }]\n'
    )
    entries = list(find(recipe, root=tmp_path).entries("train", Tally()))
    assert [e.image for e in entries if isinstance(e, AnnotatedImage)] == ["4.jpg"]


def test_what_a_model_labelled_is_counted(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg")
    write(tmp_path, "train.manifest", manifest("a.jpg", BOX, **{"human-annotated": "no"}))
    assert "picture that a model has labelled (human-annotated: no)" in raw.read(tmp_path).notes


def test_vertex(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{letter}.jpg" for letter in "abcde"))
    write(
        tmp_path,
        "export.jsonl",
        vertex("a.jpg", ("cup", 0.125, 0.25, 0.5, 0.75), use="training"),
        vertex("b.jpg", ("cup", "0.125", "0.25", "0.5", "1.0"), use="validation"),
        vertex("c.jpg", use="test"),
        vertex("d.jpg", ("cup", 10, 20, 50, 90)),
    )
    dataset = recognise(tmp_path)
    assert list(dataset.splits) == ["training", "validation", "test", "unassigned"]
    assert dataset.links == {"trainval_lmdb": "training", "test_lmdb": "test"}
    (entry,) = raw.read(tmp_path, "training").entries
    assert isinstance(entry, AnnotatedImage)
    assert (entry.normalized, entry.boxes.tolist()) == (True, [[0.125, 0.25, 0.5, 0.75]])
    assert raw.read(tmp_path, "training").notes["picture that no line names (left out)"] == [
        "e.jpg"
    ]
    assert raw.read(tmp_path, "validation").rows == {
        "b.jpg": [("cup", (0.12, 0.25, 0.5, 1), False)]
    }
    assert raw.read(tmp_path, "test").rows == {"c.jpg": []}
    (error,) = raw.read(tmp_path, "unassigned").errors
    assert error == "export.jsonl:4: 10 20 50 90 is no box in fractions of the picture, 0 to 1"


def test_vertex_without_uses_is_divided(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{i}.jpg" for i in range(10)))
    write(tmp_path, "export.jsonl", *(vertex(f"{i}.jpg") for i in range(10)))
    sizes = {s: len(raw.read(tmp_path, s).entries) for s in recognise(tmp_path).splits}
    assert sizes == {"trainval": 8, "test": 2}
    assert recognise(tmp_path).said[0].startswith("no split is stated")


def test_files_and_folders_are_splits(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg", "test/b.jpg")
    write(tmp_path, "all.manifest", manifest("train/a.jpg", BOX), manifest("test/b.jpg", BOX))
    assert list(recognise(tmp_path).splits) == ["test", "train"]
    assert list(raw.read(tmp_path, "test").rows) == ["test/b.jpg"]
    (tmp_path / "all.manifest").unlink()
    write(tmp_path, "train.manifest", manifest("a.jpg", BOX))
    write(tmp_path, "validation.manifest", manifest("b.jpg", BOX))
    pictures(tmp_path, "validation/b.jpg")
    assert list(raw.read(tmp_path, "validation").rows) == ["validation/b.jpg"]


def test_files_of_one_folder_of_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{letter}.jpg" for letter in "abc"))
    write(tmp_path, "train.manifest", manifest("a.jpg", BOX))
    write(tmp_path, "test.manifest", manifest("b.jpg", BOX))
    found = raw.read(tmp_path, "train")
    assert (list(found.rows), found.errors) == (["images/a.jpg"], [])
    assert found.notes["picture that no line names (left out)"] == ["images/c.jpg"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"source-ref": "s3://b/a.jpg"', "train.manifest:2: not a line of JSON"),
        ("[]", "train.manifest:2: not a line of JSON"),
        ("[" * 100_000, "train.manifest:2: not a line of JSON"),
        (
            '{"source": "iVBORw0K", "boxes": {}}',
            "train.manifest:2: the picture is in the line itself",
        ),
        ("{}", "train.manifest:2: the line is of no picture"),
        (
            '{"a": "' + "x" * (17 << 20) + '"}',
            "train.manifest:2: a line of more than 16,777,216 bytes",
        ),
    ],
)
def test_hostile_lines(line: str, what: str, tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg")
    write(tmp_path, "train.manifest", manifest("a.jpg", BOX), line)
    with pytest.raises(InputError, match=what):
        raw.read(tmp_path)


@pytest.mark.parametrize(
    "line",
    ['{"file_name": "a.jpg", "text": "a cup"}', '{"source-ref": "s3://b/a.jpg"}', "no JSON", ""],
)
def test_other_lines_are_not_taken(line: str, tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg")
    write(tmp_path, "captions.jsonl", line)
    with pytest.raises(InputError, match="no known layout"):
        find_layout(tmp_path)
