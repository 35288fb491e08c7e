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

Every name has an example of its own in its docstring. They run in a folder in which these commands
have run::

    ssd-data sample sample --layout voc --train 8 --test 4 --size 96
    ssd-data build sample/voc -o SHAPES --link .
    ssd-data model tiny_ssd --build SHAPES -o tiny_ssd

and ``write_random_weights`` has written ``tiny_ssd/random.caffemodel``.

Names are imported when they are first used, so that ``import ssd_data`` costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module

from ssd_data.core.version import __version__ as __version__

TYPE_CHECKING = False  # typing itself would take longer to import than all of this
TRAIN, TEST = 0, 1  # a net's phases, as pycaffe numbers them

# Type checkers read these imports, Python the table below; a test holds the two equal.
if TYPE_CHECKING:
    from ssd_data import families as families
    from ssd_data.batches import Batches as Batches
    from ssd_data.batches.composer import augmentation as augmentation
    from ssd_data.batches.plan import FeedPlan as FeedPlan
    from ssd_data.core.errors import InputError as InputError
    from ssd_data.core.errors import OutputError as OutputError
    from ssd_data.core.errors import SsdDataError as SsdDataError
    from ssd_data.core.errors import UsageError as UsageError
    from ssd_data.core.labelmap import LabelMap as LabelMap
    from ssd_data.core.labelmap import LabelMapItem as LabelMapItem
    from ssd_data.core.labelmap import parse_labelmap as parse_labelmap
    from ssd_data.core.labelmap import read_labelmap as read_labelmap
    from ssd_data.core.labelmap import write_labelmap as write_labelmap
    from ssd_data.core.notes import Tally as Tally
    from ssd_data.core.structures import AnnotatedImage as AnnotatedImage
    from ssd_data.core.structures import Detections as Detections
    from ssd_data.data.bridges.datumaro import datumaro_dataset as datumaro_dataset
    from ssd_data.data.bridges.fiftyone import fiftyone_importer as fiftyone_importer
    from ssd_data.data.bridges.huggingface import hf_dataset as hf_dataset
    from ssd_data.data.build.builder import BuildResult as BuildResult
    from ssd_data.data.build.builder import build as build
    from ssd_data.data.build.links import link as link
    from ssd_data.data.build.options import BuildOptions as BuildOptions
    from ssd_data.data.dataset import Dataset as Dataset
    from ssd_data.data.export import ExportResult as ExportResult
    from ssd_data.data.export import export as export
    from ssd_data.data.find import find as find
    from ssd_data.data.find import from_list as from_list
    from ssd_data.data.find import recognise as recognise
    from ssd_data.data.lmdb.records import Record as Record
    from ssd_data.data.lmdb.store import LmdbReader as LmdbReader
    from ssd_data.data.lmdb.writer import LmdbWriter as LmdbWriter
    from ssd_data.engines import load_engine as load_engine
    from ssd_data.engines.torch import io as io
    from ssd_data.engines.torch.alias import as_caffe as as_caffe
    from ssd_data.engines.torch.blob import BlobVec as BlobVec
    from ssd_data.engines.torch.dataset import torch_dataset as torch_dataset
    from ssd_data.engines.torch.mode import set_device as set_device
    from ssd_data.engines.torch.mode import set_mode_cpu as set_mode_cpu
    from ssd_data.engines.torch.mode import set_mode_gpu as set_mode_gpu
    from ssd_data.engines.torch.mode import set_random_seed as set_random_seed
    from ssd_data.engines.torch.net import Net as Net
    from ssd_data.engines.torch.randomise import write_random_weights as write_random_weights
    from ssd_data.families.parts.write import write_model as write_model
    from ssd_data.metrics import ScoreOptions as ScoreOptions
    from ssd_data.metrics import score as score
    from ssd_data.metrics.scores import Scores as Scores
    from ssd_data.metrics.voc.files import write_voc_detections as write_voc_detections
    from ssd_data.nets.netspec import NetSpec as NetSpec
    from ssd_data.nets.netspec import layers as layers
    from ssd_data.nets.netspec import params as params
    from ssd_data.nets.netspec import to_proto as to_proto
    from ssd_data.nets.prototxt import to_text as to_text
    from ssd_data.training.run import TrainResult as TrainResult
    from ssd_data.training.run import train as train
    from ssd_data.training.solver import Solver as Solver
    from ssd_data.training.solver import get_solver as get_solver
    from ssd_data.training.testing import test as test

_FACE = {
    "batches": "Batches",
    "batches.composer": "augmentation",
    "batches.plan": "FeedPlan",
    "core.errors": "InputError OutputError SsdDataError UsageError",
    "core.labelmap": "LabelMap LabelMapItem parse_labelmap read_labelmap write_labelmap",
    "core.notes": "Tally",
    "core.structures": "AnnotatedImage Detections",
    "data.bridges.datumaro": "datumaro_dataset",
    "data.bridges.fiftyone": "fiftyone_importer",
    "data.bridges.huggingface": "hf_dataset",
    "data.build.builder": "BuildResult build",
    "data.build.links": "link",
    "data.build.options": "BuildOptions",
    "data.dataset": "Dataset",
    "data.find": "find from_list recognise",
    "data.export": "ExportResult export",
    "data.lmdb.records": "Record",
    "data.lmdb.store": "LmdbReader",
    "data.lmdb.writer": "LmdbWriter",
    "engines": "load_engine",
    "engines.torch.alias": "as_caffe",
    "engines.torch.blob": "BlobVec",
    "engines.torch.dataset": "torch_dataset",
    "engines.torch.mode": "set_device set_mode_cpu set_mode_gpu set_random_seed",
    "engines.torch.net": "Net",
    "engines.torch.randomise": "write_random_weights",
    "families.parts.write": "write_model",
    "metrics": "ScoreOptions score",
    "metrics.scores": "Scores",
    "metrics.voc.files": "write_voc_detections",
    "nets.netspec": "NetSpec layers params to_proto",
    "nets.prototxt": "to_text",
    "training.run": "TrainResult train",
    "training.solver": "Solver get_solver",
    "training.testing": "test",
}
_HOME = {name: module for module, names in _FACE.items() for name in names.split()}
_MODULES = {"families": "families", "io": "engines.torch.io"}
# pycaffe's names; which it is, the solver's file says.
_SOLVERS = {
    "SGDSolver",
    "NesterovSolver",
    "AdaGradSolver",
    "RMSPropSolver",
    "AdaDeltaSolver",
    "AdamSolver",
}
__all__ = ["TEST", "TRAIN", *_HOME, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name == "_caffe":  # pycaffe's compiled half
        return sys.modules[__name__]
    if name in _SOLVERS:
        return import_module("ssd_data.training.solver").Solver
    if name in _MODULES:
        return import_module(f"ssd_data.{_MODULES[name]}")
    if name in _HOME:
        return getattr(import_module(f"ssd_data.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
