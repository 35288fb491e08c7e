"""A format that states no sizes: its boxes are fractions, and nobody asks which format it was.

The format is none that is shipped: a folder that the test plugs in, as anybody may.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, Dataset, InputError, LmdbReader, build, find
from ssd_data.core import registry
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data import formats
from ssd_data.data.build.convert import in_pixels
from ssd_data.data.build.scan import scan
from ssd_data.data.check.raw import check_dataset
from ssd_data.evaluation.sources import EvalChoice, open_set

READ = """
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.formats import Format, Recognised


class FractionsSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    split: str


def recognise(tree):
    splits = [name[:-4] for name in tree.names("splits") if name.endswith(".txt")]
    return Recognised({s: [FractionsSource(s)] for s in splits}, "splits") if splits else None


def read(root, source, notes):
    for name in (root / "splits" / f"{source.split}.txt").read_text().split():
        rows = [line.split() for line in (root / f"{name}.txt").read_text().splitlines()]
        yield AnnotatedImage(
            image=f"JPEGImages/{name}.jpg",
            annotation=f"{name}.txt",
            classes=tuple(row[0] for row in rows),
            boxes=np.array([row[1:] for row in rows], np.float32).reshape(-1, 4),
            difficult=np.zeros(len(rows), np.bool_),
            places=tuple(range(1, len(rows) + 1)),
            normalized=True,
        )


FORMAT = Format(
    FractionsSource,
    read,
    needs=lambda source: [f"splits/{source.split}.txt"],
    layout="splits/<split>.txt",
    recognise=recognise,
)
"""
SIZES = {1: (64, 48), 2: (33, 97), 3: (500, 375)}
# One that leaves the picture and one without area are among them.
PIXELS = {
    1: [("cat", 5, 6, 30, 40), ("dog", 1, 2, 63.5, 47)],
    2: [("cat", 0, 0, 33, 97), ("cat", -4, 7, 20, 90), ("dog", 9, 9, 9, 30)],
    3: [("dog", 100.25, 3, 499, 374)],
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"outside": "clip", "size": (32, 32)},
    {"outside": "drop", "empty": "keep", "encode": "png"},
]


@pytest.fixture(autouse=True)
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of a format, lying elsewhere."""
    place = tmp_path / "plugins"
    (place / "fractions").mkdir(parents=True)
    (place / "fractions" / "__init__.py").write_text('"""Fractions."""\n')
    (place / "fractions" / "read.py").write_text(READ)
    known = registry._modules

    def modules(folder: str, *more: Any) -> tuple[str, ...]:
        added = ("fractions",) if folder == "data/formats" and "read" in more else ()
        return tuple(sorted((*known(folder, *more), *added)))

    monkeypatch.setattr(registry, "_modules", modules)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(place)])
    yield
    for name in [name for name in sys.modules if name.startswith("ssd_data.data.formats.frac")]:
        del sys.modules[name]


@pytest.fixture
def both(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """The same boxes as VOC's pixels and as fractions."""
    voc = Voc(tmp_path / "pixels" / "raw")
    root = tmp_path / "fractions" / "raw"
    (root / "JPEGImages").mkdir(parents=True)
    (root / "splits").mkdir()
    for number, (width, height) in SIZES.items():
        data = jpeg(width, height, seed=number)
        voc.picture(number).write_bytes(data)
        (root / "JPEGImages" / f"{number}.jpg").write_bytes(data)
        voc.annotation(number).write_text(xml(PIXELS[number], None, f"{number}.jpg"))
        sides = np.array([width, height] * 2, np.float32)
        rows = [(name, *(np.array(box, np.float32) / sides)) for name, *box in PIXELS[number]]
        text = "".join(f"{name} {' '.join(map(str, box))}\n" for name, *box in rows)
        (root / f"{number}.txt").write_text(text)
    for split, names in (("trainval", "2"), ("test", "3 1")):
        voc.list(names.split(), split)
        (root / "splits" / f"{split}.txt").write_text(names)
    datasets = find(voc.root), find(root)
    assert [one.format for one in datasets] == ["voc", "fractions"]
    return datasets


def records(folder: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    found = {}
    for path in sorted(folder.glob("*_lmdb")):
        with LmdbReader(path) as reader:
            found[path.name] = list(reader.items())
    return found


@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_boxes_are_the_same_records(
    options: dict[str, Any], both: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    results = [build(one, tmp_path / one.format, BuildOptions(seed=3, **options)) for one in both]
    pixels, fractions = (records(result.out) for result in results)
    assert pixels == fractions
    assert set(pixels) == {"raw_trainval_lmdb", "raw_test_lmdb"}
    first, second = (result.manifest["splits"]["trainval"] for result in results)
    for key in ("records", "boxes", "classes", "content_digest", "without_boxes"):
        assert first[key] == second[key]
    assert list(first["notes"]) == list(second["notes"])
    for name in ("labelmap.prototxt", "trainval_name_size.txt", "test_name_size.txt"):
        assert (results[0].out / name).read_text() == (results[1].out / name).read_text()
    again = build(both[1], tmp_path / "fractions", BuildOptions(seed=3, **options))
    assert again.up_to_date


def test_a_build_tells_pixels_from_fractions_of_the_same_numbers(
    both: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    dataset = both[1]
    found = scan(dataset, "test", dataset.classes(), BuildOptions())
    entries = [image.entry for image in found.images]
    assert all(entry.normalized and entry.width is None for entry in entries)
    before = found.input_digest(dataset.root)
    for entry in entries:
        object.__setattr__(entry, "normalized", False)
    assert found.input_digest(dataset.root) != before


def test_they_are_checked_alike(both: tuple[Dataset, Dataset]) -> None:
    pixels, fractions = (check_dataset(one) for one in both)
    assert fractions.checked == pixels.checked
    found = pixels.found.values(), fractions.found.values()
    shown = [[(one.kind, one.count, len(one.places)) for one in each] for each in found]
    assert shown[0] == shown[1]
    assert {kind for kind, *_ in shown[0]} >= {"outside-box", "empty-box"}
    (place,) = fractions.found["empty-box", "box is inverted or has no area"].places
    assert place == "2.txt:3: box 2: dog 9 9 9 30"


def test_they_are_scored_alike(both: tuple[Dataset, Dataset]) -> None:
    choice = EvalChoice(metric="voc", split="trainval")
    pixels, fractions = (open_set(one.root, choice).truth for one in both)
    assert fractions.pictures == pixels.pictures
    assert np.array_equal(fractions.label, pixels.label)
    assert np.array_equal(fractions.boxes, pixels.boxes)


def test_a_size_that_is_stated_needs_no_file(tmp_path: Path) -> None:
    boxes = np.array([[0.1, 0.25, 0.5, 1]], np.float32)
    stated = AnnotatedImage("none.jpg", "x", ("a",), boxes, width=640, height=480, normalized=True)
    found = in_pixels(tmp_path, stated, BuildOptions())
    assert found.boxes.tolist() == [[64, 120, 320, 480]]
    assert (found.normalized, found.boxes.dtype) == (False, np.float32)
    assert in_pixels(tmp_path, found, BuildOptions()) is found
    unsized = AnnotatedImage("none.jpg", "x", ("a",), boxes, normalized=True)
    with pytest.raises(InputError, match="none.jpg: the picture is missing"):
        in_pixels(tmp_path, unsized, BuildOptions())


def test_the_command_line_knows_it(
    both: tuple[Dataset, Dataset], tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = both[1].root
    table = run("build", root, "-o", "out", "--json").json
    assert table["format"] == "fractions"
    assert run("build", root, "-o", "out", "--outside", "fail").status == 1
    assert run("labelmap", "--check", "out/labelmap.prototxt", root).status == 0
    assert run("check", root, "--json").status == 1
    done = run("build", tmp_path / "plugins")
    assert "fractions:\n  splits/<split>.txt" in done.err
    for to in ("voc", "coco"):
        assert run("export", "out/raw_test_lmdb", "--to", to, "-o", to, "-q").status == 0
    source = '[splits.a]\nsources = [{ split = "test" }]\n'
    (tmp_path / "my.toml").write_text(f'name = "MINE"\nformat = "fractions"\n{source}')
    built = run("build", "my.toml", "--root", root, "--json").json
    assert (built["name"], built["splits"]["a"]["records"]) == ("MINE", 2)


def test_entries_say_what_they_are(both: tuple[Dataset, Dataset]) -> None:
    for dataset in both:
        for entry in dataset.entries("trainval", Tally()):
            assert isinstance(entry, AnnotatedImage)
            width, height = SIZES[int(Path(entry.image).stem)]
            assert entry.size(width, height) == (width, height)
            assert entry.unit(width, height) == ((1, 1) if entry.normalized else (width, height))
