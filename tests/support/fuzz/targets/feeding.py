"""What nets are fed from: records through a data layer's augmentation, lists of pictures."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from ssd_data import SsdDataError
from ssd_data.batches import Batches
from ssd_data.core.images import picture_limits
from ssd_data.data.lmdb.records import key_of
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import to_blob
from ssd_data.nets.graph import read_graph
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.solver import Solver
from support.fuzz.cases import built, case, pictures
from support.fuzz.target import Case, Target, write
from support.fuzz.targets.databases import lmdb
from support.fuzz.targets.training import DATA, trainings
from support.trees import jpeg

MORE = """layer { name: "data" type: "AnnotatedData" top: "data" top: "label"
  include { phase: TRAIN }
  transform_param { crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3 force_color: true
    resize_param { prob: 0.5 resize_mode: FIT_LARGE_SIZE_AND_PAD height: 16 width: 12
      height_scale: 16 width_scale: 12 pad_mode: CONSTANT pad_value: 3 interp_mode: CUBIC }
    noise_param { prob: 1 hist_eq: true posterize: true erode: true }
    distort_param { contrast_prob: 1 contrast_lower: 0.5 contrast_upper: 1.5
      hue_prob: 1 hue_delta: 18
      saturation_prob: 1 saturation_lower: 0.5 saturation_upper: 1.5 random_order_prob: 1 }
    emit_constraint { emit_type: MIN_OVERLAP emit_overlap: 0.3 } }
  data_param { source: "test_lmdb" batch_size: 3 backend: LMDB rand_skip: 2 }
  annotated_data_param { label_map_file: "labelmap.prototxt" anno_type: BBOX
    batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5
        max_aspect_ratio: 2 }
      sample_constraint { max_object_coverage: 0.5 min_sample_coverage: 0.1 } max_trials: 9 } } }
"""
MOST_SIDE = 512


def layers() -> list[Case]:
    return [
        lmdb(4) | case({"net.prototxt": text}) for text in (DATA % "TRAIN", DATA % "TEST", MORE)
    ]


def fed(folder: Path) -> None:
    net = read_prototxt(folder / "net.prototxt", caffe_pb2.NetParameter).message
    for layer in net.layer[:1]:
        param = layer.transform_param
        sides = (param.resize_param.height, param.resize_param.width, param.crop_size,
                 param.resize_param.height_scale, param.resize_param.width_scale)  # fmt: skip
        if max(*sides, 8 * layer.data_param.batch_size) > MOST_SIDE:
            return  # as much work as it says
        for phase in (caffe_pb2.TRAIN, caffe_pb2.TEST):
            with suppress(SsdDataError), Batches(layer, phase, seed=1, workers=0) as batches:
                next(batches), next(batches)
        with Batches(layer, seed=2, workers=0, min_box=3, cache=1) as batches:
            next(batches)


LISTED = """layer { name: "d" type: "ImageData" top: "data" top: "label"
  transform_param { mirror: true crop_size: 12 mean_file: "mean.binaryproto" }
  image_data_param { source: "list.txt" batch_size: 2 new_height: 16 new_width: 16 shuffle: true
    root_folder: "i/" } }
"""
STORED = """layer { name: "d" type: "Data" top: "data" top: "label"
  transform_param { scale: 0.5 mean_value: 127 } data_param { source: "test_lmdb" batch_size: 1 } }
"""


def classified() -> list[Case]:
    def store(folder: Path) -> None:
        with LmdbWriter(folder / "test_lmdb", map_size=1 << 20) as writer:
            for number, data in enumerate((bytes(3 * 4 * 5), jpeg(5, 4))):
                encoded = len(data) != 3 * 4 * 5
                datum = caffe_pb2.Datum(
                    channels=3, height=4, width=5, data=data, label=number, encoded=encoded
                )
                writer.put(key_of(number, "a"), datum.SerializeToString())

    mean = to_blob(np.ones((3, 16, 16), np.float32)).SerializeToString()
    files = {
        "list.txt": "a.jpg 3\nb.png 1\n",
        "mean.binaryproto": mean,
        **pictures("i/a.jpg", "i/b.png"),
    }
    return [case({"net.prototxt": LISTED, **files}), built(store) | case({"net.prototxt": STORED})]


def classify(folder: Path) -> None:
    graph = read_graph(folder / "net.prototxt", "TRAIN")
    for node in graph.nodes:
        own, stored = node.param.image_data_param, node.param.data_param
        if max(own.batch_size, stored.batch_size, own.new_height, own.new_width, 1) > MOST_SIDE:
            return
    with picture_limits():
        Net(graph, phase="TRAIN", device="cpu").forward()


def stopped() -> list[Case]:
    """A run that has made a step, with what Caffe does not keep."""

    def make(folder: Path) -> None:
        write(trainings()[0], folder)
        os.chdir(folder)
        solver = Solver("solver.prototxt", device="cpu")
        solver.step(1)
        solver.snapshot()
        os.chdir("/")

    return [built(make)]


def restored(folder: Path) -> None:
    solver = Solver("solver.prototxt", device="cpu")
    solver.restore("snap_iter_1.solverstate")


KEPT = ("*.mdb", "train.prototxt", "test.prototxt", "solver.prototxt", "labelmap.prototxt", "*.txt")
TARGETS = [
    Target(
        "batches",
        layers,
        fed,
        ("batches", "data.lmdb.store"),
        kept=("labelmap.prototxt",),
        batch=60,
    ),
    Target(
        "classifier",
        classified,
        classify,
        (
            "batches.classifier",
            "engines.torch.labelled",
            "engines.torch.layers.imagedata",
            "engines.torch.layers.data",
        ),
        batch=100,
    ),
    Target(
        "restore",
        stopped,
        restored,
        ("training.solver", "training.resuming", "training.extras", "training.updates"),
        kept=KEPT,
        batch=60,
    ),
]
