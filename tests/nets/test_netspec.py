"""``NetSpec``, ``layers``, ``params``, ``to_proto``: the nets that pycaffe's own would give."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from google.protobuf import text_format

from ssd_data import NetSpec, to_proto
from ssd_data import layers as L
from ssd_data import params as P
from ssd_data.core.errors import UsageError
from ssd_data.proto import caffe_pb2


def net_of(text: str) -> caffe_pb2.NetParameter:
    return text_format.Parse(text, caffe_pb2.NetParameter())


def test_names_wiring_and_parameters() -> None:
    net = NetSpec()
    net.data, net.label = L.Data(
        source="lmdb", backend=P.Data.LMDB, batch_size=8, ntop=2, transform_param=dict(scale=0.5),
        include=dict(phase=caffe_pb2.TRAIN),
    )  # fmt: skip
    net.conv = L.Convolution(
        net.data,
        num_output=4,
        kernel_size=3,
        param=[dict(lr_mult=1), dict(lr_mult=2, decay_mult=0)],
        weight_filler=dict(type="xavier"),
    )
    net["conv/relu"] = L.ReLU(net.conv, in_place=True)
    net.loss = L.SoftmaxWithLoss(
        L.InnerProduct(net["conv/relu"], num_output=2), net.label, loss_weight=0.5
    )
    net.silent = L.Silence(net.label, ntop=0)
    assert net.to_proto() == net_of("""
      layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { scale: 0.5 }
        data_param { source: "lmdb" backend: LMDB batch_size: 8 } }
      layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
      layer { name: "conv/relu" type: "ReLU" bottom: "conv" top: "conv" }
      layer { name: "InnerProduct1" type: "InnerProduct" bottom: "conv" top: "InnerProduct1"
        inner_product_param { num_output: 2 } }
      layer { name: "loss" type: "SoftmaxWithLoss" bottom: "InnerProduct1" bottom: "label"
        top: "loss" loss_weight: 0.5 }
      layer { name: "silent" type: "Silence" bottom: "label" }
    """)
    assert net.keys() == ["data", "label", "conv", "conv/relu", "loss", "silent"]
    assert net.vals()[2] is net.conv


def test_silence_has_no_tops_whatever_it_is_called() -> None:
    net = NetSpec()
    net.data = L.Input()
    net.hushed = L.Silence(net.data)
    assert list(net.to_proto().layer[1].top) == []
    assert net.to_proto().layer[1].name == "hushed"


def test_without_names_layers_are_numbered_by_type() -> None:
    data, label = L.DummyData(shape=[dict(dim=[1, 2]), dict(dim=[1])], ntop=2)
    both = L.Eltwise(L.Power(data), L.Power(data, power=2.0))
    found = to_proto(both, L.Accuracy(both, label))
    assert [(layer.name, *layer.bottom) for layer in found.layer] == [
        ("DummyData1",),
        ("Power1", "DummyData1"),
        ("Power2", "DummyData1"),
        ("Eltwise1", "Power1", "Power2"),
        ("Accuracy1", "Eltwise1", "DummyData2"),
    ]
    assert both.to_proto().layer[-1].name == "Eltwise1"


def test_update_and_delete() -> None:
    net = NetSpec()
    net.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
    net.conv = L.Convolution(net.data, num_output=4, kernel_size=3)
    net.update("conv", {"dilation": 2, "num_output": 5})
    net.gone = L.ReLU(net.data)
    del net["gone"]
    assert net.to_proto().layer[1].convolution_param == caffe_pb2.ConvolutionParameter(
        num_output=5, kernel_size=[3], dilation=[2]
    )
    assert "gone" not in net.keys()  # noqa: SIM118
    assert not hasattr(net, "gone")
    with pytest.raises(KeyError):
        net["gone"]
    assert copy.deepcopy(net).to_proto() == net.to_proto()


def test_an_empty_dict_sets_nothing_and_an_empty_message_in_a_list_is_one() -> None:
    sampler: dict[str, Any] = {"sampler": {}, "max_trials": 1}
    top = L.AnnotatedData(annotated_data_param=dict(batch_sampler=[sampler, {}]))
    param = top.to_proto().layer[0].annotated_data_param
    assert len(param.batch_sampler) == 2
    assert not param.batch_sampler[0].HasField("sampler")


def test_what_python_2_divided_is_a_whole_number() -> None:
    assert (
        L.Pooling(L.Input(), kernel_size=6 / 2).to_proto().layer[1].pooling_param.kernel_size == 3
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: L.Convolution(d, kernel_sise=3), 'has no field "kernel_sise".*kernel_size'),
        (lambda d: L.Convolution(d, kernel_size=2.5), "kernel_size cannot be 2.5"),
        (lambda d: L.Convolution(d, num_output=[4]), "num_output cannot be|takes one value"),
        (lambda d: L.Nothing(d, size=3), 'layer "x" .Nothing.: LayerParameter has no field "size"'),
        (lambda d: L.ReLU("data"), "a bottom of ReLU is str, no top"),
        (lambda d: L.Data(ntop=2), '"x" is given tuple, no top'),
        (lambda d: L.Pooling(d, pool="LOUD"), "pool cannot be 'LOUD'"),
        (lambda d: L.Convolution(d, weight_filler=3), "weight_filler cannot be 3"),
    ],
)
def test_what_is_wrong_is_said_with_its_layer(make: Any, words: str) -> None:
    def build() -> None:
        net = NetSpec()
        net.data = L.Input()
        net.x = make(net.data)
        net.to_proto()

    with pytest.raises(UsageError) as error:
        build()
    assert re.search(words, str(error.value), re.S), error.value


def test_an_unknown_constant_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match="Did you mean Pooling"):
        _ = P.Poolin
