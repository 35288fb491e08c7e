"""What a net for a real Caffe may have: the layer types of its SSD branch, and names.

Source: what ``src/caffe/layer_factory.cpp`` and ``src/caffe/layers`` of github.com/weiliu89/caffe
(branch ssd) register.
"""

from __future__ import annotations

from itertools import chain

from ssd_data.core.legible import QUOTE, legible
from ssd_data.nets.graph import Graph
from ssd_data.nets.splits import with_splits
from ssd_data.proto import caffe_pb2
from ssd_data.training.preflight.report import Preflight

# Those that it adds to Caffe.
SSD_TYPES = frozenset(
    {
        "AnnotatedData",
        "DetectionEvaluate",
        "DetectionOutput",
        "MultiBoxLoss",
        "Normalize",
        "Permute",
        "PriorBox",
        "SmoothL1Loss",
        "VideoData",
    }
)
_CAFFE = """
AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Concat ContrastiveLoss Convolution Crop
Data Deconvolution Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data
HDF5Output HingeLoss Im2col ImageData InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN
MemoryData MultinomialLogisticLoss PReLU Parameter Pooling Power Python RNN ReLU Reduction
Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax SoftmaxWithLoss Split
TanH Threshold Tile WindowData
"""
TYPES = SSD_TYPES | set(_CAFFE.split())
_INSTEAD = {
    "ReLU6": "ReLU in its place is another net where values exceed 6",
    "DepthwiseConvolution": "Convolution with group is equal",
}


def advice(kind: str) -> str:
    """What to do where a Caffe does not have a layer type."""
    found = f"Take a Caffe that has {kind}, or nets without"
    return f"{found}: {_INSTEAD[kind]}" if kind in _INSTEAD else found


def check_types(found: Preflight, graph: Graph) -> None:
    """Layers that the SSD branch lacks; each type once."""
    seen: set[str] = set()
    for node in graph.nodes:
        if node.type not in TYPES and node.type not in seen:
            seen.add(node.type)
            what = f"the SSD branch has no layer of type {node.type}; has this Caffe?"
            found.warn(node.where, what, advice(node.type))


def check_hdf5(found: Preflight, train: Graph, param: caffe_pb2.SolverParameter) -> None:
    """Snapshots in HDF5, where a layer's name is a path: one with a ``/`` lies within another, or
    nowhere. Caffe then ends at its first snapshot, or cannot read it back."""
    if param.snapshot_format != caffe_pb2.SolverParameter.HDF5:
        return
    named = zip(train.nodes, with_splits(train.nodes), strict=True)
    names = chain.from_iterable(((node, layer.name) for layer in layers) for node, layers in named)
    if odd := next(((node, name) for node, name in names if "/" in name), None):
        node, name = odd
        found.error(
            node.where,
            f'snapshot_format is HDF5, in which Caffe cannot keep "{legible(name, QUOTE)}": '
            'a layer\'s name has no "/" there',
            "Say snapshot_format: BINARYPROTO",
        )
