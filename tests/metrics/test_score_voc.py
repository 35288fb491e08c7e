"""VOC: the SSD branch's sums and the devkit's, through files, against naive twins; bad input."""

import json
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_scores as naive
from support.scored import VocScored
from support.trees import Voc

from ssd_data import BuildOptions, build, find
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.structures import Detections
from ssd_data.metrics import SSD_VERSIONS, ScoreOptions, score, score_arrays
from ssd_data.metrics.average_precision import DEVKIT_VERSIONS
from ssd_data.metrics.scores import Found, Scores, Truth
from ssd_data.metrics.voc.files import read_detections, read_truth, write_voc_detections


@pytest.fixture
def voc(tmp_path: Path) -> VocScored:
    return VocScored(tmp_path)


def scored(voc: VocScored, **options: Any) -> Scores:
    return score("voc", voc.root, voc.pred, ScoreOptions(**options))


def test_the_truth_found_again_is_1(voc: VocScored) -> None:
    result = scored(voc, iou=(0.5, 0.95))
    assert set(result.ap) == {
        f"{name}{at}" for name in (*SSD_VERSIONS, *DEVKIT_VERSIONS) for at in ("", "@0.95")
    }
    assert all(value == pytest.approx(1, abs=1e-6) for value in result.ap.values())
    assert result.classes["cat"]["truths"] == 2
    assert result.counts["truths"] == 4
    json.dumps(result.to_json(), allow_nan=False)


grid = st.integers(0, 8).map(lambda n: n + 1.0)
box = st.tuples(grid, grid, grid, grid).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]) + 2, max(b[1], b[3]) + 2)
)
found = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from([0.125, 0.25, 0.5, 0.75]), box),
    min_size=1,
    max_size=15,
)
true = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), box, st.booleans()), min_size=1, max_size=8
)


def arrays(det: Any, gt: Any, pictures: int = 3) -> tuple[Truth, Found]:
    names = tuple(map(str, range(pictures)))
    sizes = np.full((pictures, 2), 256)
    truth = Truth(
        "truth",
        names,
        ("a", "b"),
        np.array([g[0] for g in gt]),
        np.array([g[1] for g in gt]),
        np.array([g[2] for g in gt], float).reshape(-1, 4),
        np.array([g[3] for g in gt], bool),
        sizes,
    )
    return truth, Found(
        "found",
        np.array([d[0] for d in det]),
        np.array([d[1] for d in det]),
        np.array([d[2] for d in det], float),
        np.array([d[3] for d in det], float).reshape(-1, 4),
        np.ones(pictures, bool),
    )


@given(found, true, st.sampled_from([0.3, 0.5, 0.75]))
@settings(max_examples=100)
def test_naive_twins(det: Any, gt: Any, iou: float) -> None:
    result = score_arrays("voc", *arrays(det, gt), ScoreOptions(iou=(iou,), own_boxes=True))
    behind = "" if iou == 0.5 else f"@{iou:g}"
    flat = [(d[0], d[1], d[2], *d[3]) for d in det]
    true = [(g[0], g[1], *g[2], g[3]) for g in gt]
    for version in DEVKIT_VERSIONS:
        for label, name in enumerate("ab"):
            expected = naive.devkit(flat, true, label, iou, version)
            assert result.classes[name][version + behind] == pytest.approx(expected, abs=1e-12)
    # Sizes are a power of two, so that fractions are exact.
    caffe = np.array([(d[0], d[1] + 1, d[2], *np.array(d[3:]) / 256) for d in flat], np.float32)
    label = np.array([(g[0], g[1] + 1, 0, *np.array(g[2:6]) / 256, g[6]) for g in true], np.float32)
    rows = naive.detection_evaluate(caffe, label, 3, iou, False)
    for version in SSD_VERSIONS:
        expected = naive.test_detection(rows, version)
        assert result.ap[version + behind] == pytest.approx(expected, abs=1e-6)


@given(found, true, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_order_does_not_matter_where_scores_differ(det: Any, gt: Any, random: Any) -> None:
    det = [(d[0], d[1], (i + 1) / 16, d[3]) for i, d in enumerate(det)]
    own = ScoreOptions(own_boxes=True)
    before = score_arrays("voc", *arrays(det, gt), own).ap
    turned = [2, 0, 1]
    mixed = [(turned[d[0]], *d[1:]) for d in random.sample(det, len(det))]
    # Of true boxes that a detection overlaps alike the first counts, so these keep their order.
    true = [(turned[g[0]], *g[1:]) for g in gt]
    after = score_arrays("voc", *arrays(mixed, true), own).ap
    assert after == pytest.approx(before, abs=1e-9)


def test_only_the_devkit_adds_one_to_the_sides() -> None:
    """10 x 10 of 10 x 14 pixels are 0.714, 9 x 9 of 9 x 13 are 0.692."""
    pair = arrays([(0, 0, 0.5, (1, 1, 10, 14))], [(0, 0, (1, 1, 10, 10), False)])
    result = score_arrays("voc", *pair, ScoreOptions(iou=(0.7,)))
    assert result.classes["a"]["VOC10@0.7"] == 1
    assert result.classes["a"]["Integral@0.7"] == 0


def test_difficult_boxes_are_ignored(voc: VocScored) -> None:
    voc.difficult("000003")
    result = scored(voc)
    assert result.ap["VOC10"] == 1
    assert result.counts["ignored"] == 1
    assert result.classes["dog"]["truths"] == 1


def test_a_class_without_true_boxes(voc: VocScored, tmp_path: Path) -> None:
    labelmap = tmp_path / "labelmap.prototxt"
    items = [("none", 0), ("cat", 1), ("cow", 2), ("dog", 3)]
    labelmap.write_text(
        "".join(f'item {{ name: "{n}" label: {i} display_name: "{n}" }}\n' for n, i in items)
    )
    with pytest.raises(InputError, match="no file of detections for 1 class: cow"):
        scored(voc, labelmap=labelmap)
    voc.file("cow").write_text("")
    result = scored(voc, labelmap=labelmap)
    assert result.ap["VOC10"] == 1
    assert result.ap["11point"] == pytest.approx(2 / 3, abs=1e-6)
    assert result.classes["cow"]["VOC10"] is None
    assert result.classes["cow"]["11point"] == 0
    labelmap.write_text(labelmap.read_text().replace("dog", "fox"))
    with pytest.raises(InputError, match="lacks the classes dog"):
        scored(voc, labelmap=labelmap)


def test_missing_pictures(tmp_path: Path) -> None:
    voc = VocScored(tmp_path, {f"{i}": [("cat", 10, 10, 60, 60)] for i in range(10)})
    lines = voc.file("cat").read_text().splitlines(keepends=True)
    voc.file("cat").write_text("".join(lines[:8]))
    result = scored(voc)  # a fifth may have none: one file cannot say which were looked at
    assert result.counts["pictures_without_detections"] == 2
    assert result.notes.kinds["picture without detections: all its objects are missed"].count == 2
    voc.file("cat").write_text("".join(lines[:7]))
    with pytest.raises(InputError, match="3 of 10 pictures have no detections: 7, 8, 9"):
        scored(voc)
    assert scored(voc, missing="count").ap["VOC10"] == pytest.approx(0.7)
    skipped = scored(voc, missing="skip")
    assert (skipped.ap["VOC10"], skipped.subset) == (1, "7 of 10")
    voc.file("cat").write_text("".join(lines[4:]))
    skipped = scored(voc, missing="skip")
    assert (skipped.ap["VOC10"], skipped.subset) == (1, "6 of 10")
    assert skipped.ap["11point"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("000009 0.5 1 2 3 4", 'no picture "000009"'),
        ("000001 nan 1 2 3 4", "score is not a finite"),
        ("000001 0.5 1 2 inf 4", "coordinate is not a finite"),
        ("000001 0.5 1 2 3", "5 numbers should stand here, found 4"),
        ("000001", "5 numbers should stand here, found 0"),
        ("000001 0.5 1 2 3 4 5", "5 numbers should stand here, found 6"),
        ("000001 0.5 1 2 x 4", '"0.5 1 2 x 4" are not 5 numbers'),
        ("000001 0.5 1 2 3e9 4", "coordinate is out of all bounds"),
    ],
)
def test_bad_lines(voc: VocScored, line: str, what: str) -> None:
    text = voc.file("cat").read_text()
    voc.file("cat").write_text(f"{text}{line}\n")
    with pytest.raises(InputError, match=what) as caught:
        scored(voc)
    assert caught.value.where == f"{voc.file('cat')}:3"


@pytest.mark.parametrize("text", ["000001", "000001\n", "000001 0.5"])
def test_a_file_of_one_bad_line(voc: VocScored, text: str) -> None:
    voc.file("cat").write_text(text)
    with pytest.raises(InputError, match="5 numbers should stand here, found [01]") as caught:
        scored(voc)
    assert caught.value.where == f"{voc.file('cat')}:1"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace(" ", "\t"),
        lambda t: t.replace(" ", "  ").replace("\n", " \n\n"),
        lambda t: t.replace("0.9", ".9"),
    ],
)
def test_other_hands(voc: VocScored, change: Any) -> None:
    voc.file("cat").write_bytes(change(voc.file("cat").read_text()).encode())
    assert scored(voc).ap["VOC10"] == 1


def test_files_that_do_not_belong(voc: VocScored) -> None:
    (voc.pred / "notes.txt").write_text("not of the format, not read")
    other = voc.pred / "comp3_det_val_cat.txt"
    other.write_text("")
    with pytest.raises(InputError, match="two files of cat"):
        scored(voc)
    other.rename(voc.pred / "comp4_det_test_cats.txt")
    with pytest.raises(InputError, match='no class "cats"') as caught:
        scored(voc)
    assert '"cat"' in caught.value.hint
    for path in voc.pred.iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no file of detections"):
        scored(voc)
    with pytest.raises(InputError, match="folder of detections is missing"):
        score("voc", voc.root, voc.pred / "x")


def test_inverted_boxes_and_boxes_outside_are_counted(voc: VocScored) -> None:
    with voc.file("cat").open("a") as file:
        file.write("000001 0.1 60 10 10 60\n000002 0.1 500 10 560 60\n")
        file.write("000001 0.1 10 10 9999 60\n000001 0.1 -20 -20 60 60\n")
    kinds = {k.split(":")[0]: c.listed for k, c in scored(voc).notes.kinds.items()}
    assert kinds == {
        "inverted box": ["000001"],
        "box wholly outside its picture": ["000002"],
        "box that reaches beyond its picture by more than its size": ["000001"],
    }


@pytest.mark.parametrize("convention", ["fractions", "width and height", "in the order y x"])
def test_another_convention(tmp_path: Path, convention: str) -> None:
    random = np.random.default_rng(0)
    start = random.integers(2, 40, (30, 2))
    boxes = np.hstack([start, start + random.integers(20, 50, (30, 2)) + [60, 0]])
    voc = VocScored(tmp_path, {f"{i}": [("cat", *b)] for i, b in enumerate(boxes.tolist())})
    lines = []
    for i, b in enumerate(boxes.tolist()):
        other = {
            "fractions": [b[0] / 200, b[1] / 100, b[2] / 200, b[3] / 100],
            "width and height": [b[0], b[1], b[2] - b[0], b[3] - b[1]],
            "in the order y x": [b[1], b[0], b[3], b[2]],
        }[convention]
        lines.append(f"{i} 0.9 {' '.join(map(str, other))}\n")
    voc.file("cat").write_text("".join(lines))
    with pytest.raises(InputError, match=f"another convention; it seems they are {convention}"):
        scored(voc)
    # A net that has learned little hits as little: what the package itself wrote is scored.
    assert scored(voc, own_boxes=True).counts["detections"] == 30


def test_a_devkit_of_several_years(voc: VocScored) -> None:
    devkit = voc.root.parent
    assert score("voc", devkit, voc.pred).ap["VOC10"] == 1
    own = devkit / "own.txt"
    own.write_text("000001\n000002\n")
    with pytest.raises(InputError, match='no picture "000003"'):
        scored(voc, split=str(own))
    other = devkit / "VOC2012" / "ImageSets" / "Main"
    other.mkdir(parents=True)
    (other / "test.txt").write_text("")
    with pytest.raises(InputError, match="VOC2007, VOC2012 all have the image set test"):
        score("voc", devkit, voc.pred)


def test_truth_that_is_not_there(voc: VocScored) -> None:
    with pytest.raises(InputError, match="no VOC truth here"):
        score("voc", voc.pred, voc.pred)
    with pytest.raises(InputError, match="list of pictures is missing"):
        scored(voc, split="val")
    path = voc.root / "ImageSets" / "Main" / "test.txt"
    for text, what in (("", "lists no picture"), ("000001\n000001\n", "stands twice")):
        path.write_text(text)
        with pytest.raises(InputError, match=what):
            scored(voc)
    path.write_text("000007\n")
    with pytest.raises(InputError, match="annotation is missing"):
        scored(voc)
    with pytest.raises(UsageError, match="threshold"):
        score_arrays(
            "voc",
            *arrays([(0, 0, 0.5, (1, 1, 9, 9))], [(0, 0, (1, 1, 9, 9), False)]),
            ScoreOptions(iou=(1.5,)),
        )


def test_an_lmdb_is_truth_as_well(shared: Path, tmp_path: Path) -> None:
    """Its fractions come back as the pixels of the annotations."""
    devkit = shared / "VOCdevkit"
    build(find("voc2007", devkit), tmp_path / "out", BuildOptions(limit=40))
    (lmdb,) = (tmp_path / "out").glob("*_test_lmdb")
    ours = read_truth(lmdb)
    theirs = read_truth(devkit / "VOC2007", "test", tmp_path / "out" / "labelmap.prototxt")
    assert ours.classes == theirs.classes
    boxes = {}
    for truth in (ours, theirs):
        names = [truth.pictures[i] for i in truth.picture]
        rows = zip(names, truth.label.tolist(), truth.boxes.tolist(), truth.ignored, strict=True)
        boxes[id(truth)] = sorted((n, k, b, bool(d)) for n, k, b, d in rows if n in ours.pictures)
    assert boxes[id(ours)] == boxes[id(theirs)]
    assert len(boxes[id(ours)]) > 40


def test_what_is_written_is_read(voc: VocScored, tmp_path: Path) -> None:
    truth = read_truth(voc.root)
    sizes = dict.fromkeys(truth.pictures, (200, 100))
    scale = np.array([200, 100, 200, 100])
    detections = {
        name: Detections(
            np.append(truth.label[truth.picture == i] + 1, 7).astype(np.int32),
            np.full((truth.picture == i).sum() + 1, 0.5, np.float32),
            np.vstack([truth.boxes[truth.picture == i] / scale, [[0, 0, 1, 1]]]).astype(np.float32),
        )
        for i, name in enumerate(truth.pictures)
    }
    out = tmp_path / "written"
    write_voc_detections(out, detections, sizes, {1: "cat", 2: "dog", 3: "cow"})
    assert (out / "comp4_det_test_cow.txt").read_text() == ""
    (out / "comp4_det_test_cow.txt").unlink()
    found = read_detections(out, truth)
    assert len(found.boxes) == 4
    assert score("voc", voc.root, out).ap["VOC10"] == 1
    with pytest.raises(OutputError, match="not empty"):
        write_voc_detections(out, detections, sizes, {1: "cat"})


def test_links_that_leave_the_truth_or_the_detections(
    voc: VocScored, tmp_path: Path, run: Any
) -> None:
    command = ("score", "voc", "--detections", voc.pred, "--truth")
    whole = run(*command, voc.root, "--json").out
    for path in (voc.root / "Annotations" / "000001.xml", voc.root / "ImageSets", voc.file("cat")):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
        listed = voc.root / "ImageSets" / "Main" / "test.txt"
        for truth in (voc.root, listed) if "000001" in path.name else (voc.root,):
            refused = run(*command, truth)
            assert refused.status == 1
            assert f"error: {path}: this link leaves" in refused.err
            assert "--follow-links" in refused.err
            assert run(*command, truth, "--json", "--follow-links").out == whole
        path.unlink()
        (tmp_path / path.name).rename(path)


@pytest.mark.parametrize("name", ["car/van", "../../evil", "/tmp/evil", "..", "a\nb"])
def test_classes_that_cannot_name_files(name: str, tmp_path: Path) -> None:
    nothing = Detections(
        np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32)
    )
    found, folder = {"a": nothing}, tmp_path / "in" / "found"
    if name == "..":  # in the middle of a name it is none
        write_voc_detections(folder, found, {"a": (9, 9)}, {1: name})
        assert [path.name for path in folder.iterdir()] == ["comp4_det_test_...txt"]
    else:
        with pytest.raises(InputError, match="cannot stand in a file's name, as VOC's do"):
            write_voc_detections(folder, found, {"a": (9, 9)}, {1: name})
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("timg (18)\n2\n", ["timg (18)", "2"]),
        ("2  1\ntimg (18) -1\n", ["2", "timg (18)"]),  # flags of a class's list
        ("2.jpg\r\n./JPEGImages/timg (18).jpg\r\n", ["2", "timg (18)"]),
        ("2\rtimg (18)\r", ["2", "timg (18)"]),
        ("JPEGImages/2.jpg Annotations/2.xml\n", ["2"]),
        ("\ufeff2\n\n", ["2"]),
    ],
)
def test_a_list_of_truth_is_read_as_a_build_reads_it(
    lines: str, names: list[str], pictures: bool, tmp_path: Path
) -> None:
    raw = Voc(tmp_path / "VOC2007", 2)
    for path in (raw.picture(1), raw.annotation(1)):
        path.rename(path.with_stem("timg (18)"))
    raw.list([], "test")
    (raw.root / "ImageSets/Main/test.txt").write_bytes(lines.encode())
    if not pictures:
        if "JPEGImages/2.jpg A" in lines:
            pytest.skip("nobody knows what stands behind the name")
        rmtree(raw.root / "JPEGImages")
    assert list(read_truth(raw.root).pictures) == names


def test_a_list_of_truth_with_several_names_a_line(tmp_path: Path) -> None:
    raw = Voc(tmp_path / "VOC2007", 2)
    raw.list(["1 2"], "test")
    with pytest.raises(InputError, match=r"test.txt:1: 2 pictures stand in one line"):
        read_truth(raw.root)


def test_names_with_spaces_in_detections(tmp_path: Path) -> None:
    raw = Voc(tmp_path / "VOC2007", 1)
    for path in (raw.picture(1), raw.annotation(1)):
        path.rename(path.with_stem("my pic"))
    raw.list(["my pic"], "test")
    for name in ("my pic", "my_pic"):
        pred = tmp_path / name
        pred.mkdir()
        (pred / "comp4_det_test_cat.txt").write_text(f"{name} 0.9 6 7 31 41\n")
        assert score("voc", raw.root, pred).ap["VOC10"] == pytest.approx(1)
