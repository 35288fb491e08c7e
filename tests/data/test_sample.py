"""The sample data set: what is drawn, the three layouts, and that it comes whole or not at all."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ssd_data import OutputError, UsageError, build, recognise
from ssd_data.cli import main
from ssd_data.core.notes import Tally
from ssd_data.data.synthetic.sample import LayoutResult, draw_sample
from ssd_data.data.synthetic.shapes import CLASSES, DIFFICULT, HIDDEN, LARGEST, _box, _form, draw

TRAIN, TEST, SIZE = 30, 10, 96
SPLITS = {"voc": ("trainval", "test"), "coco": ("train", "val"), "widerface": ("train", "val")}
COCO_NAMES = {str(i): name for i, name in enumerate(CLASSES, 1)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample") / "shapes"
    return draw_sample(out, train=TRAIN, test=TEST, size=SIZE)


@pytest.fixture(scope="module")
def folder(results):
    return results[0].folder.parent


def entries(folder: Path, layout: str, split: int):
    notes = Tally()
    found = list(recognise(folder / layout).entries(SPLITS[layout][split], notes))
    assert not notes
    return found


def digests(folder: Path):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).digest() for p in files}


class TestDrawing:
    def test_boxes_fit_the_picture_and_the_shapes_their_bounds(self):
        difficult = cut = 0
        for index in range(100):
            drawing = draw(3, 0, index, SIZE)
            height, width = drawing.pixels.shape[:2]
            assert 1 <= len(drawing.shapes) <= 6
            assert 0.7 < width / height < 1.4
            for shape in drawing.shapes:
                xmin, ymin, xmax, ymax = shape.box
                assert 0 <= xmin < xmax <= width
                assert 0 <= ymin < ymax <= height
                assert max(xmax - xmin, ymax - ymin) <= LARGEST * min(width, height) + 1
                assert HIDDEN <= shape.visible <= 1
                assert shape.difficult == (shape.visible < DIFFICULT)
                difficult += shape.difficult
                cut += shape.cut
        assert difficult > 10
        assert cut > 50

    def test_all_classes_and_numbers_of_shapes_occur(self):
        drawings = [draw(0, 0, index, SIZE) for index in range(60)]
        assert {shape.name for d in drawings for shape in d.shapes} == set(CLASSES)
        assert {len(d.shapes) for d in drawings} == {1, 2, 3, 4, 5, 6}
        assert {d.ground for d in drawings} == {"dusk", "clouds", "weave"}

    def test_boxes_are_tight_around_what_opencv_draws(self):
        """An independent drawing, 16 times as large, of the same form."""
        rng = np.random.default_rng(1)
        y, x = (np.arange(100, dtype=np.float32) + 0.5 for _ in range(2))
        errors = []
        for _ in range(60):
            form = _form(rng, 100, 100, [])
            box = _box((0.5 - form.distance(x[None, :], y[:, None])).clip(0, 1))
            canvas = np.zeros((1600, 1600), np.uint8)
            corners = form.corners + np.array([form.x, form.y])
            if form.name == "circle":
                centre = (round(form.x * 16), round(form.y * 16))
                cv2.circle(canvas, centre, round(form.size * 8), 1, -1)
            else:
                cv2.fillConvexPoly(canvas, np.round(corners * 16).astype(np.int32), 1)
            assert form.area() == pytest.approx(_whole_area(form), rel=1e-6)
            left, top, width, height = np.array(cv2.boundingRect(canvas)) / 16
            errors.append(np.subtract(box, (left, top, left + width, top + height)))
        assert np.abs(errors).max() < 1.3
        assert np.abs(np.mean(errors, axis=0)).max() < 0.5

    def test_the_top_shape_is_seen_whole_and_the_hidden_ones_less(self):
        for index in range(40):
            *_, top = draw(0, 0, index, SIZE).shapes
            assert top.cut or top.visible > 0.95

    @pytest.mark.parametrize("other", [(1, 0, 0, SIZE), (0, 1, 0, SIZE), (0, 0, 1, SIZE)])
    def test_seed_split_and_index_each_give_another_picture(self, other):
        first, second = draw(0, 0, 0, SIZE), draw(*other)
        assert not np.array_equal(first.pixels, second.pixels)
        assert first.shapes != second.shapes


def _whole_area(form):
    if form.name == "circle":
        return np.pi * form.size**2 / 4
    return abs(cv2.contourArea(form.corners.astype(np.float32)))


class TestLayouts:
    @pytest.mark.parametrize("split", [0, 1])
    def test_voc_and_coco_state_the_same(self, folder, split):
        voc, coco = entries(folder, "voc", split), entries(folder, "coco", split)
        assert len(voc) == len(coco) == (TRAIN, TEST)[split]
        for a, b in zip(voc, coco, strict=True):
            assert Path(a.image).name == Path(b.image).name
            assert a.classes == tuple(COCO_NAMES[c] for c in b.classes)
            assert (a.width, a.height) == (b.width, b.height)
            np.testing.assert_array_equal(a.boxes, b.boxes)
            np.testing.assert_array_equal(a.difficult, b.difficult)

    @pytest.mark.parametrize("split", [0, 1])
    def test_the_faces_are_the_circles(self, folder, split):
        voc, wider = entries(folder, "voc", split), entries(folder, "widerface", split)
        assert len(voc) == len(wider)
        for a, b in zip(voc, wider, strict=True):
            circles = [i for i, name in enumerate(a.classes) if name == "circle"]
            assert Path(a.image).name == Path(b.image).name
            assert b.classes == ("face",) * len(circles)
            np.testing.assert_array_equal(a.boxes[circles], b.boxes.reshape(-1, 4))
            np.testing.assert_array_equal(a.difficult[circles], b.difficult)

    def test_some_boxes_are_difficult(self, folder):
        flags = [e.difficult for e in entries(folder, "voc", 0)]
        assert 0 < np.concatenate(flags).sum() < len(np.concatenate(flags)) / 2

    def test_the_files_hold_what_was_drawn(self, folder):
        for entry in entries(folder, "voc", 1):
            data = (folder / "voc" / entry.image).read_bytes()
            assert cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape == (
                entry.height,
                entry.width,
                3,
            )
        names = [p.name for p in (folder / "voc" / "JPEGImages").iterdir()]
        for other in ("coco", "widerface"):
            found = list((folder / other).rglob("*.jpg"))
            assert sorted(p.name for p in found) == sorted(names)
            for path in found:
                assert path.read_bytes() == (folder / "voc/JPEGImages" / path.name).read_bytes()

    def test_both_conventions_for_no_face_take_turns(self, folder):
        path = folder / "widerface/wider_face_split/wider_face_train_bbx_gt.txt"
        lines = path.read_text().splitlines()
        counts = [lines[i - 1] for i, line in enumerate(lines) if line == "0 0 0 0 0 0 0 0 0 0"]
        assert len(counts) >= 4
        assert counts == (["0", "1"] * len(counts))[: len(counts)]
        rows = [line for line in lines if " " in line]
        assert all(len(row.split()) == 10 for row in rows)

    def test_coco_ids_are_unique_across_splits(self, folder):
        parts = [
            json.loads((folder / f"coco/annotations/instances_{split}.json").read_text())
            for split in ("train", "val")
        ]
        ids = [image["id"] for part in parts for image in part["images"]]
        assert len(set(ids)) == len(ids) == TRAIN + TEST
        assert [c["name"] for c in parts[0]["categories"]] == list(CLASSES)

    @pytest.mark.parametrize("layout", ["voc", "coco", "widerface"])
    def test_it_builds_without_a_note(self, results, folder, tmp_path, layout):
        built = build(recognise(folder / layout), tmp_path / "out")
        (result,) = (r for r in results if r.name == layout)
        assert set(result.splits) == set(built.manifest["splits"]) == set(SPLITS[layout])
        for name, split in built.manifest["splits"].items():
            assert split["notes"] == {}
            assert split["records"] == result.splits[name].pictures
            assert split["boxes"] == result.splits[name].boxes


class TestRepeatable:
    def test_same_seed_same_bytes(self, folder, tmp_path):
        draw_sample(tmp_path / "again", train=TRAIN, test=TEST, size=SIZE)
        assert digests(tmp_path / "again") == digests(folder)

    def test_fewer_pictures_are_the_first_of_more(self, folder, tmp_path):
        draw_sample(tmp_path / "few", ["voc"], train=3, test=2, size=SIZE)
        few, many = digests(tmp_path / "few"), digests(folder)
        files = [name for name in few if "ImageSets" not in name]
        assert len(files) == 10
        assert all(few[name] == many[name] for name in files)

    def test_another_seed_other_pictures(self, folder, tmp_path):
        draw_sample(tmp_path / "other", ["voc"], train=3, test=2, size=SIZE, seed=1)
        other, first = digests(tmp_path / "other"), digests(folder)
        assert not [n for n in other if n.endswith(".jpg") and other[n] == first[n]]

    def test_no_picture_stands_in_both_splits(self, folder):
        pictures = {
            n: d for n, d in digests(folder / "voc/JPEGImages").items() if n.endswith(".jpg")
        }
        assert len(set(pictures.values())) == len(pictures) == TRAIN + TEST


class TestFolder:
    def small(self, out, **options):
        return draw_sample(out, ["voc"], **{"train": 2, "test": 1, "size": 64, **options})

    def test_a_folder_with_something_in_it_is_refused(self, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(OutputError, match="not empty") as caught:
            self.small(tmp_path)
        assert "does not exist yet" in caught.value.hint
        assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]

    def test_a_file_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="a file"):
            self.small(tmp_path / "file")

    def test_an_empty_folder_is_filled_and_a_missing_one_made(self, tmp_path, monkeypatch):
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        self.small(Path())
        assert [p.name for p in Path().iterdir()] == ["voc"]
        self.small(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b" / "voc").is_dir()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "empty"]

    def test_an_unwritable_place(self):
        with pytest.raises(OutputError, match="cannot write"):
            self.small("/proc/sample/out")

    @pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
    def test_a_failure_leaves_nothing(self, tmp_path, error):
        def failing(pictures, total, what):
            yield next(iter(pictures))
            raise error

        with pytest.raises((KeyboardInterrupt, OutputError)):
            self.small(tmp_path / "out", track=failing)
        assert list(tmp_path.iterdir()) == []

    def test_a_kill_leaves_no_folder(self, tmp_path):
        out = tmp_path / "out"
        code = (
            "from ssd_data.data.synthetic.sample import draw_sample; "
            f"draw_sample({str(out)!r}, train=99999)"
        )
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob(".out.staging/new/voc/JPEGImages/*")):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        assert [path.name for path in tmp_path.iterdir()] == [".out.staging"]
        self.small(out)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_the_same_again_is_no_error_another_one_is(self, tmp_path):
        first = self.small(tmp_path / "out")
        assert self.small(tmp_path / "out") == first
        with pytest.raises(OutputError, match="not empty"):
            self.small(tmp_path / "out", seed=1)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]

    @pytest.mark.parametrize(
        ("options", "where"),
        [
            ({"train": 0}, "--train"),
            ({"test": 10**6}, "--test"),
            ({"size": 63}, "--size"),
            ({"seed": -1}, "--seed"),
        ],
    )
    def test_numbers_out_of_range(self, tmp_path, options, where):
        with pytest.raises(UsageError, match="not between") as caught:
            self.small(tmp_path / "out", **options)
        assert caught.value.where == where
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("layouts", [[], ["yolo"]])
    def test_unknown_layouts(self, tmp_path, layouts):
        with pytest.raises(UsageError):
            draw_sample(tmp_path / "out", layouts)


class TestCommand:
    def run(self, *args):
        """The command's exit status."""
        few = ("--train", "2", "--test", "1", "--size", "64")
        try:
            main(["sample", *few, *map(str, args)])
        except SystemExit as stop:
            return stop.code
        return 0

    def test_table_and_next_command(self, tmp_path, capsys):
        out = tmp_path / "my shapes"
        assert self.run(out, "--layout", "voc", "--layout", "coco") == 0
        shown = capsys.readouterr()
        assert sorted(p.name for p in out.iterdir()) == ["coco", "voc"]
        assert f"ssd-data build '{out}/voc'" in shown.out
        assert shown.err == ""

    def test_json(self, tmp_path, capsys):
        assert self.run(tmp_path / "out", "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert set(result["layouts"]) == set(SPLITS)
        voc = result["layouts"]["voc"]
        assert voc["folder"] == str(tmp_path / "out" / "voc")
        assert voc["splits"]["trainval"]["pictures"] == 2
        assert voc["next"] == f"ssd-data build {tmp_path}/out/voc"

    def test_quiet(self, tmp_path, capsys):
        assert self.run(tmp_path / "out", "-q") == 0
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("extra", "status"), [(["--train", "0"], 2), (["--layout", "yolo"], 2), ([], 1)]
    )
    def test_exit_status(self, tmp_path, capsys, extra, status):
        (tmp_path / "file").touch()
        assert self.run(tmp_path, *extra) == status
        assert capsys.readouterr().err


def test_results_name_the_folders(results, folder):
    assert all(isinstance(result, LayoutResult) for result in results)
    assert [r.folder for r in results] == [folder / name for name in SPLITS]
