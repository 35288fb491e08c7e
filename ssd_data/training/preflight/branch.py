"""The layer types of Caffe's SSD branch: what a net for a real Caffe may have.

Source: what ``src/caffe/layer_factory.cpp`` and ``src/caffe/layers`` of github.com/weiliu89/caffe
(branch ssd) register.
"""

from __future__ import annotations

from ssd_data.nets.graph import Graph
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
