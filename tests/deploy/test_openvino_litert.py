"""Nets for OpenVINO and LiteRT: what lies in the folder, that it runs, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.nets import EDGES, detector_text, with_edge, write_detector

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.deploy.layer_errors import furthest_off, layer_errors
from ssd_data.deploy.proof import TOLERANCE
from ssd_data.deploy.targets.litert import LitertOptions
from ssd_data.engines import load_engine, to_detections
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = Preprocessing((104, 117, 123), 0.01)
MODULES = {"openvino": "openvino", "litert": "ai_edge_litert", "onnx": "onnxruntime"}
HEADS = {"openvino": ["nms", "decoded", "raw"], "litert": ["decoded", "raw"], "onnx": ["nms"]}
QUANTISERS = {"openvino": "nncf", "litert": "litert_quantizer", "onnx": "onnxruntime"}


def needs(module: str) -> pytest.MarkDecorator:
    from importlib.util import find_spec

    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed")


def cases() -> list[Any]:
    return [
        pytest.param(profile, head, marks=needs(MODULES[profile]))
        for profile, heads in HEADS.items()
        for head in heads
    ]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("net"))


def ship(files: tuple[Path, Path], out: Path, profile: str, **options: Any) -> DeployedNet:
    names = LabelMap.from_names(["cat", "dog"])
    return deploy(profile, *files, out, PREPARE, options=options, labelmap=names)


def example(folder: Path, picture: Path) -> list[list[str]]:
    """What a folder's example prints of a picture."""
    call = [sys.executable, "-W", "error::DeprecationWarning", "example.py", str(picture)]
    done = subprocess.run(call, cwd=folder, check=True, capture_output=True, text=True)
    return [line.split()[1:] for line in done.stdout.splitlines()]


def own(files: tuple[Path, Path], picture: np.ndarray) -> list[list[str]]:
    """The same by the embedded engine."""
    batch = PREPARE.apply(picture, (64, 64))[None]
    answer = load_engine("torch", *files, device="cpu").forward(batch)["detection_out"]
    (found,) = to_detections(answer, 1)
    height, width = picture.shape[:2]
    return [
        [["", "cat", "dog"][label], f"{score:.3f}", *(str(round(float(v))) for v in box)]
        for label, score, box in zip(
            found.labels, found.scores, found.boxes * [width, height, width, height], strict=True
        )
    ]


@pytest.mark.parametrize(("profile", "head"), cases())
def test_the_net_and_its_example(
    net: tuple[Path, Path], tmp_path: Path, profile: str, head: str
) -> None:
    made = ship(net, tmp_path / "out", profile, head=head)
    assert all(proof.within(TOLERANCE) and proof.compared for proof in made.proofs)
    assert made.proofs[-1].output == "detections"
    assert profile.replace("onnx", "onnxruntime") in {proof.engine for proof in made.proofs}
    assert not made.table["losses"]
    assert ("postprocess.py" in made.files) == (head != "nms")
    assert ("priors.npy" in made.files) == (head == "raw")
    assert set(made.table["net"]["files"]) == {*made.files} - {"README.md", "preprocess.json"}
    picture = np.random.default_rng(5).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    printed = example(tmp_path / "out", tmp_path / "p.png")
    wanted = own(net, picture)
    assert len(wanted) > 10
    assert sorted(row[:1] for row in printed) == sorted(row[:1] for row in wanted)
    ours, theirs = (
        np.array(sorted([float(v) for v in row[1:]] for row in rows)) for rows in (printed, wanted)
    )
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], atol=2e-3)
    lines = (tmp_path / "out" / "example.py").read_text().splitlines()
    assert len(lines) < 45


@pytest.mark.parametrize("precision", ["bf16", "f16", "f32"])
def test_rows_that_hold_nothing_stay_so_in_lower_precision(
    net: tuple[Path, Path], tmp_path: Path, precision: str
) -> None:
    """OpenVINO computes in bfloat16 by itself where a processor has it."""
    openvino = pytest.importorskip("openvino")
    ship(net, tmp_path / "out", "openvino")
    hint = {"INFERENCE_PRECISION_HINT": precision}
    file = str(tmp_path / "out" / "net.xml")
    ready = openvino.Core().compile_model(file, "CPU", hint)
    (rows,) = ready([np.zeros((1, 3, 64, 64), np.float32)])["detections"]
    empty = rows[:, 0] < 0
    assert 0 < empty.sum() < len(rows) == 50
    assert not rows[empty, 1:].any()
    assert (rows[~empty, 1] > 0.3).all()


NO_NMS = ("locations of each class", "a threshold that moves")


@pytest.mark.parametrize("case", EDGES)
@pytest.mark.parametrize(("profile", "head"), cases())
def test_detection_output_in_all_its_kinds(
    tmp_path: Path, profile: str, head: str, case: str
) -> None:
    if profile == "onnx" or (head == "nms" and case in NO_NMS):
        pytest.skip("is shown elsewhere")
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    files[0].write_text(with_edge(detector_text(), case))
    write_random_weights(*files)
    proofs = ship(files, tmp_path / "out", profile, head=head).proofs
    assert all(proof.within(TOLERANCE) and proof.compared for proof in proofs)


@pytest.mark.parametrize(("profile", "head"), cases())
def test_half_precision_is_measured(
    net: tuple[Path, Path], tmp_path: Path, profile: str, head: str
) -> None:
    made = ship(net, tmp_path / "out", profile, head=head, half=True)
    loss = made.table["losses"]["half precision"]
    assert loss["found_again"] >= 0.9 * loss["detections"] > 5
    assert "in single precision" in made.proofs[0].engine
    assert made.table["losses"].keys() == {"half precision"}


def test_half_precision_is_smaller(net: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    for half in (False, True):
        ship(net, tmp_path / str(half), "openvino", half=half, head="raw")
    whole, small = ((tmp_path / str(half) / "net.bin").stat().st_size for half in (False, True))
    assert small < 0.6 * whole


def test_litert_keeps_weights_in_half_precision(net: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from ssd_data.engines.litert import open_interpreter

    ship(net, tmp_path / "out", "litert", half=True)
    held = open_interpreter((tmp_path / "out" / "net.tflite").read_bytes()).get_tensor_details()
    names = {one["name"] for one in held if one["dtype"] is np.float16}
    assert {f"{name}/Conv/weight/half" for name in ("conv1", "conv2", "loc1", "conf2")} <= names


def test_litert_takes_channels_last_and_says_so(net: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    table = ship(net, tmp_path / "out", "litert").table
    given = table["input"]
    assert (given["layout"], given["shape"], given["type"]) == ("NHWC", [1, 64, 64, 3], "float32")
    page = (tmp_path / "out" / "README.md").read_text()
    assert "`data`: float32, 1 x 64 x 64 x 3 (batch, height, width, channels)." in page
    assert "2. Resize the picture to 64 x 64 (width x height)" in page


def test_openvino_takes_batches_of_any_size(net: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    made = ship(net, tmp_path / "out", "openvino", dynamic_batch=True)
    assert made.table["net"]["batch"] == "any"
    from ssd_data.engines.openvino import read_net

    assert str(read_net(tmp_path / "out" / "net.xml").inputs[0].partial_shape) == "[?,3,64,64]"


def test_what_litert_cannot_is_refused_before_the_work() -> None:
    with pytest.raises(UsageError, match="no suppression that chooses as DetectionOutput"):
        LitertOptions(head="nms")
    with pytest.raises(UsageError, match="exclude each other"):
        LitertOptions(half=True, int8=True, calibrate=Path("x"))


@pytest.mark.parametrize("profile", ["openvino", "litert"])
def test_a_missing_runtime_is_a_sentence(
    net: tuple[Path, Path], tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = MODULES[profile]
    for one in [key for key in sys.modules if key.split(".")[0] == gone]:
        monkeypatch.delitem(sys.modules, one)
    monkeypatch.setitem(sys.modules, gone, None)
    with pytest.raises(UsageError) as caught:
        ship(net, tmp_path / "out", profile)
    assert f"pip install 'ssd-data[{profile}]'" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("profile", ["openvino", "litert"])
def test_a_missing_quantiser_is_a_sentence(
    net: tuple[Path, Path],
    tmp_path: Path,
    profile: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(MODULES[profile])
    gone = QUANTISERS[profile]
    for one in [key for key in sys.modules if key.split(".")[0] == gone]:
        monkeypatch.delitem(sys.modules, one)
    monkeypatch.setitem(sys.modules, gone, None)
    with pytest.raises(UsageError) as caught:
        ship(net, tmp_path / "out", profile, int8=True, calibrate=tmp_path)
    assert f"pip install 'ssd-data[{profile}-int8]'" in caught.value.hint
    assert not (tmp_path / "out").exists()


# ---- a net that is not what was given ----


@pytest.mark.parametrize("profile", ["openvino", "litert"])
def test_another_net_is_not_written(
    net: tuple[Path, Path], tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(MODULES[profile])
    from ssd_data.deploy import onnx_model

    true = onnx_model.make_model

    def wrong(*args: Any, **options: Any) -> Any:
        model = true(*args, **options)
        for one in model.graph.initializer:
            if one.name.startswith("conv1/weight"):
                one.raw_data = bytes(len(one.raw_data))
        return model

    monkeypatch.setattr(onnx_model, "make_model", wrong)
    with pytest.raises(OutputError, match="not the same net, nothing was written"):
        ship(net, tmp_path / "out", profile)
    assert not (tmp_path / "out").exists()


# ---- whole numbers ----


@pytest.mark.parametrize(("profile", "head"), cases())
def test_int8(lmdb: Path, tmp_path: Path, run: Any, profile: str, head: str) -> None:
    pytest.importorskip(QUANTISERS[profile])
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    files[0].write_text(detector_text(4))
    write_random_weights(*files)
    write_labelmap(LabelMap.from_names(["a", "b", "c"]), tmp_path / "labelmap.prototxt")
    out = tmp_path / "out"
    done = run(
        "deploy", *files, "--profile", profile, "-o", out, "--head", head, "--int8",
        "--calibrate", lmdb, "--records", 4, "--score", lmdb, "--draw-worst", 2,
        "--mean", "104,117,123", "--scale", "0.01", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert not done.err.strip()
    loss = done.json["losses"]["whole numbers"]
    assert loss["found_again"] > 0.5 * loss["detections"] > 0
    score = done.json["losses"][f"mAP on {lmdb.name}"]
    assert score["records"] == 6
    assert abs(score["loss"]) == abs(score["embedded"] - score["shipped"]) < 0.5
    errors = done.json["net"]["layer_errors"]
    assert list(errors) == ["conv1", "conv2", "loc1", "conf1", "loc2", "conf2"]
    assert all(0 < error < 0.3 for error in errors.values()), errors
    page = (out / "README.md").read_text()
    assert "calibrated on 4 records of" in page
    assert "furthest off by that: " in page
    assert 1 <= len(list((out / "worst").iterdir())) <= 2
    cv2.imwrite(str(tmp_path / "p.png"), np.full((50, 60, 3), 127, np.uint8))
    example(out, tmp_path / "p.png")


def test_litert_in_whole_numbers_throughout(lmdb: Path, net: Any, tmp_path: Path) -> None:
    pytest.importorskip("litert_quantizer")
    options = {"int8": True, "calibrate": lmdb, "records": 3}
    table = ship(net, tmp_path / "raw", "litert", head="raw", **options).table
    for one in (table["input"], *table["outputs"].values()):
        assert one["type"] == "int8"
        assert one["scale_of_one"] > 0
        assert -128 <= one["zero"] <= 127
    from ssd_data.engines.litert import open_interpreter

    held = open_interpreter((tmp_path / "raw" / "net.tflite").read_bytes()).get_tensor_details()
    assert not {"float32"} & {one["dtype"].__name__ for one in held}
    table = ship(net, tmp_path / "decoded", "litert", **options).table
    assert {one["type"] for one in (table["input"], *table["outputs"].values())} == {"float32"}
    assert json.loads((tmp_path / "raw" / "preprocess.json").read_text())["proven"]


@pytest.mark.parametrize("profile", ["openvino", "litert"])
def test_int8_on_what_is_no_lmdb(net: tuple[Path, Path], tmp_path: Path, profile: str) -> None:
    pytest.importorskip(QUANTISERS[profile])
    with pytest.raises(InputError):
        ship(net, tmp_path / "out", profile, int8=True, calibrate=tmp_path / "none")
    assert not (tmp_path / "out").exists()


def test_layer_errors_are_parts_of_what_is_there() -> None:
    batches = [np.ones((1, 1)), np.full((1, 1), 2.0)]
    found = layer_errors(
        lambda x: {"a": 3 * x, "b": x, "gone": x}, lambda x: {"a": 3 * x + 0.3, "b": x}, batches
    )
    assert found["a"] == pytest.approx(np.sqrt(2 * 0.09) / np.sqrt(9 + 36))
    assert found["b"] == 0
    assert set(found) == {"a", "b"}
    (note,) = furthest_off(found)
    assert note == "furthest off by that: a 6.3%, b 0.0%"
    assert furthest_off({}) == []
