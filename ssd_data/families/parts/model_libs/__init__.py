"""The SSD branch's ``caffe.model_libs`` for nets written in Python: bodies, heads, data layers.

``ssd_pascal.py`` and its like do ``from caffe.model_libs import *`` and find here the names that
they call, with the arguments that they give; the layers that these add are the published nets'.

>>> from ssd_data import NetSpec
>>> from ssd_data.families.parts.model_libs import *
>>> net = NetSpec()
>>> net.data, net.label = CreateAnnotatedDataLayer("train_lmdb", batch_size=8)
>>> _ = VGGNetBody(net, "data", fully_conv=True, reduced=True, dilated=True, dropout=False)
>>> heads = CreateMultiBoxHead(
...     net,
...     num_classes=21,
...     from_layers=["conv4_3", "fc7"],
...     min_sizes=[30, 60],
...     use_batchnorm=False,
... )
>>> len(net.to_proto().layer), net.keys()[-1]
(53, 'mbox_priorbox')

Source: github.com/weiliu89/caffe (branch ssd), ``python/caffe/model_libs.py``.
"""

# A star brings these as well, and scripts count on it.
import os

from ssd_data.core.files.there import is_there
from ssd_data.families.parts.model_libs.blocks import (
    ConvBNLayer,
    InceptionTower,
    ResBody,
    UnpackVariable,
)
from ssd_data.families.parts.model_libs.heads import (
    CreateAnnotatedDataLayer,
    CreateMultiBoxHead,
)
from ssd_data.families.parts.model_libs.inception import InceptionV3Body
from ssd_data.families.parts.model_libs.plain import VGGNetBody, ZFNetBody
from ssd_data.families.parts.model_libs.resnet import ResNet101Body, ResNet152Body
from ssd_data.nets.netspec import layers as L  # noqa: N812
from ssd_data.nets.netspec import params as P  # noqa: N812
from ssd_data.proto import caffe_pb2

__all__ = [
    "ConvBNLayer",
    "CreateAnnotatedDataLayer",
    "CreateMultiBoxHead",
    "InceptionTower",
    "InceptionV3Body",
    "L",
    "P",
    "ResBody",
    "ResNet101Body",
    "ResNet152Body",
    "UnpackVariable",
    "VGGNetBody",
    "ZFNetBody",
    "caffe_pb2",
    "check_if_exist",
    "make_if_not_exist",
    "os",
]


def check_if_exist(path: str) -> bool:
    """Whether there is such a file or folder."""
    return is_there(path)


def make_if_not_exist(path: str) -> None:
    """Make a folder, and those above it."""
    os.makedirs(path, exist_ok=True)  # noqa: PTH103 - a name, as scripts give it
