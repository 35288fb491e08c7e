"""Shipped nets: what lies in the folder, that it is the same net, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from support import ROOT
from support.nets import EDGES, detector_text, with_edge

from ssd_data.cli.deploy import target_options
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.core.registry import TARGETS
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.deploy.caffe_files import CaffeOptions
from ssd_data.deploy.proof import TOLERANCE, Proof, WrittenEngine, read_batches
from ssd_data.deploy.targets import choose, known_options
from ssd_data.deploy.targets.onnx import OnnxOptions
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.caffemodel import read_caffemodel, write_caffemodel
from ssd_data.nets.detection import find_detection_head
from ssd_data.nets.graph import parse_graph, read_graph
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.sizes import map_sizes
from ssd_data.training.run_folder import RunFolder

PREPARE = Preprocessing((127.5, 127.5, 127.5), 0.007843)
APART = ["rknn", "sophgo"]  # in Pythons of their own
ONNX = [
    {"head": head, "dynamic_batch": dynamic, "half": half}
    for head in ("raw", "decoded", "nms")
    for dynamic, half in ((False, False), (True, False), (False, True))
]


def text(change: Callable[[str], str] = lambda text: text) -> str:
    """The small detector's, with a group, a ReLU6 and a DepthwiseConvolution."""
    made = detector_text().replace('name: "relu2" type: "ReLU"', 'name: "relu2" type: "ReLU6"')
    return change(made.replace('name: "conv2" type: "Conv', 'name: "conv2" type: "DepthwiseConv'))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("net")
    (folder / "deploy.prototxt").write_text(text())
    write_random_weights(folder / "deploy.prototxt", folder / "net.caffemodel")
    return folder / "deploy.prototxt", folder / "net.caffemodel"


def ship(
    net: tuple[Path, Path], out: Path, profile: str, options: dict[str, Any] | None = None
) -> DeployedNet:
    return deploy(profile, *net, out, PREPARE, options=options)


def picture(side: int = 64) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (side, side, 3)).astype(np.uint8)


def same_rows(ours: np.ndarray, theirs: np.ndarray) -> None:
    ours, theirs = ours.reshape(-1, 7), theirs.reshape(-1, 7)
    assert len(theirs) > 10
    assert len(ours) == len(theirs)
    for a, b in ((ours, theirs), (theirs, ours)):
        far = np.abs(a[:, None] - b[None]).max(2).min(1)
        assert far.max() < 1e-4


def test_names() -> None:
    names = ["ascend", "caffe-ssd", "litert", "mnn", "ncnn", "npu", "onnx", "openvino"]
    assert TARGETS.names() == sorted([*names, *APART])


def test_caffe_ssd(net: tuple[Path, Path], tmp_path: Path) -> None:
    made = ship(net, tmp_path / "out", "caffe-ssd")
    assert made.files == ["README.md", "deploy.prototxt", "net.caffemodel", "preprocess.json"]
    graph = read_graph(tmp_path / "out" / "deploy.prototxt")
    types = {node.type for node in graph.nodes}
    assert not types & {"BatchNorm", "Scale", "ReLU6", "DepthwiseConvolution"}
    assert {"Eltwise", "Power"} <= types
    priors = [node.param.prior_box_param for node in graph.nodes if node.type == "PriorBox"]
    assert all(p.HasField("clip") for p in priors)
    files = [tmp_path / "out" / name for name in made.files[1:3]]
    batch = PREPARE.apply(picture(), (64, 64))[None]
    answers = [load_engine("torch", *f, device="cpu").forward(batch) for f in (net, files)]
    same_rows(*(answer["detection_out"] for answer in answers))
    assert read_caffemodel(files[1]).net.layer[0].type == "Input"
    assert made.proofs[0].compared > 10
    assert "largest difference" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("profile", "file"), [("onnx", "net.onnx"), ("caffe-ssd", "net.caffemodel")]
)
def test_a_disk_that_fails_while_the_result_is_proved(
    profile: str,
    file: str,
    net: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said of the file, by the name that it would have had; nothing is left."""
    opened = os.open

    def fails(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if str(path).endswith(f"/new/{file}") and not flags & os.O_CREAT:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", fails)
    out = tmp_path / "out"
    with pytest.raises(InputError, match="Input/output error") as caught:
        ship(net, out, profile)
    assert caught.value.where == str(out / file)
    assert caught.value.hint.startswith("The disk may be failing")
    assert not list(tmp_path.iterdir())


def test_a_relu6_that_becomes_a_relu_is_measured(net: tuple[Path, Path], tmp_path: Path) -> None:
    model = read_caffemodel(net[1])  # values beyond 6
    model["conv2"][0][...] *= 20
    large = tmp_path / "large.caffemodel"
    write_caffemodel(large, parse_graph(text()).net, model.layers)
    for relu6, types in (("keep", {"ReLU6"}), ("layers", {"Power"}), ("relu", set())):
        out = tmp_path / relu6
        made = ship((net[0], large), out, "npu", {"relu6": relu6})
        found = {node.type for node in read_graph(out / "deploy.prototxt").nodes}
        assert found & {"ReLU6", "Power"} == types
        assert bool(made.table["losses"]) == (relu6 == "relu")
    assert made.table["losses"]["ReLU in the place of ReLU6"]["confidences_largest"] > 1e-3


def test_npu(net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder alone, with OpenCV and NumPy, gives the embedded engine's detections."""
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    made = ship(net, out, "npu")
    assert made.files == [
        "README.md", "deploy.prototxt", "net.caffemodel", "postprocess.py", "preprocess.json",
        "priors.npy",
    ]  # fmt: skip
    assert np.load(out / "priors.npy").shape == (16 * 16 * 2 + 8 * 8 * 2, 4)
    graph = read_graph(out / "deploy.prototxt")
    assert graph.outputs == ["conf", "loc"]
    assert not {n.type for n in graph.nodes} & {"Softmax", "PriorBox", "DetectionOutput"}
    table = json.loads((out / "preprocess.json").read_text())
    assert table["detection"]["activation"] == "softmax"
    assert table["detection"]["code_type"] == "CENTER_SIZE"
    assert table["detection"]["variances"] == [0.1, 0.1, 0.2, 0.2]
    cv2.imwrite(str(tmp_path / "p.png"), picture())
    program = """
import cv2, numpy, postprocess
detector = postprocess.Detector(".")
net = cv2.dnn.readNetFromCaffe("deploy.prototxt", "net.caffemodel")
net.setInput(detector.prepare(cv2.imread("../p.png"))[None])
numpy.save("rows.npy", detector(*net.forward(["loc", "conf"])))
"""
    subprocess.run([sys.executable, "-c", program], cwd=out, check=True)
    batch = PREPARE.apply(picture(), (64, 64))[None]
    theirs = load_engine("torch", *net, device="cpu").forward(batch)["detection_out"]
    same_rows(np.load(out / "rows.npy"), theirs)


@pytest.mark.parametrize(
    "options", ONNX, ids=lambda o: f"{o['head']}{o['dynamic_batch']}{o['half']}"
)
def test_onnx(net: tuple[Path, Path], tmp_path: Path, options: dict[str, Any]) -> None:
    made = ship(net, tmp_path / "out", "onnx", options)
    assert made.table["net"]["opset"] == 13
    assert all(proof.within(TOLERANCE) for proof in made.proofs)
    runtimes = {proof.engine for proof in made.proofs}
    if options["half"]:
        loss = made.table["losses"]["half precision"]
        assert loss["found_again"] >= 0.9 * loss["detections"] > 5
        assert not runtimes & {"opencv"}
    else:
        opencv = {"opencv"} if options["head"] != "nms" else set()
        assert runtimes - {"openvino"} == {"onnxruntime"} | opencv
    model = onnx.load(tmp_path / "out" / "net.onnx")
    axis = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert axis.dim_param == ("batch" if options["dynamic_batch"] else "")
    halves = {t.data_type for t in model.graph.initializer} & {onnx.TensorProto.FLOAT16}
    assert bool(halves) == options["half"]


@pytest.mark.parametrize("case", EDGES)
@pytest.mark.parametrize("head", ["decoded", "nms"])
def test_detection_output_in_all_its_kinds(tmp_path: Path, case: str, head: str) -> None:
    made = with_edge(text(), case)
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(made)
    write_random_weights(file, weights)
    options = {"head": head, "dynamic_batch": True}
    if head == "nms" and case in ("locations of each class", "a threshold that moves"):
        with pytest.raises(InputError, match="NonMaxSuppression knows nothing of"):
            ship((file, weights), tmp_path / "out", "onnx", options)
        assert not (tmp_path / "out").exists()
        return
    proofs = ship((file, weights), tmp_path / "out", "onnx", options).proofs
    assert all(proof.within(TOLERANCE) and proof.compared for proof in proofs)


@pytest.mark.parametrize("limit", ["top_k: 100", "keep_top_k: 50"])
def test_limits_of_nothing(tmp_path: Path, limit: str) -> None:
    assert f" {limit}" in text()
    none = f"{limit.split(':', maxsplit=1)[0]}: 0"
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(text().replace(f" {limit}", f" {none}"))
    write_random_weights(file, weights)
    with pytest.raises(InputError, match=f"{none.replace(':', ' is')}: nothing is found"):
        ship((file, weights), tmp_path / "out", "onnx", {"head": "nms"})
    assert not (tmp_path / "out").exists()


def test_a_map_of_one_place(tmp_path: Path) -> None:
    """OpenCV computes it wrongly; written as 1x1 it is the same, and needs no care."""
    made = text().replace("stride: 4 pad: 1", "stride: 64 pad: 1")
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(made)
    write_random_weights(file, weights)
    shipped = ship((file, weights), tmp_path / "out", "caffe-ssd")
    assert any("1x1" in note for note in shipped.notes)
    graph = read_graph(tmp_path / "out" / "deploy.prototxt")
    (conv,) = (node.param.convolution_param for node in graph.nodes if node.name == "conv2")
    assert (list(conv.kernel_size), list(conv.pad), conv.group) == ([1], [], 8)


def test_sides_of_priors_are_whole(tmp_path: Path) -> None:
    """Caffe cuts 12.8 pixels to 12, OpenCV does not: written so that both take 12."""
    made = re.sub(r"min_size: (\d+)", r"min_size: \1.8", text())
    assert made != text()
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(made)
    write_random_weights(file, weights)
    shipped = ship((file, weights), tmp_path / "out", "caffe-ssd")
    assert any("whole pixels" in note for note in shipped.notes)
    assert all(proof.within(TOLERANCE) for proof in shipped.proofs)


@pytest.mark.parametrize("profile", ["caffe-ssd", "npu", "onnx"])
def test_padding_of_one_side(tmp_path: Path, profile: str) -> None:
    """OpenCV passes over a pad_h without pad_w: both are written."""
    made = text().replace("kernel_size: 3 stride: 2 pad: 1", "kernel_size: 3 stride: 2 pad_h: 2")
    assert made != text()
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(made)
    write_random_weights(file, weights)
    shipped = ship((file, weights), tmp_path / "out", profile)
    assert all(proof.within(TOLERANCE) for proof in shipped.proofs)
    assert shipped.proofs[0].compared > 10


def test_a_layer_that_opencv_has_not_is_named_where_it_was_given(tmp_path: Path) -> None:
    made = text().replace('"relu2" type: "ReLU6"', '"relu2" type: "Threshold"')
    assert made != text()
    line = made[: made.index('"relu2"')].count("\n") + 1
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(made)
    write_random_weights(file, weights)
    for profile in ("caffe-ssd", "npu"):
        with pytest.raises(InputError, match='no layer of type "Threshold"') as caught:
            ship((file, weights), tmp_path / "out", profile)
        assert caught.value.where == f'{file}:{line} (layer "relu2")'
    assert not (tmp_path / "out").exists()


def test_an_output_of_another_size_is_another_net(net: tuple[Path, Path], tmp_path: Path) -> None:
    made = prepare(*net, PREPARE, None, load_engine("torch", *net, device="cpu").map_sizes())
    proof = Proof(made, load_engine("torch", *net, device="cpu"), read_batches(made)[:1])
    less = {"locations": np.zeros((1, 7), np.float32)}
    rows = np.zeros((0, 7), np.float32)
    wrong = WrittenEngine(made, "it", lambda batch: rows, lambda batch: less)
    with pytest.raises(OutputError, match='it gives 7 values in "locations", not '):
        proof.require(wrong)


def test_maps_whose_size_the_engine_alone_knows(tmp_path: Path) -> None:
    """Channels shuffled as ShuffleNet does, before maps that have priors."""
    shuffle = """
layer { name: "s1" type: "Reshape" bottom: "whole" top: "s1"
  reshape_param { shape { dim: 0 dim: 2 dim: 4 dim: 16 dim: 16 } } }
layer { name: "s2" type: "Permute" bottom: "s1" top: "s2"
  permute_param { order: 0 order: 2 order: 1 order: 3 order: 4 } }
layer { name: "s3" type: "Reshape" bottom: "s2" top: "conv1"
  reshape_param { shape { dim: 0 dim: 8 dim: 16 dim: 16 } } }
layer { name: "relu1" """
    made = text().replace('top: "conv1"', 'top: "whole"', 1)
    made = made.replace('bottom: "conv1" top: "conv1"', 'bottom: "whole" top: "whole"', 2)
    made = made.replace('layer { name: "relu1" ', shuffle.lstrip(), 1)
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(made)
    write_random_weights(file, weights)
    assert "conv1" not in map_sizes(read_graph(file))
    shipped = ship((file, weights), tmp_path / "out", "onnx")
    assert all(proof.within(TOLERANCE) for proof in shipped.proofs)


def test_where_the_net_is_cut() -> None:
    assert find_detection_head(parse_graph(text())).confidences == "conf"
    other = text(lambda t: t.replace("softmax_param { axis: 2 }", "softmax_param { axis: 1 }"))
    heads = find_detection_head(parse_graph(other))
    assert (heads.activation, heads.confidences) == ("none", "softmax")


def test_what_is_not_the_same_is_not_written(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ssd_data.nets.edit import canonical

    right = canonical._bare

    def wrong(*arguments: Any) -> Any:
        param = right(*arguments)
        param.relu_param.negative_slope = 0.1 if param.type == "ReLU" else 0
        return param

    monkeypatch.setattr(canonical, "_bare", wrong)
    for profile in sorted({*TARGETS.names()} - {*APART}):
        with pytest.raises(OutputError, match="nothing was written"):
            ship(net, tmp_path / "out", profile)
    assert not list(tmp_path.iterdir())


def test_a_wrong_reader_is_found_out(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merged net is right here, but what runs it is not."""
    from ssd_data.engines.opencv import OpenCV

    right = OpenCV.forward
    monkeypatch.setattr(OpenCV, "forward", lambda self, b: right(self, b * 1.1))
    for profile in ("caffe-ssd", "npu"):
        with pytest.raises(OutputError, match=r"largest difference|only one side has"):
            ship(net, tmp_path / "out", profile)
    assert not list(tmp_path.iterdir())


def test_without_onnx(net: tuple[Path, Path], tmp_path: Path) -> None:
    """In a process that cannot import it."""
    program = (
        "import sys; sys.modules['onnx'] = None\nfrom ssd_data.cli import main; main(sys.argv[1:])"
    )
    call = [sys.executable, "-c", program, "deploy", *net, "--mean", "127", "--scale", "0.007"]
    call += ["-o", tmp_path / "out"]
    done = subprocess.run([*call, "--profile", "onnx"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'ssd-data[onnx]'" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([*call, "--profile", "npu"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("profile", "options", "said"),
    [
        ("npu", {"half": True}, "no such option"),
        ("caffe-ssd", {"head": "raw"}, "no such option"),
        ("onnx", {"relu6": "relu"}, "no such option"),
        ("onnx", {"int8": True, "half": True}, "exclude"),
        ("onnx", {"int8": True}, "how large"),
        ("onnx", {"records": 3}, "belong to"),
        ("onnx", {"head": "body"}, "a head is one of"),
        ("tflite", {}, "no profile"),
    ],
)
def test_wrong_usage(
    net: tuple[Path, Path], tmp_path: Path, profile: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ship(net, tmp_path / "out", profile, options)
    assert not list(tmp_path.iterdir())


def test_options_are_the_targets_own() -> None:
    found = known_options()
    assert sorted(found) == [
        "calibrate", "chip", "dynamic_batch", "half", "head", "int8", "processor", "records",
        "relu6", "rknn_python", "source", "tpu_mlir_python",
    ]  # fmt: skip
    assert found["relu6"] == (CaffeOptions, ["ascend", "caffe-ssd", "npu"])
    assert found["dynamic_batch"] == (OnnxOptions, ["onnx", "openvino"])
    assert found["records"][1] == ["litert", "ncnn", "onnx", "openvino", "rknn", "sophgo"]
    options = {one.name: one for one in target_options()}
    assert list(options) == list(found)
    assert options["records"].help == "--int8: how many of its records.  [default: 128]"
    assert choose("onnx", {"head": "raw"}).head == "raw"
    assert choose("npu", {}).relu6 == "layers"
    with pytest.raises(UsageError) as caught:
        choose("npu", {"dynamic_batch": True})
    assert caught.value.where == "--dynamic-batch"


# ---- the command ----


def test_the_command(run: Any, net: tuple[Path, Path], tmp_path: Path) -> None:
    labelmap = tmp_path / "labelmap.prototxt"
    write_labelmap(LabelMap.from_names(["a|b", "<i>", "_x_ *y* `z` two_words"]), labelmap)
    out = tmp_path / "out"
    call = ["deploy", *net, "--profile", "npu", "-o", out, "--mean", "127.5", "--scale", "0.007843"]
    done = run(*call, "--labelmap", labelmap)
    assert done.status == 0, done.err
    assert f"{out / 'priors.npy'}: the prior boxes" in done.out
    assert "equal to the embedded engine by opencv and postprocess.py" in done.out
    page = (out / "README.md").read_text()
    assert "| 1 | a\\|b | a\\|b |" in page
    assert "| 2 | \\<i\\> |" in page
    assert "\\_x\\_ \\*y\\* \\`z\\` two_words" in page
    again = run(*call)
    assert again.status == 1
    assert "not empty" in again.err
    done = run(*call[:5], "-o", tmp_path / "other", *call[7:], "--json")
    assert done.json["detection"]["num_classes"] == 3
    assert done.json["files"] == sorted(p.name for p in out.iterdir())
    wrong = run(*call[:5], "-o", tmp_path / "third", *call[7:], "--half")
    assert wrong.status == 2
    assert run(*call[:7]).status == 1  # nothing says mean and scale
    assert not (tmp_path / "third").exists()


def test_a_runs_folder(run: Any, net: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "snapshots").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no deploy\.prototxt"):
        RunFolder(folder).deploy  # noqa: B018
    shutil.copy(net[0], folder / "deploy.prototxt")
    with pytest.raises(InputError, match="no snapshot"):
        RunFolder(folder).best()
    (folder / "solver.prototxt").write_text('snapshot_prefix: "snapshots/ssd"')
    for iteration in (9, 10, 20):
        shutil.copy(net[1], folder / "snapshots" / f"ssd_iter_{iteration}.caffemodel")
    model, why = RunFolder(folder).best()
    assert model.path.name == "ssd_iter_20.caffemodel"
    assert why.startswith("the newest")
    rows = [
        {"event": "test", "iteration": i, "outputs": {"mAP": value}}
        for i, value in ((9, 0.1), (10, 0.5), (15, 0.9), (20, 0.4))
    ]
    lines = [json.dumps(row) for row in rows] + ["[]", '{"event": "test"}', '{"event": "te']
    (folder / "snapshots" / "ssd.jsonl").write_text("\n".join(lines))
    assert RunFolder(folder).best()[0].path.name == "ssd_iter_10.caffemodel"
    labels = tmp_path / "labelmap.prototxt"
    write_labelmap(LabelMap.from_names(["a", "b"]), labels)
    call = ["deploy", folder, "--profile", "onnx", "-o", tmp_path / "out", "--mean", "127.5"]
    done = run(*call, "--scale", "0.007843")
    assert done.status == 0, done.err
    assert "the best test, 0.5000 at iteration 10" in done.err
    table = json.loads((tmp_path / "out" / "preprocess.json").read_text())
    assert [row["name"] for row in table["classes"]] == ["none_of_the_above", "a", "b"]
    assert run("deploy", net[0], "--profile", "npu", "-o", tmp_path / "x").status == 1


def test_the_trained_face_detectors(shared: Path, tmp_path: Path) -> None:
    """The same detections through all three profiles, of real pictures."""
    folder = shared / "models" / "sfd_mobilenetv2_mod11j"
    files = folder / "deploy.prototxt", folder / "wider_iter_90000.caffemodel"
    pictures = sorted((shared / "WIDER_FACE" / "WIDER_val" / "images").rglob("*.jpg"))[:2]
    for profile in sorted(
        {*TARGETS.names()} - {*APART} - {"litert"}
    ):  # which is not installed with the rest
        out = tmp_path / profile
        made = deploy(profile, *files, out, Preprocessing((104, 117, 123)), pictures=pictures)
        if profile == "ascend":  # whose layer takes fewer boxes than this net gives
            (loss,) = made.table["losses"].values()
            assert loss["new"] == 0 < loss["found_again"]
            continue
        assert made.proofs[-1].output == "detections"
        assert made.proofs[-1].compared > 20


# ---- whole numbers ----


@pytest.fixture
def lmdb(tmp_path: Path) -> Path:
    """A dozen drawn pictures with the small net's two classes."""
    from ssd_data import BuildOptions, build, find
    from ssd_data.data.synthetic.sample import draw_sample

    draw_sample(tmp_path / "sample", train=6, test=6, size=96)
    build(find(tmp_path / "sample" / "voc"), tmp_path / "lmdbs", BuildOptions())
    return next((tmp_path / "lmdbs").glob("*_test_lmdb"))


def test_int8(lmdb: Path, tmp_path: Path, run: Any) -> None:
    file, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    file.write_text(detector_text(4))
    write_random_weights(file, weights)
    out = tmp_path / "out"
    done = run(
        "deploy", file, weights, "--profile", "onnx", "-o", out, "--head", "decoded", "--int8",
        "--calibrate", lmdb, "--records", 4, "--test", lmdb, "--mean", "127.5", "--scale", "0.0078",
        "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert (out / "postprocess.py").exists()
    model = onnx.load(out / "net.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert "QuantizeLinear" in kinds
    first = next(t for t in model.graph.initializer if t.name.endswith("weight_scale"))
    assert list(first.dims) == [8]  # one an output channel
    loss = done.json["losses"]["whole numbers"]
    assert 0 < loss["scores_largest"] < 0.2
    assert loss["found_again"] > 0.5 * loss["detections"] > 0
    score = done.json["losses"][f"mAP on {lmdb.name}"]
    assert score["records"] == 6
    assert abs(score["loss"]) == abs(score["embedded"] - score["shipped"]) < 0.5
    page = (out / "README.md").read_text()
    assert "calibrated on 4 records of" in page
    assert "whole numbers: " in page


def test_int8_on_what_is_no_lmdb(net: tuple[Path, Path], tmp_path: Path) -> None:
    options = {"int8": True, "calibrate": tmp_path / "none"}
    with pytest.raises(InputError):
        ship(net, tmp_path / "out", "onnx", options)
    assert not (tmp_path / "out").exists()


def test_the_commands_of_the_page(
    run: Any,
    lmdb: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ssd").mkdir()
    Path("deploy.prototxt").write_text(detector_text(4))
    write_random_weights("deploy.prototxt", "net.caffemodel")
    text = 'layer { name: "d" type: "AnnotatedData" top: "data" transform_param { scale: 0.007 } }'
    for folder in (Path(), Path("ssd")):
        (folder / "train.prototxt").write_text(text)
    shutil.copy("deploy.prototxt", "ssd")
    shutil.copy("net.caffemodel", "ssd/ssd_iter_1.caffemodel")
    shutil.copy(lmdb.parent / "labelmap.prototxt", tmp_path)
    for name in ("test_lmdb", "trainval_lmdb"):
        Path(name).symlink_to(lmdb)
    lines = [line.split("#")[0].split()[1:] for line in block.splitlines()]
    assert len(lines) == 11
    for line in lines:
        done = run(*line)
        assert done.status == 0, (line, done.err)
