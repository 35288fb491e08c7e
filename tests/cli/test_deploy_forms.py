"""Commands that want a deploy net take one for training or testing, and say so in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.nets import detector_text, evaluated_text, training_text
from support.trees import jpeg

from ssd_data.data.build.builder import build
from ssd_data.data.find import find
from ssd_data.data.synthetic.sample import draw_sample
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.edit.deploy_form import read_deploy_form
from ssd_data.nets.graph import read_graph

SAID = {
    "train": "note: train.prototxt is a net for training; its deploy form is taken: an Input of "
    '1x3x64x64 for AnnotatedData "data", Softmax and DetectionOutput for MultiBoxLoss "mbox_loss" '
    "(SSD's thresholds: score 0.01, overlap 0.45, 200 boxes a picture)\n",
    "test": "note: test.prototxt is a net for testing; its deploy form is taken: an Input of "
    '1x3x64x64 for AnnotatedData "data"\n',
    "deploy": "",
}
STAGES = ["train", "test"]
MEANS = "mean_value: 120 scale: 0.0078 force_color: true"


class Nets:
    """The tiny detector's three nets, each alone in its folder, and their weights."""

    def __init__(self, folder: Path) -> None:
        texts = {
            "train": training_text(MEANS, classes=4),
            "test": evaluated_text(MEANS, classes=4),
            "deploy": detector_text(classes=4),
        }
        for name, text in texts.items():
            (folder / name).mkdir()
            (folder / name / f"{name}.prototxt").write_text(text)
        self.folder, self.weights = folder, folder / "w.caffemodel"
        write_random_weights(self.file("deploy"), self.weights)
        self.picture = folder / "a.jpg"
        self.picture.write_bytes(jpeg(seed=3))
        draw_sample(folder / "sample", layouts=["voc"], train=1, test=3, size=80)
        build(find(folder / "sample" / "voc"), folder / "built", splits=["test"])
        self.lmdb = folder / "built" / "voc_test_lmdb"

    def file(self, name: str) -> Path:
        return self.folder / name / f"{name}.prototxt"


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Nets:
    return Nets(tmp_path_factory.mktemp("nets"))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("engine", ["torch", "opencv", "onnxruntime"])
def test_detect(stage: str, engine: str, nets: Nets, run: Any) -> None:
    options = [nets.weights, nets.picture, "--threshold", "0.5", "--engine", engine]
    done = run("detect", nets.file(stage), *options, "--json")
    assert (done.status, done.err) == (0, SAID[stage])
    wanted = run("detect", nets.file("deploy"), *options, "--json", "--mean", "120", "--scale",
                 "0.0078")  # fmt: skip
    assert wanted.status == 0, wanted.err
    if stage == "test":  # whose thresholds are the deploy net's
        assert done.json == wanted.json
    found = [d["score"] for d in done.json["pictures"][0]["detections"]]
    assert max(found) == max(d["score"] for d in wanted.json["pictures"][0]["detections"])
    assert run("detect", nets.file(stage), *options, "-q").err == ""


@pytest.mark.parametrize("stage", STAGES)
def test_eval(stage: str, nets: Nets, run: Any) -> None:
    options = ["--weights", nets.weights, "--json"]
    done = run("eval", nets.lmdb, "--deploy", nets.file(stage), *options)
    assert (done.status, done.err) == (0, SAID[stage])
    assert done.json["detector"]["mean"] == [120.0] * 3
    assert done.json["counts"]["detections"] > 10
    if stage == "test":
        wanted = run("eval", nets.lmdb, "--deploy", nets.file("deploy"), *options, "--mean", "120",
                     "--scale", "0.0078")  # fmt: skip
        assert done.json["ap"] == wanted.json["ap"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("weights", ["random", "trained"])
def test_parity(stage: str, weights: str, nets: Nets, run: Any) -> None:
    given = nets.weights if weights == "trained" else weights
    engines = ["--engines", "torch,opencv,onnxruntime"]
    done = run("parity", nets.file(stage), given, nets.picture, *engines)
    assert (done.status, done.err) == (0, SAID[stage]), done.out


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("profile", ["caffe-ssd", "npu", "onnx"])
def test_deploy(stage: str, profile: str, nets: Nets, tmp_path: Path, run: Any) -> None:
    out = tmp_path / "out"
    options = ["--profile", profile, "-o", out, "--pictures", nets.picture]
    done = run("deploy", nets.file(stage), nets.weights, *options)
    assert (done.status, done.err) == (0, SAID[stage])
    table = json.loads((out / "preprocess.json").read_text())
    assert table["made_of"]["deploy"] == f"{stage}.prototxt"
    assert table["input"]["mean"] == [120.0] * 3
    assert "its deploy form is taken" in (out / "README.md").read_text()
    if profile != "onnx":
        assert read_graph(out / "deploy.prototxt").input_shape() == (1, 3, 64, 64)


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_without_a_deploy_net(stage: str, nets: Nets, tmp_path: Path, run: Any) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(nets.file(stage), folder)
    shutil.copy(nets.weights, folder / "ssd_iter_10.caffemodel")
    out = tmp_path / "out"
    done = run("deploy", folder, "--profile", "caffe-ssd", "-o", out, "--pictures", nets.picture)
    assert done.status == 0, done.err
    assert SAID[stage] in done.err


@pytest.mark.parametrize("stage", STAGES)
def test_merge(stage: str, nets: Nets, tmp_path: Path, run: Any) -> None:
    done = run("merge-bn", nets.file(stage), nets.weights, "-o", tmp_path / "out")
    assert (done.status, done.err) == (0, SAID[stage])
    merged = read_deploy_form(tmp_path / "out" / f"{stage}.prototxt")
    assert merged.made == ""
    assert merged.outputs == ["detection_out"]
    assert not any(node.type == "BatchNorm" for node in merged.nodes)
    assert "phase" not in (tmp_path / "out" / f"{stage}.prototxt").read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_what_looks_at_a_net(stage: str, nets: Nets, run: Any) -> None:
    done = run("model", nets.file(stage), "--summary", "--json")
    wanted = run("model", nets.file("deploy"), "--summary", "--json")
    assert (done.status, done.err, wanted.err) == (0, SAID[stage], "")
    for key in ("parameters", "multiply_adds", "prior_count", "priors"):
        assert done.json[key] == wanted.json[key]
    done = run("time", nets.file(stage), "--iterations", "1", "--json")
    assert (done.status, done.err) == (0, SAID[stage])
    assert done.json["batch"] == 1
    assert run("time", nets.file(stage), "--iterations", "1", "--batch", "2", "-q").err == ""
    # A phase that is named is timed with its data.
    done = run("time", nets.file(stage), "--phase", stage, "--iterations", "1")
    assert done.status == 1
    assert "nowhere_lmdb" in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("detect", "{net}", "{weights}", "{picture}"),
        ("eval", "{lmdb}", "--deploy", "{net}", "--weights", "{weights}", "--mean", "1"),
        ("parity", "{net}", "{weights}"),
        ("parity", "{net}", "random"),
        ("deploy", "{net}", "{weights}", "--profile", "onnx", "-o", "{out}", "--mean", "1"),
        ("merge-bn", "{net}", "{weights}", "-o", "{out}"),
        ("model", "{net}", "--summary"),
        ("time", "{net}"),
    ],
)
def test_what_cannot_be_told(
    command: tuple[str, ...], nets: Nets, tmp_path: Path, run: Any
) -> None:
    net, out = tmp_path / "train.prototxt", tmp_path / "out"
    text = training_text(MEANS, classes=4)
    net.write_text(text.replace("resize_param { height: 64 width: 64 }", ""))
    names = {"net": net, "out": out, "weights": nets.weights, "lmdb": nets.lmdb}
    done = run(*(word.format(picture=nets.picture, **names) for word in command))
    assert done.status == 1
    assert done.err == (
        f'error: {net}:1 (layer "data"): does not say how large the deploy net\'s pictures are\n'
        "  Give its transform_param a resize_param with height and width, or give the deploy net; "
        "ssd-data model writes one\n"
    )
    assert not out.exists()


def test_errors_name_the_nets_own_lines(nets: Nets, tmp_path: Path, run: Any) -> None:
    net = tmp_path / "train.prototxt"
    text = training_text(MEANS, classes=4)
    net.write_text(text.replace('top: "conv1"\n', 'top: "conv1"\n\n\n', 1).replace(
        "num_output: 8 kernel_size: 3 stride: 2", "num_output: 16 kernel_size: 3 stride: 2"
    ))  # fmt: skip
    line = 1 + net.read_text()[: net.read_text().index('layer { name: "conv2"')].count("\n")
    done = run("detect", net, nets.weights, nets.picture)
    assert done.status == 1
    assert f'{net}:{line} (layer "conv2")' in done.err
    assert "/tmp/ssd" not in done.err


def test_transfer_takes_a_test_net(nets: Nets, tmp_path: Path, run: Any) -> None:
    labelmap = nets.folder / "built" / "labelmap.prototxt"
    options = ["--from", labelmap, "--to", labelmap]
    for stage in ("train", "test", "deploy"):
        out = tmp_path / f"{stage}.caffemodel"
        done = run("transfer", nets.weights, *options, "--net", nets.file(stage), "-o", out)
        assert done.status == 0, done.err
    broken = tmp_path / "train.prototxt"
    broken.write_text(
        training_text().replace('bottom: "conv1" top: "conv2"', 'bottom: "no" top: "x"')
    )
    done = run("transfer", nets.weights, *options, "--net", broken, "-o", tmp_path / "x")
    assert 'bottom "no" is not there' in done.err
