"""Layers of every type, each in a small net that is computed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data import SsdDataError
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.summary import summarise
from ssd_data.nets.graph import read_graph
from ssd_data.nets.sizes import map_sizes
from ssd_data.proto import caffe_pb2
from support import GOLDEN
from support.fuzz.cases import built, case
from support.fuzz.target import Case, Target
from support.fuzz.targets.engines import film
from support.fuzz.targets.nets import MOST_VALUES, MOST_WORK, OLD
from support.prototxts import layer

DATA = """layer { name: "data" type: "Input" top: "data" top: "label"
 input_param { shape { dim: 2 dim: 4 dim: 5 dim: 6 } shape { dim: 2 dim: 1 } } }
"""
FLAT = layer("InnerProduct", "ip", "data", "ip", "inner_product_param { num_output: 4 }")


def golden_layers() -> list[Case]:
    """Each layer's own small net, with whatever its name is; shapes are small already."""
    found = sorted((GOLDEN / "layers").glob("*.prototxt"))
    texts = [path.read_text() for path in found if not path.name.startswith("solver")]
    texts += [*others(), *of_forks(), *of_two(), OLD]
    return [case({"net.prototxt": text}) for text in texts]


def others() -> list[str]:
    """Layers of SSD's branch that the golden nets do not have."""
    plain = {
        "Bias": "",
        "Dropout": "",
        "ReLU6": "",
        "Concat": "",
        "Split": "",
        "DepthwiseConvolution": "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }",
        "Slice": "slice_param { axis: 1 slice_point: 2 } top: 'y'",
        "ArgMax": "argmax_param { axis: 1 }",
    }
    texts = [DATA + layer(kind, "x", "data", "x", rest) for kind, rest in plain.items()]
    texts.append(
        DATA + FLAT + layer("Crop", "x", "data data", "x", "crop_param { axis: 2 offset: 0 }")
    )
    texts.append(DATA + 'layer { name: "x" type: "Silence" bottom: "data" }')
    losses = ("SoftmaxWithLoss", "Accuracy")
    texts += [DATA + FLAT + layer(kind, "x", "ip label", "x") for kind in losses]
    pairs = ("EuclideanLoss", "SmoothL1Loss", "SigmoidCrossEntropyLoss")
    texts += [DATA + layer(kind, "x", "data data", "x") for kind in pairs]
    return texts


def of_forks() -> list[str]:
    """Layers of BVLC's and of forks' that read one blob."""
    plain = {
        "AbsVal": "",
        "BNLL": "",
        "Clip": "clip_param { min: -0.5 max: 3 }",
        "Embed": "embed_param { input_dim: 3 num_output: 2 }",
        "Exp": "exp_param { base: 2 scale: 0.5 shift: -1 }",
        "HardSigmoid": "hard_sigmoid_param { alpha: 0.3 beta: 0.4 }",
        "HardSwish": "",
        "Im2col": "convolution_param { kernel_h: 3 kernel_w: 2 stride: 2 pad_h: 1 pad_w: 0 }",
        "Interp": "interp_param { shrink_factor: 2 zoom_factor: 3 pad_beg: -1 pad_end: -1 }",
        "Log": "log_param { base: 10 scale: 2 shift: 5 }",
        "Mish": "",
        "MVN": "mvn_param { eps: 1e-3 across_channels: true normalize_variance: true }",
        "Python": 'python_param { module: "m" layer: "L" param_str: "1" }',
        "Reduction": "reduction_param { operation: ASUM axis: -2 coeff: 0.5 }",
        "Reorg": "reorg_param { stride: 1 reverse: true }",
        "ShuffleChannel": "shuffle_channel_param { group: 2 }",
        "SPP": "spp_param { pyramid_height: 2 pool: MAX }",
        "Swish": "swish_param { beta: 0.5 }",
        "Threshold": "threshold_param { threshold: 0.3 }",
        "Tile": "tile_param { tiles: 2 axis: -1 }",
        "Upsample": "upsample_param { scale: 0.5 stride: 2 }",
    }
    texts = [DATA + layer(kind, "x", "data", "x", rest) for kind, rest in plain.items()]
    sides = "upsample_param { scale_h: 3 scale_w: 1 }"
    sized = "interp_param { height: 9 width: 7 }"
    texts += [
        DATA + layer("Upsample", "x", "data", "x", sides),
        DATA + layer("Interp", "x", "data", "x", sized),
        'layer { name: "x" type: "Parameter" top: "x"'
        " parameter_param { shape { dim: 2 dim: 3 } } }",
        'layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param {'
        ' data_filler { type: "gaussian" std: 0.1 } shape { dim: 2 dim: 3 } shape { dim: 1 } } }',
        'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { num: 1 channels: 2'
        " height: 3 width: 4 } }",
    ]
    return texts


def of_two() -> list[str]:
    """Layers that read several blobs."""
    masked = 'top: "m" pooling_param { kernel_size: 2 stride: 2 }'
    anchors = "num_classes: 2 num_box: 2 confidence_threshold: 0.2 nms_threshold: 0.4 biases: 1 "
    anchors += "biases: 2 biases: 3 biases: 4"
    state = "expose_hidden: true weight_filler { type: 'uniform' min: -0.1 max: 0.1 }"
    return [
        net("Axpy", ["2 4", "2 4 5 6", "2 4 5 6"]),
        net("BatchReindex", ["2 4 5", "3"]),
        net("ContrastiveLoss", ["2 4", "2 4", "2"], "contrastive_loss_param { margin: 2 }"),
        net("Filter", ["2 4 5", "2 3", "2 1"], 'top: "y"'),
        net("FocalLoss", ["2 4", "2"], "focal_loss_param { alpha: 0.3 gamma: 2 axis: 1 }"),
        net("HingeLoss", ["2 4", "2"], "hinge_loss_param { norm: L2 }"),
        net("InfogainLoss", ["2 4", "2", "4 4"]),
        net("LSTM", ["3 2 4", "3 2"], "recurrent_param { num_output: 2 }"),
        net("LSTM", ["3 2 4", "3 2", "2 3", "1 2 2", "1 2 2"],
            f'top: "h" top: "c" recurrent_param {{ num_output: 2 {state} }}'),
        net("MultiBoxFocalLoss", ["1 12", "1 6", "1 2 12", "1 1 2 8"],
            "multibox_loss_param { num_classes: 2 } focal_loss_param { gamma: 2 }"),
        net("PSROIPooling", ["1 8 5 6", "2 5"],
            "psroi_pooling_param { output_dim: 2 group_size: 2 spatial_scale: 0.25 }"),
        net("ROIPooling", ["1 3 5 6", "2 5"],
            "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.25 }"),
        DATA + layer("Pooling", "p", "data", "p", masked)
        + layer("Upsample", "x", "p m", "x", "upsample_param { upsample_h: 5 upsample_w: 6 }"),
        net("YoloDetectionOutput", ["1 14 3 3"], f"yolo_detection_output_param {{ {anchors} }}"),
        net("Yolov3DetectionOutput", ["1 14 2 3", "1 14 4 6"],
            f"yolov3_detection_output_param {{ {anchors} mask: 1 mask: 0 mask: 0 mask: 1 "
            "anchors_scale: 32 anchors_scale: 16 mask_group_num: 2 }"),
    ]  # fmt: skip


def net(kind: str, shapes: Sequence[str], rest: str = "") -> str:
    """A layer and its inputs, of such shapes."""
    names, text = [f"i{i}" for i in range(len(shapes))], ""
    for name, shape in zip(names, shapes, strict=True):
        dims = " ".join(f"dim: {n}" for n in shape.split())
        text += f'layer {{ name: "{name}" type: "Input" top: "{name}"'
        text += f" input_param {{ shape {{ {dims} }} }} }}\n"
    return text + layer(kind, "x", " ".join(names), "x", rest)


def computed(folder: Path) -> None:
    graph = read_graph(folder / "net.prototxt", "TEST")
    with suppress(SsdDataError):
        map_sizes(graph)
    found = summarise(graph)
    values = sum(int(np.prod(shape)) for row in found.layers for shape in row.shapes)
    if found.multiply_adds > MOST_WORK or max(found.parameters, values) > MOST_VALUES:
        return
    made = Net(graph, phase="TEST", device="cpu")
    made.forward(**{name: values_of(made.blobs[name].shape) for name in made.inputs})


def values_of(shape: Sequence[int]) -> npt.NDArray[np.float32]:
    """Rows of true boxes, of detections, or corners of boxes, whatever a blob is taken for."""
    rows = {8: [0, 1, 0, 0.1, 0.1, 0.6, 0.7, 0], 7: [0, 1, 0.9, 0.1, 0.1, 0.6, 0.7]}
    row = rows.get(shape[-1] if len(shape) else 0, [0.1, 0.1, 0.6, 0.7])
    return np.resize(np.array(row, np.float32), tuple(shape))


# ---- layers that read files ----

VIDEO = """layer { name: "x" type: "VideoData" top: "x" top: "y" data_param { batch_size: 1 }
  transform_param { resize_param { width: 10 height: 8 } mean_value: 10 scale: 0.5 }
  video_data_param { video_type: VIDEO video_file: "a.avi" skip_frames: 1 } }
"""
HDF5 = """layer { name: "x" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param { source: "list.txt" batch_size: 2 shuffle: true } }
"""
GAIN = layer("InfogainLoss", "x", "data label", "x", 'infogain_loss_param { source: "h.bin" }')


def with_files() -> list[Case]:
    arrays = json.dumps({"data": [[1, 2], [3, 4], [5, 6]], "label": [0, 1, 2]})
    gain = caffe_pb2.BlobProto(num=1, channels=1, height=120, width=120, data=[1.0] * 120**2)
    return [
        case({"net.prototxt": VIDEO}) | built(film),
        case({"net.prototxt": HDF5, "list.txt": "a.h5\nb.h5\n", "a.h5": arrays, "b.h5": arrays}),
        case({"net.prototxt": DATA + GAIN, "h.bin": gain.SerializeToString()}),
    ]


class Held(dict[str, Any]):
    """An open file of arrays, as h5py has it; this one is of JSON."""

    def __init__(self, path: str, mode: str) -> None:
        try:
            arrays = json.loads(Path(path).read_bytes())
            super().__init__({key: np.array(value) for key, value in arrays.items()})
        except (ValueError, AttributeError, TypeError, RecursionError, OverflowError) as error:
            raise OSError(f"no HDF5: {error}") from None

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def fed(folder: Path) -> None:
    """Computed; HDF5 itself is read by a library, in whose place a small one is."""
    sys.modules["h5py"] = SimpleNamespace(File=Held)  # type: ignore[assignment]
    try:
        computed(folder)
    finally:
        del sys.modules["h5py"]


TARGETS = [
    Target(
        "layers",
        golden_layers,
        computed,
        (
            "engines.torch.layers",
            "engines.torch.summary",
            "engines.torch.layer",
            "engines.torch.loss",
            "engines.torch.interpreter",
            "engines.torch.regions",
            "nets.resizing",
            "nets.yolo",
        ),
    ),
    Target(
        "layers.files",
        with_files,
        fed,
        (
            "engines.torch.layers.hdf5data",
            "engines.torch.layers.videodata",
            "engines.torch.layers.infogainloss",
        ),
        kinds={"*.h5": "json", "*.avi": "raw", "*.bin": "blob"},
    ),
]
