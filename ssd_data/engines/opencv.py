"""OpenCV 4.x's DNN module (``cv2.dnn``), which reads prototxts and caffemodels."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.paths import read_bytes
from ssd_data.engines import Array, Engine, EngineOptions, caffe_files
from ssd_data.nets.caffemodel import MOST_BYTES
from ssd_data.nets.dense_priors import dense_fields
from ssd_data.nets.detection import DETECTION_TYPE
from ssd_data.nets.graph import Graph
from ssd_data.nets.prepare import DeployNet, read_trained
from ssd_data.nets.prototxt import MOST_BYTES as MOST_TEXT

OTHERS = "Use --engine torch or onnxruntime"
LITTLE = 1e-6  # an eps with which it does not matter what it is added to
_ABSENT = re.compile(r'create layer "(.+)" of type "(\w+)"')


class OpenCV(Engine):
    """Runs on the CPU. What OpenCV reads is the file ``deploy``, whose net ``graph`` is."""

    name = "opencv"

    def __init__(self, graph: Graph, deploy: Path | str, weights: Path | str) -> None:
        super().__init__(graph)
        _refuse_unbounded(graph)
        _refuse_unread(graph)
        _refuse_other_values(graph)
        # Read here: of a file that cannot be read OpenCV says little, and of one that goes wrong.
        net = (
            read_bytes(deploy, "prototxt", MOST_TEXT),
            read_bytes(weights, "caffemodel", MOST_BYTES),
        )
        try:
            self.net = cv2.dnn.readNetFromCaffe(*(np.frombuffer(part, np.uint8) for part in net))
        except cv2.error as error:
            raise self._error("read", error) from None
        found = _places(graph)
        self._places = [found[blob] for blob in self.outputs]

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        try:
            self.net.setInput(np.ascontiguousarray(batch, np.float32), self.input)
            arrays = self.net.forwardAndRetrieve([layer for layer, _ in self._places])
        except cv2.error as error:
            raise self._error("run", error) from None
        return {
            blob: np.asarray(tops[place], np.float32)
            for blob, tops, (_, place) in zip(self.outputs, arrays, self._places, strict=True)
        }

    def _error(self, what: str, error: cv2.error) -> InputError:
        text = str(error.err or error).strip().splitlines()[0]
        if absent := _ABSENT.search(text):
            named = [node for node in self.graph.nodes if node.name == absent[1]]
            for node in named[:1]:
                return node.error(f'OpenCV\'s DNN has no layer of type "{absent[2]}"', OTHERS)
        return InputError(f"OpenCV's DNN cannot {what} this net: {text}", where=self.graph.origin)


def _places(graph: Graph) -> dict[str, tuple[str, int]]:
    """For each blob OpenCV's name of the last layer that writes it, and which of its tops it is.

    OpenCV knows layers, not blobs, and numbers those of one name from the second on.
    """
    counts: Counter[str] = Counter()
    found = {}
    for node in graph.nodes:
        number = counts[node.name]
        counts[node.name] += 1
        name = f"{node.name}_{number}" if number else node.name
        found.update({top: (name, place) for place, top in enumerate(node.tops)})
    return found


def _refuse_unread(graph: Graph) -> None:
    """What OpenCV passes over without a word, and what it cannot know."""
    for node in graph.nodes:
        if not node.bottoms and node.type != "Input":
            raise node.error(f'OpenCV\'s DNN has no layer of type "{node.type}"', OTHERS)
        unread = sorted(set(node.tops) & set(graph.outputs))
        if node.type == "Slice" and unread and not node.param.slice_param.slice_point:
            raise InputError(
                "OpenCV's DNN cuts a Slice without slice_point into as many parts as are read, and "
                f'nothing reads "{unread[0]}"',
                where=node.where,
                hint="Give it slice_point, or use the engine torch or onnxruntime",
            )
        if node.type == "Pooling" and not node.param.pooling_param.count_include_pad:
            raise InputError(
                "OpenCV's DNN counts padding in a mean, and knows no count_include_pad: false",
                where=node.where,
                hint="Use the engine torch or onnxruntime, or ship the net as ONNX",
            )


def _refuse_unbounded(graph: Graph) -> None:
    """OpenCV makes room for ``keep_top_k`` boxes: without a number it writes beyond its memory."""
    for node in graph.nodes:
        if node.type == DETECTION_TYPE and node.param.detection_output_param.keep_top_k < 1:
            raise InputError(
                "OpenCV's DNN needs a keep_top_k above 0",
                where=node.where,
                hint="Give the DetectionOutput one, such as 200, or use the engine torch",
            )


def _refuse_other_values(graph: Graph) -> None:
    """What OpenCV computes otherwise without a word."""
    for node in graph.nodes:
        p = node.param
        dense = dense_fields(p.prior_box_param) if node.type == "PriorBox" else []
        c = p.convolution_param
        padded = (c.pad_h or c.pad_w) and c.HasField("pad_h") != c.HasField("pad_w")
        one_pad = (padded, "passes over a pad_h without pad_w, and a pad_w without pad_h")
        others = {
            **dict.fromkeys(("Convolution", "Deconvolution", "DepthwiseConvolution"), one_pad),
            "Axpy": (len(set(node.bottoms[1:])) > 1, "scales the third bottom, not the second"),
            "Interp": (p.interp_param.pad_beg or p.interp_param.pad_end, "does not crop"),
            "Log": (p.log_param.ListFields(), "has no base, scale and shift"),
            "MVN": (p.mvn_param.eps > LITTLE, "adds eps to another number"),
            "PriorBox": (dense, f"has no {' and no '.join(dense)}"),
            "Reorg": (p.reorg_param.reverse, "has no reverse"),
            "Swish": (p.swish_param.beta != 1, "has no beta"),
        }
        differs, how = others.get(node.type, (False, ""))
        if differs:
            raise node.error(f"OpenCV's {node.type} {how}", OTHERS)


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> OpenCV:
    """See :func:`ssd_data.engines.load_engine`."""
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        raise UsageError(
            f"OpenCV {cv2.__version__} has no Caffe importer any more",
            where="--engine opencv",
            hint="Install one that has: pip install 'opencv-python-headless<5'",
        )
    options.require_cpu("opencv")
    cv2.utils.logging.setLogLevel(0)  # what it cannot do is an error of ours
    trained = read_trained(deploy, weights, options.threshold)  # our errors say more than OpenCV's
    changed = options.threshold is not None
    with caffe_files(trained, deploy, weights, changed) as (net, arrays):
        return OpenCV(trained.graph, net, arrays)
