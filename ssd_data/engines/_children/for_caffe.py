"""pycaffe: a deploy net, run on the CPU or a GPU."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Answer = tuple[dict[str, Any], list[Any]]

os.environ.setdefault("GLOG_minloglevel", "2")  # else it prints every net that it makes
if os.environ.get("CAFFE_ROOT"):
    sys.path.insert(0, os.path.join(os.environ["CAFFE_ROOT"], "python"))
caffe: Any = import_module("caffe")
HELD: dict[str, Any] = {}


def types() -> Answer:
    """The layer types that it has, and where it lies."""
    if not hasattr(caffe, "Net"):
        raise ImportError("the module caffe there is not pycaffe")
    known: Any = getattr(caffe, "layer_type_list", list)()
    return {"types": list(known), "file": str(caffe.__file__)}, []


def version() -> Answer:
    """What it says of its version."""
    return {"version": str(getattr(caffe, "__version__", "")), "file": str(caffe.__file__)}, []


def load(net: str, weights: str, gpu: int | None) -> Answer:
    """Take a net: on the GPU of that number, or the CPU."""
    if gpu is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(gpu)
        caffe.set_mode_gpu()
    HELD["net"] = caffe.Net(net, weights, caffe.TEST)
    return {}, []


def run(batch: Any, given: str, outputs: list[str]) -> Answer:
    """A batch to blobs."""
    net = HELD["net"]
    blob = net.blobs[given]
    if tuple(blob.data.shape) != batch.shape:
        blob.reshape(*batch.shape)
        net.reshape()
    blob.data[...] = batch
    net.forward()
    return {}, [np.array(net.blobs[name].data, np.float32) for name in outputs]


DOES = {f.__name__: f for f in (version, types, load, run)}
