"""Commands that write nets and weights, and ship them."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.nets.caffemodel import to_bytes
from ssd_data.nets.graph import parse_graph
from support.nets import write_detector
from support.prototxts import FOUR, a_model, bn, conv, detector, layer, random_weights, scale
from support.writers.scene import Scene, run

OLD, NEW = ["cat", "dog", "bird"], ["bird", "cat"]


def _net() -> None:
    text = FOUR + conv("c", "data", "c", "bias_term: false") + bn("b", "c", "c")
    text += scale("s", "c", "c") + layer("ReLU", "r", "c", "c")
    graph = parse_graph(text)
    Path("deploy.prototxt").write_text(text)
    Path("net.caffemodel").write_bytes(to_bytes(graph.net, random_weights(graph)))


def _merged_before() -> None:
    _net()
    Path("merged").mkdir()
    Path("merged/deploy.prototxt").write_text("old")
    Path("merged/net.caffemodel").write_bytes(b"old")
    Path("merged/notes").write_text("mine")


def _models() -> None:
    run("model", "tiny_ssd", "--num-classes", "4", "-o", "ssd")
    Path("ssd/tiny_ssd_iter_1.caffemodel").write_bytes(b"mine")


def _two_sets_of_classes() -> None:
    text = detector(len(OLD) + 1)
    Path("old.caffemodel").write_bytes(to_bytes(parse_graph(text).net, a_model(text).layers))
    Path("net.prototxt").write_text(detector(len(NEW) + 1))
    for name, classes in (("old", OLD), ("new", NEW)):
        write_labelmap(LabelMap.from_names(classes), Path(f"{name}.prototxt"))


def _transferred() -> None:
    _two_sets_of_classes()
    Path("start.caffemodel").write_bytes(b"old")


def _body() -> None:
    import torch

    from support.pytorch_bodies import TimmV1

    torch.manual_seed(0)
    torch.save(TimmV1().state_dict(), "body.pth")
    run("model", "mobilenet_ssd", "--num-classes", "3", "-o", "ssd")


def _detector() -> None:
    write_detector(Path())


MERGE = ("merge-bn", "deploy.prototxt", "net.caffemodel", "-o", "merged")
TRANSFER = ("transfer", "old.caffemodel", "--from", "old.prototxt", "--to", "new.prototxt")
TRANSFER += ("--net", "net.prototxt", "-o", "start.caffemodel")
MEAN = ("--mean", "127.5", "--scale", "0.007843")
DEPLOY = ("deploy", "deploy.prototxt", "tiny.caffemodel", *MEAN, "-q")
SCENES = {
    "model": Scene(lambda: None, ("model", "tiny_ssd", "--num-classes", "4", "-o", "ssd")),
    "remodel": Scene(_models, ("model", "tiny_ssd", "--num-classes", "9", "-o", "ssd", "--redo")),
    "merge_bn": Scene(_net, (*MERGE, "--no-check")),
    "remerge_bn": Scene(_merged_before, (*MERGE, "--redo")),
    "transfer": Scene(_two_sets_of_classes, TRANSFER),
    "retransfer": Scene(_transferred, (*TRANSFER, "--redo")),
    "import_backbone": Scene(
        _body,
        ("import-backbone", "body.pth", "--net", "ssd/train.prototxt", "-o", "start.caffemodel"),
    ),
    **{
        f"deploy_{name}": Scene(
            _detector, (*DEPLOY, "--profile", *words, "-o", "shipped"), measured="shipped/README.md"
        )
        for name, words in {
            "caffe-ssd": ("caffe-ssd",),
            "npu": ("npu",),
            "onnx": ("onnx",),
            "onnx_raw": ("onnx", "--head", "raw", "--dynamic-batch"),
        }.items()
    },
}
