"""ssd-data: from raw detection data sets to Caffe AnnotatedDatum LMDBs and labelmaps.

The Python interface::

    from ssd_data import LmdbReader, build, find, read_labelmap

    with LmdbReader("VOC0712/VOC0712_test_lmdb") as records:
        for record in records:
            print(record.key, record.labels, record.boxes)  # boxes: fractions, float32 (N, 4)
            picture = record.decode()                       # uint8 (height, width, 3), BGR

    result = build(find("voc0712", root="VOCdevkit"), out="VOC0712")

Scripts written for pycaffe find its face here (``Net`` needs the extra ``ssd-data[torch]``)::

    import ssd_data as caffe

    net = caffe.Net("deploy.prototxt", "weights.caffemodel", caffe.TEST)
    net.blobs["data"].data[...] = picture
    found = net.forward()["detection_out"]

Names are imported when they are first used, so that ``import ssd_data`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ssd_data.core.version import __version__ as __version__

TRAIN, TEST = 0, 1  # a net's phases, as pycaffe numbers them

if TYPE_CHECKING:
    from ssd_data.core.errors import InputError, OutputError, SsdDataError, UsageError
    from ssd_data.core.labelmap import LabelMap, LabelMapItem, parse_labelmap, read_labelmap
    from ssd_data.core.structures import AnnotatedImage
    from ssd_data.data.build.builder import BuildResult, build
    from ssd_data.data.build.links import link
    from ssd_data.data.build.options import BuildOptions
    from ssd_data.data.dataset import Dataset, find, from_list, recognise
    from ssd_data.data.export import ExportResult, export
    from ssd_data.data.lmdb.records import Record
    from ssd_data.data.lmdb.store import LmdbReader, LmdbWriter
    from ssd_data.engines.torch import io
    from ssd_data.engines.torch.mode import set_device, set_mode_cpu, set_mode_gpu
    from ssd_data.engines.torch.net import Net
    from ssd_data.metrics import score
    from ssd_data.metrics.scores import Scores
    from ssd_data.training.solver import Solver, get_solver

_HOME = {
    "AnnotatedImage": "core.structures",
    "BuildOptions": "data.build.options",
    "BuildResult": "data.build.builder",
    "Dataset": "data.dataset",
    "ExportResult": "data.export",
    "InputError": "core.errors",
    "LabelMap": "core.labelmap",
    "LabelMapItem": "core.labelmap",
    "LmdbReader": "data.lmdb.store",
    "LmdbWriter": "data.lmdb.store",
    "Net": "engines.torch.net",
    "OutputError": "core.errors",
    "Record": "data.lmdb.records",
    "Scores": "metrics.scores",
    "Solver": "training.solver",
    "SsdDataError": "core.errors",
    "UsageError": "core.errors",
    "build": "data.build.builder",
    "export": "data.export",
    "find": "data.dataset",
    "from_list": "data.dataset",
    "link": "data.build.links",
    "parse_labelmap": "core.labelmap",
    "read_labelmap": "core.labelmap",
    "recognise": "data.dataset",
    "score": "metrics",
    "get_solver": "training.solver",
    "set_device": "engines.torch.mode",
    "set_mode_cpu": "engines.torch.mode",
    "set_mode_gpu": "engines.torch.mode",
}
__all__ = [
    "TEST",
    "TRAIN",
    "AnnotatedImage",
    "BuildOptions",
    "BuildResult",
    "Dataset",
    "ExportResult",
    "InputError",
    "LabelMap",
    "LabelMapItem",
    "LmdbReader",
    "LmdbWriter",
    "Net",
    "OutputError",
    "Record",
    "Scores",
    "Solver",
    "SsdDataError",
    "UsageError",
    "build",
    "export",
    "find",
    "from_list",
    "get_solver",
    "io",
    "link",
    "parse_labelmap",
    "read_labelmap",
    "recognise",
    "score",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
]


def __getattr__(name: str) -> Any:
    if name == "io":
        return import_module("ssd_data.engines.torch.io")
    if name in _HOME:
        return getattr(import_module(f"ssd_data.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
