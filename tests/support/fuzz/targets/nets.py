"""Nets, weights, and what is made of them."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
from google.protobuf import text_format

from ssd_data import LabelMap, SsdDataError
from ssd_data.batches.classifier import read_mean
from ssd_data.deploy.onnx_model import make_model
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.shapes import infer_shapes
from ssd_data.engines.torch.statedict import read_state_dict
from ssd_data.nets.caffemodel import read_caffemodel, to_blob, to_bytes
from ssd_data.nets.detection import find_confidence_layers, find_detection_head
from ssd_data.nets.edit.classes import assign
from ssd_data.nets.edit.deploy_form import read_deploy_form
from ssd_data.nets.edit.import_backbone import import_backbone
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.edit.rewrite import merged_text
from ssd_data.nets.edit.stats import difference, stats
from ssd_data.nets.edit.transfer import transfer
from ssd_data.nets.graph import parse_graph, read_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prepare import prepare, read_deploy
from ssd_data.nets.preprocessing import Preprocessing, read_preprocessing
from ssd_data.nets.prototxt import deploy_text, read_prototxt, to_text
from ssd_data.proto import caffe_pb2
from support import GOLDEN
from support.fuzz.cases import built, case
from support.fuzz.target import Case, Target
from support.nets import CLASSIFIER, detector_text, evaluated_text, training_text, write_detector
from support.prototxts import FOUR, bn, conv, random_weights, scale

MOST_WORK, MOST_VALUES = 2_000_000, 20_000  # multiplications and values of a net that is computed
CLASSES = LabelMap.from_names(["cat", "dog"])
OLD = """name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 blobs_lr: 2
  weight_decay: 1 convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }
layers { name: "r" type: RELU bottom: "c" top: "c" include { phase: TEST } }
"""


def prototxts() -> list[Case]:
    texts = [detector_text(), OLD, FOUR + conv("c", "data", "c") + bn("b", "c", "c")]
    texts += [training_text(), evaluated_text(), CLASSIFIER]
    texts.append((GOLDEN / "training" / "test.prototxt").read_text())
    return [case({"net.prototxt": text}) for text in texts]


def read_net(folder: Path) -> list[str]:
    path = folder / "net.prototxt"
    given = read_prototxt(path, caffe_pb2.NetParameter)
    to_text(given.message)
    with suppress(SsdDataError):
        read_preprocessing(path)
    with suppress(SsdDataError):
        made = read_deploy_form(path)
        parse_graph(deploy_text(made.net)), made.input_shape()
        find_detection_head(made)
    for phase in ("TRAIN", "TEST"):
        with suppress(SsdDataError):
            graph = read_graph(path, phase)
            _ = graph.wiring().unread, graph.as_written
            infer_shapes(graph, {})
            with suppress(SsdDataError):
                find_confidence_layers(graph)
            find_detection_head(graph)
    return [one.name for one in given.foreign]


def models() -> list[Case]:
    text = (
        FOUR + conv("c", "data", "c", "bias_term: false") + bn("b", "c", "c") + scale("s", "c", "c")
    )
    net = caffe_pb2.NetParameter()
    graph = parse_graph(text)
    new = to_bytes(graph.net, random_weights(graph))
    text_format.Parse(OLD, net)
    for old in net.layers[:1]:
        old.blobs.append(caffe_pb2.BlobProto(num=2, channels=3, height=3, width=3, data=[0.5] * 54))
        old.blobs.append(
            caffe_pb2.BlobProto(num=1, channels=1, height=1, width=2, double_data=[1, 2])
        )
    half = caffe_pb2.NetParameter(name="n")
    one = half.layer.add(name="c", type="Convolution")
    one.blobs.append(caffe_pb2.BlobProto(raw_data=bytes(8), raw_data_type=2, shape={"dim": [2, 2]}))
    nets = [new, net.SerializeToString(), half.SerializeToString()]
    return [{"a.caffemodel": data, "net.prototxt": text.encode()} for data in nets]


def read_model(folder: Path) -> list[str]:
    model = read_caffemodel(folder / "a.caffemodel")
    stats(model), difference(model.layers, model.layers)
    net = Net(read_graph(folder / "net.prototxt", "TEST"), device="cpu")
    found = net.copy_from(model, skip_mismatch=True)
    return [*found.left_out, *found.new, *found.mismatched]


def detectors() -> list[Case]:
    bare = {
        "deploy.prototxt": (
            FOUR + conv("c", "data", "c") + bn("b", "c", "c") + scale("s", "c", "c")
        )
    }
    graph = parse_graph(bare["deploy.prototxt"])
    small = case(bare) | {"tiny.caffemodel": to_bytes(graph.net, random_weights(graph))}
    return [built(write_detector), small]


def edited(folder: Path) -> list[str]:
    deploy, weights = folder / "deploy.prototxt", folder / "tiny.caffemodel"
    graph, model = read_deploy(deploy), read_caffemodel(weights)
    said = []
    with suppress(SsdDataError):
        merge = merge_bn(TrainedNet(graph, model.layers))
        merged_text(deploy.read_text(errors="replace"), graph, merge)
        to_bytes(merge.merged.graph.net, merge.merged.layers)
        said += [f"{row.name} {row.type} {row.reason}" for row in merge.rows]
    with suppress(SsdDataError):
        transfer(model, CLASSES, graph, assign(CLASSES, CLASSES))
    net = prepare(deploy, weights, Preprocessing((127.5,) * 3, 0.007843))
    net.settings()
    if net.shape[0] * net.shape[1] * net.shape[2] * net.shape[3] <= MOST_WORK:
        make_model(net, "raw")
        make_model(net, "decoded", dynamic=True)
    return [*said, *net.notes]


NORM = ("weight", "bias", "running_mean", "running_var")


def states() -> list[Case]:
    import torch
    from safetensors.torch import save

    tables = [
        {
            "features.0.0.weight": torch.zeros(2, 3),
            "b": torch.ones(4, dtype=torch.float16),
            "features.1.conv.0.0.weight": torch.zeros(2),
            "n": torch.tensor(3),
        },
        {
            "conv_stem.weight": torch.zeros(4, 3, 3, 3),
            "blocks.1.0.conv_pw.weight": torch.zeros(1),
            **{f"bn1.{name}": torch.ones(4) for name in NORM},
        },
    ]
    found = []
    for table in (*tables, {"state_dict": tables[0], "epoch": 3}):
        file = io.BytesIO()
        torch.save(table, file)
        found.append({"a.pth": file.getvalue()})
    old = io.BytesIO()
    torch.save(tables[0], old, _use_new_zipfile_serialization=False)
    found.append({"a.pth": old.getvalue()})
    return [*found, {"a.safetensors": save(tables[0])}, {"a.safetensors": save(tables[1])}]


STEM = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv0" type: "Convolution" bottom: "data" top: "conv0"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
"""


def imported(folder: Path) -> list[str]:
    state = read_state_dict(next(folder.iterdir()))
    import_backbone(state, parse_graph(STEM), Preprocessing((127.5,) * 3, 0.007843))
    return [*state]


def means() -> list[Case]:
    arrays = [np.ones((3, 4, 5), np.float32), np.ones((1, 3, 1, 1), np.float32)]
    old = caffe_pb2.BlobProto(num=1, channels=3, height=1, width=2, data=[1.0] * 6)
    blobs = [*(to_blob(array) for array in arrays), old]
    return [{"mean.binaryproto": blob.SerializeToString()} for blob in blobs]


TARGETS = [
    Target(
        "prototxt",
        prototxts,
        read_net,
        (
            "nets.prototxt",
            "nets.graph",
            "nets.upgrade",
            "nets.geometry",
            "nets.detection",
            "nets.priors",
            "nets.preprocessing",
            "nets.edit.deploy_form",
            "engines.torch.shapes",
        ),
        batch=150,
    ),
    Target(
        "caffemodel",
        models,
        read_model,
        (
            "nets.caffemodel",
            "nets.upgrade",
            "nets.matching",
            "nets.edit.stats",
            "core.files.messages",
        ),
        kept=("*.prototxt",),
    ),
    Target(
        "detector",
        detectors,
        edited,
        (
            "nets.edit.merge_bn",
            "nets.edit.merge_rules",
            "nets.edit.rewrite",
            "nets.edit.canonical",
            "nets.edit.transfer",
            "nets.prepare",
            "nets.onnx",
            "nets.sizes",
        ),
        batch=100,
    ),
    Target(
        "state-dict",
        states,
        imported,
        ("engines.torch.statedict", "nets.edit.import_backbone", "nets.edit.backbones"),
    ),
    Target(
        "mean-file",
        means,
        lambda folder: read_mean(str(folder / "mean.binaryproto")),
        ("batches.classifier",),
        batch=2000,
    ),
]
