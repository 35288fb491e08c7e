"""The preflight: a good training has nothing wrong; each thing broken is named, all at once."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import lmdb as lmdb_module
import numpy as np
import pytest
from support import GOLDEN

from ssd_data.cli import main
from ssd_data.cli.train import print_preflight
from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import read_labelmap
from ssd_data.data.lmdb.manifest import LABELMAP, labelmap_digest
from ssd_data.data.lmdb.records import decode_record, encode_record
from ssd_data.data.lmdb.split import shard
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.nets.caffemodel import LayerWeights, read_caffemodel, write_caffemodel
from ssd_data.nets.graph import read_graph
from ssd_data.proto import caffe_pb2
from ssd_data.training.preflight import preflight
from ssd_data.training.preflight import solver as checks_solver
from ssd_data.training.preflight.report import Preflight, Trouble
from ssd_data.training.snapshots import find_snapshots
from ssd_data.training.solver_file import look_at_solver, read_solver, solver_weights

TRAIN, TEST, SOLVER = "ssd/train.prototxt", "ssd/test.prototxt", "ssd/solver.prototxt"


def run(*args: object) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    assert not caught.value.code


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample, built and linked, with nets of 3 classes and the background; 12 test pictures."""
    folder = tmp_path_factory.mktemp("whole")
    before = Path.cwd()
    os.chdir(folder)
    try:
        size = ["--train", 9, "--test", 12, "--size", 64]
        run("sample", "shapes", "--layout", "voc", *size, "-q")
        run("build", "shapes/voc", "-o", "SHAPES", "--link", ".", "-q")
        # At 64 pixels three of MobileNet-SSD's maps are 1x1: small, and whole.
        net = ["--size", 64, "--width-multiplier", 0.125, "--test-batch-size", 4]
        run("model", "mobilenet_ssd", "--build", "SHAPES", *net, "-o", "ssd", "-q")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to break; the working folder."""
    copy = tmp_path / "run"
    shutil.copytree(whole, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def check(*weights: str, **settings: object) -> Preflight:
    return preflight(read_solver(SOLVER), [Path(w) for w in weights], **settings)  # type: ignore[arg-type]


def edit(path: str, old: str, new: str, count: int = 1) -> None:
    """Replace a pattern, which must be there."""
    text = Path(path).read_text()
    changed, times = re.subn(old, new, text, count=count)
    assert times, f"{old} is not in {path}"
    Path(path).write_text(changed)


def only(troubles: list[Trouble], *words: str) -> Trouble:
    """The one trouble there is, which says all of these words."""
    assert len(troubles) == 1, [str(t) for t in troubles]
    for word in words:
        assert word in str(troubles[0]), f"{word!r} is not in {troubles[0]}"
    return troubles[0]


def texts(troubles: list[Trouble]) -> str:
    return "\n".join(map(str, troubles))


def rebuild(name: str, change: object) -> None:
    """Write an LMDB anew, each (key, record bytes) through ``change``."""
    real = Path(name).resolve()
    with LmdbReader(real) as reader:
        items = list(reader.items())
    shutil.rmtree(real)
    with LmdbWriter(real) as writer:
        for i, (key, value) in enumerate(items):
            writer.put(key, change(i, key, value))  # type: ignore[operator]


def relabel(at: int, label: int) -> object:
    """Give all boxes of one record another label."""

    def change(i: int, key: bytes, value: bytes) -> bytes:
        if i != at:
            return value
        message = caffe_pb2.AnnotatedDatum.FromString(value)
        for group in message.annotation_group:
            group.group_label = label
        return message.SerializeToString()

    return change


# ---- good ones ----


def test_a_good_one_has_nothing(folder: Path) -> None:
    found = check()
    assert found.errors == []
    assert found.warnings == []


def test_paths_lead_where_they_lead(folder: Path) -> None:
    found = check()
    rows = {(p.role, p.stated): p for p in found.paths}
    train = rows["train data", "trainval_lmdb"]
    assert train.absolute == str(folder / "trainval_lmdb")
    assert train.target == str((folder / "trainval_lmdb").resolve())
    assert train.records == 9
    assert rows["test data", "test_lmdb"].records == 12
    assert rows["labelmap", "labelmap.prototxt"].target.endswith("SHAPES/labelmap.prototxt")
    assert rows["train net", TRAIN].target == ""
    assert {role for role, _ in rows} == {
        "solver", "train net", "test net", "train data", "test data", "labelmap",
    }  # fmt: skip
    table = found.rows()
    assert table[0] == ["path", "what for", "leads to", "records"]
    assert len(table) == len(found.paths) + 1


def test_json(folder: Path) -> None:
    edit(SOLVER, r"snapshot: \d+", "snapshot: 0")
    table = json.loads(json.dumps(check().to_json()))
    assert set(table) == {"errors", "warnings", "paths", "weights", "mix"}
    assert set(table["warnings"][0]) == {"where", "what", "hint"}


def test_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(SOLVER, r"snapshot: \d+", "snapshot: 0 momentum: 0.5")
    print_preflight(check())
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].split() == ["path", "what", "for", "leads", "to", "records"]
    assert any(line.startswith("trainval_lmdb ") and line.endswith(" 9") for line in lines)
    assert f"error: {SOLVER}: momentum cannot be used with RMSProp" in lines
    assert "  Leave momentum out" in lines
    assert f"warning: {SOLVER}: snapshot is 0: snapshots are written at the end" in lines
    print_preflight(check(), quiet=True)
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("kind", ["sgd", "rmsprop"])
def test_the_golden_runs(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GOLDEN / "training", tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    shutil.copytree("lmdb", "lmdb_test")
    for weights, resume in (
        ([Path("initial.caffemodel")], None),
        ([], Path(f"{kind}_iter_60.solverstate")),
    ):
        found = preflight(read_solver(f"solver_{kind}.prototxt"), weights, resume)
        assert found.errors == []
        assert found.warnings == []
        assert [len(w.new) for w in found.weights] == [0]


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_shapes_are_the_nets_own(folder: Path, phase: str) -> None:
    from ssd_data.engines.torch.net import Net
    from ssd_data.engines.torch.shapes import infer_shapes

    graph = read_graph(TRAIN if phase == "TRAIN" else TEST, phase)
    net = Net(graph)
    given = {name: net.blobs[name].shape for name in ("data", "label")}
    shapes = infer_shapes(graph, given)
    assert shapes.whole
    assert shapes.losses is (phase == "TRAIN")
    assert shapes.blobs == {name: blob.shape for name, blob in net.blobs.items()}
    params = [blob.shape for step in net.steps for blob in step.params]
    assert shapes.parameters == params
    assert len(shapes.slots) == sum(bool(step.params) for step in net.steps)


# ---- data ----


def test_a_missing_lmdb(folder: Path) -> None:
    Path("trainval_lmdb").unlink()
    only(check().errors, TRAIN, '"trainval_lmdb" is not there', "folder you run in")


def test_an_lmdb_that_lies_beside_the_solver(folder: Path) -> None:
    Path("trainval_lmdb").rename("ssd/trainval_lmdb")
    shutil.copytree("SHAPES", "SHAPES2")
    Path("ssd/trainval_lmdb").unlink()
    shutil.copytree(next(Path("SHAPES").glob("*trainval_lmdb")), "ssd/trainval_lmdb")
    only(check().errors, "It is there from", str(folder / "ssd"))


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ("/nowhere/train_lmdb", '"/nowhere/train_lmdb" is not there\n  Write your own path'),
        (r"a\\000b", "cannot be looked at"),
        ("a" * 5000, "is not there from"),
    ],
)
def test_paths_that_lead_nowhere(folder: Path, stated: str, words: str) -> None:
    edit(TRAIN, 'source: "trainval_lmdb"', f'source: "{stated}"')
    only(check().errors, TRAIN, words)


def test_a_path_that_two_nets_name_stands_once(folder: Path) -> None:
    Path("labelmap.prototxt").unlink()
    labelmaps = [p for p in check().paths if p.role == "labelmap"]
    assert [p.there for p in labelmaps] == [False]


def test_a_dangling_link(folder: Path) -> None:
    Path("test_lmdb").unlink()
    Path("test_lmdb").symlink_to("SHAPES/gone_lmdb")
    only(check().errors, "is a link to", "gone_lmdb", "ssd-data link")


def test_a_folder_that_is_no_lmdb(folder: Path) -> None:
    Path("test_lmdb").unlink()
    Path("test_lmdb").mkdir()
    only(check().errors, "test_lmdb", "data.mdb is missing")


def test_a_classifiers_lmdb(folder: Path) -> None:
    datum = caffe_pb2.Datum(channels=3, height=2, width=2, data=b"x" * 12).SerializeToString()
    rebuild("test_lmdb", lambda i, key, value: datum)
    only(check().errors, "classification database", "test_lmdb")


def test_labels_above_the_classes(folder: Path) -> None:
    rebuild("trainval_lmdb", relabel(5, 7))
    trouble = only(check().errors, "trainval_lmdb", "up to 7", "num_classes is 4", "00000005")
    assert "num_classes 8" in trouble.hint
    assert "lacks label 7" in texts(check().warnings)


def test_the_first_label_that_is_no_class(folder: Path) -> None:
    rebuild("trainval_lmdb", relabel(5, 3))
    assert check().errors == []
    rebuild("trainval_lmdb", relabel(5, 4))
    only(check().errors, "label of 4 or above, up to 4", "num_classes 5 or more")


def test_the_backgrounds_label(folder: Path) -> None:
    rebuild("test_lmdb", relabel(2, 0))
    only(check().errors, "test_lmdb", "label 0", "00000002")


def test_labelmaps(folder: Path) -> None:
    Path("labelmap.prototxt").unlink()
    found = check()
    assert found.errors == []
    assert "labelmap.prototxt" in texts(found.warnings)
    Path("labelmap.prototxt").write_text('item { name: "a" label: 0 } item { name: "b" label: 9 }')
    found = check()
    assert found.errors == []
    for words in ("labels up to 9", "gaps", "lacks label 1"):
        assert words in texts(found.warnings)
    Path("labelmap.prototxt").write_text("nonsense")
    assert "not a labelmap" in texts(check().warnings)


def test_a_labelmap_that_caffe_cannot_read(folder: Path) -> None:
    names = [item.name for item in read_labelmap("labelmap.prototxt")]
    Path("labelmap.prototxt").unlink()
    Path("labelmap.prototxt").write_text(
        "".join(f"item {{ id: {n} name: '{name}' }} " for n, name in enumerate(names) if n)
    )
    found = check()
    assert found.errors == []
    only(found.warnings, "it is TensorFlow's", "ssd-data labelmap labelmap.prototxt -o")


def test_a_labelmap_whose_first_class_is_0(folder: Path) -> None:
    names = [item.name for item in read_labelmap("labelmap.prototxt")][1:]
    Path("labelmap.prototxt").unlink()
    Path("labelmap.prototxt").write_text(
        "".join(f'item {{ name: "{name}" label: {n} }} ' for n, name in enumerate(names))
    )
    said = texts(check().warnings)
    for words in (f'label 0 is the background, but here it is "{names[0]}"', "and 1 to the label"):
        assert words in said


def test_another_builds_labelmap(folder: Path) -> None:
    text = Path("labelmap.prototxt").read_text()
    Path("labelmap.prototxt").unlink()
    names = re.findall(r'name: "(\w+)"', text)
    swapped = text.replace(names[2], "x").replace(names[4], names[2]).replace("x", names[4])
    Path("labelmap.prototxt").write_text(swapped)
    assert "not the labelmap that" in texts(check().warnings)


def test_a_labelmap_of_another_build_beside_an_lmdb(folder: Path) -> None:
    edit("SHAPES/labelmap.prototxt", "circle", "disk", count=0)
    errors = check().errors
    assert {trouble.where for trouble in errors} == {str(Path("SHAPES").resolve() / LABELMAP)}
    assert "not the labelmap that build.json beside it states" in texts(errors)
    assert "--redo" in errors[0].hint


def test_an_lmdb_of_another_build_beside_the_record(folder: Path) -> None:
    edit("SHAPES/build.json", r'"records": 12', '"records": 13')
    only(check().errors, "test_lmdb: it has 12 records, and build.json beside it states 13")
    edit("SHAPES/build.json", r'"records": 13', '"records": 12')
    edit("SHAPES/build.json", r'"circle": \d+', '"circle": 1')
    found = check()
    assert not found.errors
    only(found.warnings, "trainval_lmdb: its boxes of each class are not as many as build.json")


def test_two_builds_with_other_classes(folder: Path) -> None:
    shutil.copytree("SHAPES", "OTHER")
    text = Path("OTHER/labelmap.prototxt").read_text()
    Path("OTHER/labelmap.prototxt").write_text(text.replace("circle", "disk"))
    digest = labelmap_digest(read_labelmap("OTHER/labelmap.prototxt"))
    edit("OTHER/build.json", r'"sha256": "\w+"', f'"sha256": "{digest}"')
    Path("test_lmdb").unlink()
    Path("test_lmdb").symlink_to(next(Path("OTHER").glob("*test_lmdb")))
    only(check().errors, "mean other classes", '"circle" and "disk"')


def gray(i: int, key: bytes, value: bytes) -> bytes:
    if i != 3:
        return value
    r = decode_record(key, value)
    return encode_record(r.data, (1, r.height, r.width), r.labels, r.boxes, r.difficult)


def test_gray_pictures_among_colours(folder: Path) -> None:
    rebuild("trainval_lmdb", gray)
    errors = check().errors
    assert len(errors) == 2
    assert "different numbers of channels: 1 (00000003" in texts(errors)
    assert "3 mean_value for pictures of 1 channels" in texts(errors)
    edit(TRAIN, "transform_param {", "transform_param { force_color: true")
    assert check().errors == []


def test_means_that_do_not_fit(folder: Path) -> None:
    edit(TEST, r"mean_value: 127.5\s+mean_value: 127.5\s+", "mean_value: 127.5 ")
    found = check()
    only(found.errors, TEST, "2 mean_value for pictures of 3 channels")
    only(found.warnings, "mean_value 127.5,127.5, but 127.5,127.5,127.5")


@pytest.mark.parametrize("backend", ["backend: LMDB", ""])
def test_a_single_file_in_an_lmdbs_place(folder: Path, backend: str) -> None:
    edit(TRAIN, "backend: LMDB", backend)
    data = Path("trainval_lmdb", "data.mdb").read_bytes()
    Path("trainval_lmdb").unlink()
    Path("trainval_lmdb").write_bytes(data)
    only(check().errors, "trainval_lmdb: this is a single-file LMDB", "mkdir trainval_lmdb")


@pytest.mark.parametrize("backend", ["", "backend: LEVELDB"])
def test_an_lmdb_behind_another_backend(folder: Path, backend: str) -> None:
    edit(TRAIN, "backend: LMDB", backend)
    only(check().errors, "the backend is LEVELDB", "Say backend: LMDB")


def test_data_layers_fields(folder: Path) -> None:
    edit(TRAIN, r"batch_size: \d+", "batch_size: 0")
    edit(TRAIN, r"resize_param \{", "force_color: true force_gray: true resize_param {")
    edit(TRAIN, r"brightness_delta: \d+", "brightness_delta: -1")
    edit(TRAIN, r"max_trials: 50", "max_trials: 2000000000")
    edit(TEST, r"(resize_param \{[^}]*)height: 64", r"\1height: 0")
    edit(TEST, r"scale: [\d.]+", "scale: 0.5 mean_file: 'gone'")
    errors = texts(check().errors)
    for words in (
        "no batch_size", "force_color and force_gray", "width 64 and height 0", "gone", "Keep one",
        "mean_file is not supported", "brightness_delta", "max_trials",
    ):  # fmt: skip
        assert words in errors
    assert "not supported" not in texts(check(engine="caffe").errors)
    assert "scale 0.5, but 0.007843" in texts(check().warnings)


def test_test_iter_that_leaves_out_or_starts_over(folder: Path) -> None:
    edit(SOLVER, "test_iter: 3", "test_iter: 2")
    only(check().warnings, "2 x batch_size 4 = 8: 4 of its 12 records are not tested", "3 covers")
    edit(SOLVER, "test_iter: 2", "test_iter: 673")
    only(check().warnings, "673 x batch_size 4 = 2692, but it has 12 records: 2680 are tested")


def test_training_pictures_tested(folder: Path) -> None:
    edit(TEST, 'source: "test_lmdb"', 'source: "trainval_lmdb"')
    found = check()
    assert "tests the pictures it is trained on" in texts(found.warnings)
    assert found.errors == []
    only(check(engine="caffe").errors, "Caffe refuses")


def test_a_real_caffe_reads_no_shards(folder: Path) -> None:
    shard("trainval_lmdb", "shards", 2)
    Path("trainval_lmdb").unlink()
    Path("shards").rename("trainval_lmdb")
    shutil.copy(next(Path("SHAPES").glob("*trainval_name_size.txt")), ".")
    assert check().errors == []
    found = only(check(engine="caffe").errors, "a real Caffe cannot read a sharded LMDB")
    assert "ssd-data merge trainval_lmdb -o LMDB" in found.hint


def test_size_files(folder: Path) -> None:
    lines = next(Path("SHAPES").glob("*test_name_size.txt"))
    edit(
        TEST, "detection_evaluate_param {", f'detection_evaluate_param {{ name_size_file: "{lines}"'
    )
    assert check().warnings == []
    lines.write_text("".join(lines.read_text().splitlines(keepends=True)[:-2]))
    only(check().warnings, "10 lines", "12 records")
    lines.unlink()
    only(check().errors, "is not there", "name_size.txt")


def test_phases_of_other_sizes(folder: Path) -> None:
    edit(TEST, r"(resize_param \{[^}]*)height: 64", r"\1height: 128")
    assert "pictures of 64x128, but 64x64" in texts(check().warnings)


# ---- nets ----


def test_heads_that_do_not_fit(folder: Path) -> None:
    edit(TRAIN, r'(name: "conv13_mbox_loc"[\s\S]*?num_output: )\d+', r"\g<1>25")
    edit(TRAIN, r'(name: "conv11_mbox_conf[^"]*"[\s\S]*?num_output: )\d+', r"\g<1>63")
    errors = [e for e in check().errors if TRAIN in e.where]
    assert len(errors) == 2
    assert "num_output is 25, but 6 priors a place x 4 locations are 24" in texts(errors)
    assert "num_output is 63, but 3 priors a place x 4 confidences are 12" in texts(errors)
    # The test net is right: it cannot share the two layers' parameters.
    assert len([e for e in check().errors if TEST in e.where]) == 2


def test_other_num_classes(folder: Path) -> None:
    edit(TEST, r"(detection_evaluate_param \{\s*num_classes: )4", r"\g<1>5")
    found = check()
    assert found.errors == []
    assert "num_classes is 5, but 4 in" in texts(found.warnings)


def test_unknown_layers_and_what_lies_behind(folder: Path) -> None:
    edit(TRAIN, 'type: "ReLU"', 'type: "ReLu"')
    edit(TRAIN, r'(name: "mbox_loss"[\s\S]*?)num_classes: 4', r"\g<1>num_classes: 0")
    only(check().errors, 'no layer type is called "ReLu"', "Did you mean ReLU?")


def test_eval_type(folder: Path) -> None:
    edit(SOLVER, r'eval_type: "detection"\n', "")
    only(check().errors, 'eval_type is "classification"', 'Set eval_type: "detection"')


def test_a_net_without_a_loss(folder: Path) -> None:
    edit(TRAIN, r'layer \{\s*name: "mbox_loss"[\s\S]*', "")
    assert "no loss" in texts(check().warnings)


# ---- solver ----


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r"snapshot: \d+", "snapshot: 0", "snapshot is 0"),
        (r"test_interval: \d+", "test_interval: 999999", "test_interval is 999999, above max_iter"),
        (r"base_lr: [\d.e-]+", "base_lr: 0", "base_lr is 0"),
        (r"display: \d+", "display: 0", "display is 0"),
        (r"max_iter: \d+", "max_iter: 0", "max_iter is 0"),
        (r"gamma: [\d.]+", "gamma: 0", "gamma is 0"),
        (r"stepvalue: \d+", "stepvalue: 9999999", "stepvalue 9999999 is never reached"),
        (r"test_interval: \d+", "test_interval: 0", "no test_interval"),
        (r"snapshot: ", "snapshot_format: HDF5 snapshot: ", "HDF5"),
        (r"snapshot: ", "clip_gradients: 0 snapshot: ", "clip_gradients is 0"),
        (r'snapshot: \d+\s+snapshot_prefix: "[^"]*"', "", "the last snapshot is _iter_"),
    ],
)
def test_doubtful_choices(folder: Path, old: str, new: str, words: str) -> None:
    edit(SOLVER, old, new)
    found = check()
    assert found.errors == []
    assert words in texts(found.warnings)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r'lr_policy: "\w+"', 'lr_policy: "often"', 'no lr_policy is called "often"'),
        (r'lr_policy: "\w+"', 'lr_policy: "step"', "needs a stepsize"),
        (r'type: "RMSProp"', 'momentum: 0.9 type: "RMSProp"', "momentum cannot be used with RMSPr"),
        (r'type: "RMSProp"', 'type: "RmsProp"', "no solver type"),
        (r"snapshot: ", 'regularization_type: "L3" snapshot: ', "regularization_type"),
        (r'ap_version: "\w+"', 'ap_version: "12point"', "Known are 11point"),
    ],
)
def test_solvers_that_cannot_run(folder: Path, old: str, new: str, words: str) -> None:
    edit(SOLVER, old, new)
    assert words in texts(check().errors)


def test_the_folder_of_the_snapshots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(SOLVER, r'snapshot_prefix: "[^"]*"', 'snapshot_prefix: "snapshot/mobilenet"')
    found = check()
    assert found.errors == []
    only(found.warnings, '"snapshot" is not there', "will be made")
    only(check(engine="caffe").errors, "is not there", "mkdir -p snapshot")
    Path("snapshot").write_text("")
    only(check().errors, '"snapshot" is no folder')
    Path("snapshot").unlink()
    Path("snapshot").mkdir()
    monkeypatch.setattr(checks_solver.os, "access", lambda *_: False)
    only(check().errors, "cannot be written")


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=1 << 20)
    monkeypatch.setattr(checks_solver.shutil, "disk_usage", lambda _: usage)
    only(check().warnings, "1 MiB are free, and a snapshot takes")


# ---- weights and snapshots ----


@pytest.fixture(scope="module")
def weights(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A caffemodel of the sample's net, and a snapshot of its solver, in one folder."""
    from ssd_data.engines.torch.shapes import infer_shapes
    from ssd_data.training.rates import Progress
    from ssd_data.training.snapshots import write_snapshot

    out = tmp_path_factory.mktemp("weights")
    graph = read_graph(whole / TRAIN, "TRAIN")
    shapes = infer_shapes(graph, {"data": (2, 3, 64, 64), "label": (1, 1, 1, 8)})
    layers = [
        LayerWeights(slot.name, "", [np.zeros(shape, np.float32) for shape in slot.shapes])
        for slot in shapes.slots
    ]
    history = [np.zeros(shape, np.float32) for shape in shapes.parameters]
    write_snapshot(str(out / "ssd"), Progress(10), graph.net, layers, history, {})
    return out


def test_weights_that_fit(folder: Path, weights: Path) -> None:
    found = check(f"{weights}/ssd_iter_10.caffemodel")
    assert found.errors == found.warnings == []
    loaded = found.weights[0]
    assert (loaded.new, loaded.left_out, loaded.mismatched) == ([], [], [])
    assert str(loaded).endswith(f"{len(loaded.kept)} layers load")
    assert len(loaded.kept) > 100


def test_weights_that_the_solver_names(folder: Path, weights: Path) -> None:
    edit(SOLVER, 'type: "RMSProp"', f'type: "RMSProp"\nweights: "{weights}/ssd_iter_10.caffemodel"')
    file = look_at_solver(SOLVER)
    assert solver_weights(file) == [weights / "ssd_iter_10.caffemodel"]
    edit(SOLVER, "weights: ", 'weights: "elsewhere.caffemodel, " weights: ')
    with pytest.raises(InputError, match='"elsewhere.caffemodel" is not there') as error:
        solver_weights(look_at_solver(SOLVER))
    assert error.value.where == SOLVER
    for name, kind in ((TRAIN, "net"), ("labelmap.prototxt", "labelmap")):
        with pytest.raises(InputError, match=f"this is a {kind}'s prototxt, not a solver's"):
            look_at_solver(name)


def test_what_forks_say_in_a_solver(folder: Path) -> None:
    assert check().errors == []
    edit(SOLVER, 'type: "RMSProp"', 'type: "RMSProp"\nlayer_wise_reduce: false\nmin_lr: 0')
    assert check().errors == []
    edit(SOLVER, "min_lr: 0", "min_lr: 0.1\nlarc: true\nlarc_eta: 0.2")
    found = [str(error) for error in preflight(look_at_solver(SOLVER)).errors]
    assert len(found) == 2
    for line, word in zip(found, ("min_lr: 0.1", "larc: true"), strict=True):
        assert f'"{word}" is no field of a solver in the SSD branch' in line
        assert "another training" in line


def change(path: Path, layers: Iterator[LayerWeights] | list[LayerWeights]) -> None:
    net = caffe_pb2.NetParameter()
    layers = list(layers)
    for layer in layers:
        net.layer.add(name=layer.name, type=layer.type)
    write_caffemodel(path, net, layers)


def test_weights_in_part_and_mismatched(folder: Path, weights: Path) -> None:
    model = read_caffemodel(weights / "ssd_iter_10.caffemodel")
    layers = [layer for layer in model.layers if "mbox" not in layer.name]
    layers[0].arrays[0] = np.zeros((4, 1, 3, 3), np.float32)  # of gray pictures
    layers.append(LayerWeights("elsewhere", "", [np.zeros(3, np.float32)]))
    change(Path("part.caffemodel"), layers)
    found = check("part.caffemodel")
    only(found.errors, "part.caffemodel", "conv0: 4x1x3x3 in the file", "--skip-mismatch")
    loaded = found.weights[0]
    assert loaded.left_out == ["elsewhere"]
    assert len(loaded.new) == 12
    assert "12 start anew (" in str(loaded)
    assert check("part.caffemodel", skip_mismatch=True).errors == []


def test_weights_that_are_none(folder: Path) -> None:
    Path("page.caffemodel").write_text("<!doctype html>")
    change(Path("other.caffemodel"), [LayerWeights("x", "", [np.zeros(3, np.float32)])])
    errors = texts(check("page.caffemodel", "none.caffemodel", "other.caffemodel").errors)
    for words in ("saved web page", '"none.caffemodel" is not there', "no layer's name is one"):
        assert words in errors


def test_snapshots_that_fit_or_do_not(folder: Path, weights: Path) -> None:
    state = weights / "ssd_iter_10.solverstate"
    assert find_snapshots(str(weights / "ssd")) == [(10, state)]
    assert check(resume=state).errors == []
    edit(SOLVER, 'type: "RMSProp"', 'type: "Adam"')
    only(check(resume=state).errors, "arrays of history", "this solver type")
    edit(SOLVER, 'type: "Adam"', 'type: "SGD"')
    edit(SOLVER, r"max_iter: \d+", "max_iter: 10")
    assert "nothing to do" in texts(check(resume=state).warnings)
    alone = Path("alone_iter_10.solverstate")
    message = caffe_pb2.SolverState.FromString(state.read_bytes())
    message.learned_net = "gone.caffemodel"
    del message.history[-1]
    alone.write_bytes(message.SerializeToString())
    errors = texts(check(resume=alone).errors)
    assert "gone.caffemodel" in errors
    assert "arrays of history" in errors
    assert "not used" in texts(check("x", resume=state).warnings)
    Path("broken.solverstate").write_bytes(b"\x08")
    only(check(resume=Path("broken.solverstate")).errors, "cut short")


# ---- all at once ----


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    rebuild("trainval_lmdb", relabel(1, 9))
    Path("test_lmdb").unlink()
    Path("labelmap.prototxt").unlink()
    edit(SOLVER, r"snapshot: \d+", "snapshot: 0 momentum: 0.9")
    edit(SOLVER, r'snapshot_prefix: "[^"]*"', 'snapshot_prefix: "ssd/train.prototxt/x"')
    edit(TRAIN, r'(name: "conv13_mbox_loc"[\s\S]*?num_output: )\d+', r"\g<1>25")
    edit(TEST, r"mean_value: 127.5", "mean_value: 128")
    found = check("gone.caffemodel")
    for words in (
        "up to 9", '"test_lmdb" is not there', "momentum cannot", "is no folder",
        "num_output is 25", '"gone.caffemodel" is not there',
    ):  # fmt: skip
        assert words in texts(found.errors)
    for words in ("labelmap", "snapshot is 0", "mean_value"):
        assert words in texts(found.warnings)


def test_nets_that_cannot_be_read_are_all_named(folder: Path) -> None:
    Path(TRAIN).write_text("layer { name: 3 }")
    Path(TEST).unlink()
    edit(SOLVER, r"snapshot: \d+", "snapshot: 0 momentum: 0.9")
    found = preflight(look_at_solver(SOLVER), [Path("gone.caffemodel")])
    assert len(found.errors) == 4
    for words in (f"{TRAIN}:1", f'"{TEST}" is not there', "momentum", '"gone.caffemodel" is not'):
        assert words in texts(found.errors)
    assert "the training net has no loss" not in texts(found.warnings)


def test_beside_a_net_that_cannot_be_read_the_other_is_checked(folder: Path) -> None:
    Path(TRAIN).write_text("layer { name: 3 }")
    Path("test_lmdb").unlink()
    edit(TEST, r'(name: "conv13_mbox_loc"[\s\S]*?num_output: )\d+', r"\g<1>25")
    found = preflight(look_at_solver(SOLVER))
    assert len(found.errors) == 3
    for words in (f"{TRAIN}:1", '"test_lmdb" is not there', "num_output is 25"):
        assert words in texts(found.errors)


def test_a_solver_that_contradicts_itself(folder: Path) -> None:
    edit(SOLVER, r"average_loss: \d+", "average_loss: 0")
    edit(SOLVER, r"test_iter: \d+", "test_iter: 1 test_iter: 2")
    edit(SOLVER, r'eval_type: "\w+"', 'eval_type: "segmentation"')
    found = preflight(look_at_solver(SOLVER))
    assert len(found.errors) == 3
    for words in ("average_loss", "2 test_iter for 1 test nets", '"segmentation"'):
        assert words in texts(found.errors)


def test_train_says_all_that_is_wrong_and_starts_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(TRAIN).unlink()
    Path(TEST).write_text("")
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as caught:
        main(["train", SOLVER, "--weights", "a,b", "--resume", "c.solverstate"])
    assert caught.value.code == 1
    said = capsys.readouterr().err
    for words in (f'"{TRAIN}" is not there', TEST, '"c.solverstate" is not there', "3 errors"):
        assert words in said
    assert sorted(folder.rglob("*")) == before


def test_strangers_words_are_shown_escaped(folder: Path) -> None:
    edit(TRAIN, 'source: "trainval_lmdb"', r'source: "\\033[31mred\\n"')
    found = check()
    assert "\x1b" not in texts(found.errors)
    assert "\\x1b" in texts(found.errors)


def test_nothing_is_written_and_lmdbs_stay_readable(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    check()
    assert sorted(folder.rglob("*")) == before
    with lmdb_module.open("trainval_lmdb", readonly=True, lock=False) as env:
        assert env.stat()["entries"] == 9
