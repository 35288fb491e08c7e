"""Nets for ncnn and MNN: run before they are written, measured, refused, and by their examples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.nets import EDGES, detector_text

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.labelmap import LabelMap
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.deploy.checks import CheckOptions
from ssd_data.deploy.onnx_model import make_model
from ssd_data.deploy.proof import TOLERANCE
from ssd_data.engines import load_engine
from ssd_data.engines.mnn import MnnFile, convert
from ssd_data.engines.ncnn import NcnnFiles
from ssd_data.engines.onnxruntime import open_session
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing

pytest.importorskip("ncnn")
pytest.importorskip("MNN")
PREPARE = Preprocessing((120.5, 127.5, 130.0), 0.007843)
EXTRAS = ["postprocess.py", "preprocess.json", "priors.npy"]
Net = tuple[Path, Path]


def write(folder: Path, *changes: tuple[str, str], classes: int = 4) -> Net:
    """The small detector, changed, with random weights."""
    text = detector_text(classes).replace(
        'name: "relu2" type: "ReLU"', 'name: "relu2" type: "ReLU6"'
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    (folder / "deploy.prototxt").write_text(text)
    write_random_weights(folder / "deploy.prototxt", folder / "net.caffemodel")
    return folder / "deploy.prototxt", folder / "net.caffemodel"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Net:
    return write(tmp_path_factory.mktemp("net") / "net")


def ship(net: Net, out: Path, profile: str, **options: Any) -> DeployedNet:
    return deploy(profile, *net, out, PREPARE, options=options)


FILES = {
    ("ncnn", "nms"): ["README.md", "example.cpp", "example.py", "net.bin", "net.param"],
    ("ncnn", "raw"): ["README.md", "example.py", "net.bin", "net.param"],
    ("mnn", "nms"): ["README.md", "example.cpp", "example.py", "net.mnn"],
    ("mnn", "raw"): ["README.md", "example.py", "net.mnn"],
    ("mnn", "decoded"): ["README.md", "example.py", "net.mnn"],
}


@pytest.mark.parametrize(("profile", "head"), FILES)
def test_the_folder_and_its_example(profile: str, head: str, net: Net, tmp_path: Path) -> None:
    """The folder alone, by the program in it, finds what the embedded engine finds."""
    out, names = tmp_path / "out", LabelMap.from_names(["one", "two", "three"])
    made = deploy(profile, *net, out, PREPARE, labelmap=names, options={"head": head})
    extras = {"nms": EXTRAS[1:2], "raw": EXTRAS, "decoded": EXTRAS[:2]}[head]
    assert made.files == sorted([*FILES[profile, head], *extras])
    assert all(proof.within(TOLERANCE) for proof in made.proofs)
    assert {proof.engine for proof in made.proofs} == {profile}
    assert made.proofs[-1].compared > 10
    assert made.table["proven"]
    pixels = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), pixels)
    done = subprocess.run(
        [sys.executable, out / "example.py", tmp_path / "p.png"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines() if "p.png" in line]
    found = load_engine("torch", *net, device="cpu").detect(PREPARE.apply(pixels, (64, 64))[None])
    (theirs,) = found
    labels = {item.label: item.name for item in names}
    wanted = sorted(
        [labels[int(label)], f"{score:.3f}", *(str(round(float(v) * 64)) for v in box)]
        for label, score, box in zip(theirs.labels, theirs.scores, theirs.boxes, strict=True)
    )
    assert len(wanted) > 5
    near = [row for row in wanted if row in sorted(line[1:] for line in lines)]
    assert len(lines) == len(wanted)
    assert len(near) > 0.9 * len(wanted)  # a number may be rounded the other way


@pytest.mark.parametrize(
    ("profile", "options"), [("ncnn", {}), ("mnn", {}), ("mnn", {"source": "caffe"})], ids=str
)
def test_nothing_is_found(tmp_path: Path, profile: str, options: dict[str, Any]) -> None:
    """MNN ends the process where an output without values is read."""
    none = write(
        tmp_path / "net",
        ("confidence_threshold: 0.4", "confidence_threshold: 1"), ("top_k: 100", "top_k: -1"),
    )  # fmt: skip
    out = tmp_path / "out"
    assert ship(none, out, profile, **options).proofs[-1].compared == 0
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((64, 64, 3), np.uint8))
    call = [sys.executable, out / "example.py", *[tmp_path / "p.png"] * 3]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert "p.png" not in done.stdout


@pytest.mark.parametrize("profile", ["ncnn", "mnn"])
def test_the_program_in_cpp_knows_the_net(profile: str, net: Net, tmp_path: Path) -> None:
    ship(net, tmp_path / "out", profile)
    text = (tmp_path / "out" / "example.cpp").read_text()
    assert "@" not in text
    assert "WIDTH = 64, HEIGHT = 64, CHANNELS = 3" in text
    assert "MEAN[] = {120.5f, 127.5f, 130.0f}, SCALE = 0.007843f" in text
    assert '"data"' in text
    assert '"detections"' in text


def test_an_odd_name_of_the_input(tmp_path: Path) -> None:
    odd = write(tmp_path / "net", ('"data"', '"détections \\"x"'))
    for profile in ("ncnn", "mnn", "onnx"):
        made = ship(odd, tmp_path / profile, profile)
        assert set(made.table["input"]["name"]) <= set("détections_x")
        assert made.proofs[-1].compared > 10


KINDS = EDGES | {
    "few": [("top_k: 100", "top_k: 5"), ("keep_top_k: 50", "keep_top_k: 7")],
    "nearly all are background": [("confidence_threshold: 0.4", "confidence_threshold: 0.8")],
}
HEADS = {  # where detections cannot be had within
    "ncnn": {"locations of each class", "corners", "sizes", "a threshold that moves",
             "another background"},
    "mnn": {"locations of each class", "a threshold that moves"},
}  # fmt: skip


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("profile", ["ncnn", "mnn"])
def test_detection_output_in_all_its_kinds(tmp_path: Path, case: str, profile: str) -> None:
    """Within the net where that is equal; else the net ends before it, and says why."""
    changes = list(KINDS[case])
    if case in ("no limits", "encoded"):
        changes.append(("confidence_threshold: 0.4", "confidence_threshold: 0.6"))
    odd = write(tmp_path / "net", *changes, classes=3)
    made = ship(odd, tmp_path / "out", profile)
    raw = case in HEADS[profile]
    assert made.table["net"]["head"] == ("raw" if raw else "nms")
    assert any("ends with locations and confidences" in note for note in made.notes) == raw
    assert all(proof.within(TOLERANCE) for proof in made.proofs)
    assert made.proofs[-1].compared
    if raw:
        with pytest.raises(InputError, match="n"):
            ship(odd, tmp_path / "other", profile, head="nms")
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("head", ["raw", "nms"])
def test_mnn_of_caffes_files(tmp_path: Path, head: str) -> None:
    """It knows no top_k: where that would matter, the net ends before."""
    few = write(tmp_path / "few", ("top_k: 100", "top_k: 5"))
    made = ship(few, tmp_path / "out", "mnn", source="caffe")
    assert made.table["net"]["head"] == "raw"
    assert any("MNN has no top_k, which is 5 of 640 priors" in note for note in made.notes)
    all_of_them = write(
        tmp_path / "all", ("top_k: 100", "top_k: -1"), ("keep_top_k: 50", "keep_top_k: -1"),
        ("confidence_threshold: 0.4", ""),
    )  # fmt: skip
    made = ship(all_of_them, tmp_path / "all_out", "mnn", source="caffe", head=head)
    assert made.table["net"]["head"] == head
    assert made.proofs[-1].within(TOLERANCE)


def test_what_mnn_makes_of_a_nonmaxsuppression(tmp_path: Path) -> None:
    """It fills up the answer with -1, and would go on to read what lies before its boxes: such a
    number is made that of a box which is never chosen."""
    files = write(tmp_path / "net", ("confidence_threshold: 0.4", "confidence_threshold: 0.6"))
    prepared = prepare(*files, PREPARE)
    batch = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    rows = {}
    for fills in (False, True):
        data = make_model(prepared, "nms", fills=fills).SerializeToString()
        (found,) = open_session(data).run(None, {"data": batch})
        rows[fills] = found[found[..., 0] >= 0]
        if fills:
            (tmp_path / "net.onnx").write_bytes(data)
            convert(["-f", "ONNX", "--modelFile", "net.onnx"], tmp_path, "net.mnn")
            file = MnnFile(tmp_path / "net.mnn")
            theirs = file.run(batch, "data", ["detections"])["detections"]
    np.testing.assert_allclose(rows[True], rows[False])
    theirs = theirs[theirs[..., 0] >= 0]
    assert 5 < len(theirs) <= 50
    np.testing.assert_allclose(theirs, rows[False], atol=1e-5)


@pytest.mark.parametrize(
    ("profile", "reader"), [("ncnn", NcnnFiles), ("mnn", MnnFile)], ids=["ncnn", "mnn"]
)
@pytest.mark.parametrize("options", [{}, {"half": True}, {"head": "raw"}], ids=str)
def test_a_wrong_reader_is_found_out(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, reader: Any,
    options: dict[str, Any],
) -> None:  # fmt: skip
    right = reader.run
    monkeypatch.setattr(reader, "run", lambda self, x, *more: right(self, x * 1.1, *more))
    with pytest.raises(OutputError, match="nothing was written"):
        ship(net, tmp_path / "out", profile, **options)
    assert not list(tmp_path.iterdir())


def test_what_mnn_makes_of_caffe_ssd_is_said(tmp_path: Path) -> None:
    made = ship(write(tmp_path / "all", ("top_k: 100", "top_k: 700")), tmp_path / "a", "caffe-ssd")
    assert {proof.engine for proof in made.proofs} == {"opencv", "mnn"}
    made = ship(write(tmp_path / "few", ("top_k: 100", "top_k: 5")), tmp_path / "b", "caffe-ssd")
    assert {proof.engine for proof in made.proofs} == {"opencv"}
    assert any("MNN gives other values" in note and "no top_k" in note for note in made.notes)
    odd = write(tmp_path / "odd", ("CENTER_SIZE", "CORNER"))
    made = ship(odd, tmp_path / "c", "caffe-ssd")
    assert any("MNN cannot find the same" in note for note in made.notes)


# ---- lower precision, scores, and what is not run ----


@pytest.mark.parametrize(
    ("profile", "options", "name", "part"),
    [
        ("ncnn", {"half": True}, "half precision", 0.6),
        ("ncnn", {"int8": True}, "whole numbers", 0.5),
        ("mnn", {"half": True}, "half precision", 0.8),
        ("mnn", {"int8": True}, "whole numbers", 0.8),
    ],
)
def test_lower_precision_is_measured(
    net: Net, lmdb: Path, tmp_path: Path, profile: str, options: dict[str, Any], name: str,
    part: float,
) -> None:  # fmt: skip
    file = {"ncnn": "net.bin", "mnn": "net.mnn"}[profile]
    ship(net, tmp_path / "whole", profile, head="raw")
    if profile == "ncnn" and "int8" in options:
        options = {**options, "calibrate": lmdb, "records": 4}
    made = ship(net, tmp_path / "out", profile, head="raw", **options)
    sizes = [(tmp_path / side / file).stat().st_size for side in ("out", "whole")]
    assert sizes[0] < part * sizes[1] or profile == "mnn"  # a small net's layers are most of it
    loss = made.table["losses"][name]
    assert 0 < loss["confidences_largest"] < 1
    assert loss["found_again"] > 0.5 * loss["detections"] > 0
    assert {proof.engine for proof in made.proofs} == {f"{profile}, in single precision"}
    if profile == "ncnn" and "int8" in options:
        errors = made.table["net"]["layer_errors"]
        assert set(errors) == {"conv1", "conv2", "loc1", "loc2", "conf1", "conf2"}
        assert all(0 < error < 0.3 for error in errors.values())
        assert any("calibrated on 4 records" in note for note in made.notes)


def test_int8_on_what_is_no_lmdb(net: Net, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        ship(net, tmp_path / "out", "ncnn", int8=True, calibrate=tmp_path / "none")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("profile", ["ncnn", "mnn", "caffe-ssd", "npu", "onnx"])
def test_scored_on_what_runs_it(
    run: Any, net: Net, lmdb: Path, tmp_path: Path, profile: str
) -> None:
    call = ["deploy", *net, "--profile", profile, "--mean", "127.5", "--scale", "0.0078"]
    done = run(*call, "-o", tmp_path / "out", "--score", lmdb, "--allow-loss", "0.01", "--json")
    assert done.status == 0, done.err
    score = done.json["losses"][f"mAP on {lmdb.name}"]
    assert score["records"] == 6
    assert score["loss"] == pytest.approx(0, abs=0.01)
    assert json.loads(done.out) == done.json  # nothing else stands there


def test_what_loses_more_than_is_allowed(
    run: Any, net: Net, lmdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ssd_data.deploy.proof import Proof

    given = {"embedded": 0.5, "shipped": 0.47, "loss": 0.03, "records": 6}
    monkeypatch.setattr(Proof, "scores", lambda *_: given)
    call = ["deploy", *net, "--profile", "ncnn", "--mean", "127.5", "--scale", "0.0078"]
    call += ["--score", lmdb]
    done = run(*call, "-o", tmp_path / "out", "--allow-loss", "0.02")
    assert done.status == 1
    assert (
        "falls by 0.03, from 0.5000 to 0.4700, and 0.02 is allowed: nothing was written" in done.err
    )
    assert not (tmp_path / "out").exists()
    assert run(*call, "-o", tmp_path / "out", "--allow-loss", "0.03").status == 0
    given["loss"] = float("nan")
    assert run(*call, "-o", tmp_path / "other", "--allow-loss", "1").status == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"unproven": True, "score": Path("x")}, "exclude each other"),
        ({"allow_loss": 0.1}, "goes with a score"),
        ({"allow_loss": 1.5, "score": Path("x")}, "a fraction"),
        ({"allow_loss": float("nan"), "score": Path("x")}, "a fraction"),
    ],
)
def test_checks_that_cannot_be(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CheckOptions(**wanted)


def test_unproven(run: Any, net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run, and everything says so; without the runtime nothing else is possible."""
    monkeypatch.setitem(sys.modules, "ncnn", None)
    call = ["deploy", *net, "--profile", "ncnn", "--mean", "127.5", "-o", tmp_path / "out"]
    done = run(*call)
    assert done.status == 2
    assert "this needs ncnn" in done.err
    assert "pip install 'ssd-data[ncnn]'" in done.err
    assert not (tmp_path / "out").exists()
    done = run(*call, "--unproven")
    assert done.status == 0, done.err
    assert "note: not run before it was written" in done.out
    assert "equal to" not in done.out
    page = (tmp_path / "out" / "README.md").read_text()
    assert "written without being run" in page
    assert "Run before it was written" not in page
    table = json.loads((tmp_path / "out" / "preprocess.json").read_text())
    assert (table["proven"], table["proofs"]) == (False, [])


@pytest.mark.parametrize(
    ("profile", "options", "said"),
    [
        ("ncnn", {"head": "decoded"}, "a head is one of"),
        ("ncnn", {"int8": True}, "how large"),
        ("ncnn", {"int8": True, "half": True}, "exclude"),
        ("ncnn", {"records": 3}, "belong to"),
        ("ncnn", {"source": "caffe"}, "no such option"),
        ("mnn", {"int8": True, "half": True}, "exclude"),
        ("mnn", {"head": "decoded", "source": "caffe"}, "belongs to"),
        ("mnn", {"source": "tf"}, "a source is one of"),
    ],
)
def test_wrong_usage(
    net: Net, tmp_path: Path, profile: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ship(net, tmp_path / "out", profile, **options)
    assert not list(tmp_path.iterdir())
