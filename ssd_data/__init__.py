"""ssd-data: from raw detection data sets to Caffe AnnotatedDatum LMDBs and labelmaps.

The Python interface::

    from ssd_data import LmdbReader, build, find, read_labelmap

    with LmdbReader("VOC0712/VOC0712_test_lmdb") as records:
        for record in records:
            print(record.key, record.labels, record.boxes)  # boxes: fractions, float32 (N, 4)
            picture = record.decode()                       # uint8 (height, width, 3), BGR

    result = build(find("voc0712", root="VOCdevkit"), out="VOC0712")

Names are imported when they are first used, so that ``import ssd_data`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ssd_data.builder import BuildResult, build
    from ssd_data.dataset import Dataset, find, from_list, recognise
    from ssd_data.errors import InputError, OutputError, SsdDataError, UsageError
    from ssd_data.exporting import ExportResult, export
    from ssd_data.labelmap import LabelMap, LabelMapItem, parse_labelmap, read_labelmap
    from ssd_data.links import link
    from ssd_data.options import BuildOptions
    from ssd_data.store import LmdbReader, LmdbWriter
    from ssd_data.structures import AnnotatedImage, Record

_HOME = {
    "AnnotatedImage": "structures",
    "BuildOptions": "options",
    "BuildResult": "builder",
    "Dataset": "dataset",
    "ExportResult": "exporting",
    "InputError": "errors",
    "LabelMap": "labelmap",
    "LabelMapItem": "labelmap",
    "LmdbReader": "store",
    "LmdbWriter": "store",
    "OutputError": "errors",
    "Record": "structures",
    "SsdDataError": "errors",
    "UsageError": "errors",
    "build": "builder",
    "export": "exporting",
    "find": "dataset",
    "from_list": "dataset",
    "link": "links",
    "parse_labelmap": "labelmap",
    "read_labelmap": "labelmap",
    "recognise": "dataset",
}
__all__ = [
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
    "OutputError",
    "Record",
    "SsdDataError",
    "UsageError",
    "build",
    "export",
    "find",
    "from_list",
    "link",
    "parse_labelmap",
    "read_labelmap",
    "recognise",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"ssd_data.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
