"""``model_libs``: the nets that the SSD branch's own functions give, with names and parameters."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from support import GOLDEN
from support.netfacts import facts, read_table

from ssd_data import NetSpec, families
from ssd_data.core.errors import UsageError
from ssd_data.families.parts import model_libs as libs
from ssd_data.families.parts.model_libs import *  # noqa: F403
from ssd_data.families.parts.model_libs import L, P, caffe_pb2
from ssd_data.proto.caffe_pb2 import LayerParameter

SAMPLER = {"min_scale": 0.3, "max_scale": 1.0, "min_aspect_ratio": 0.5, "max_aspect_ratio": 2.0}
TRIALS = {"max_trials": 50, "max_sample": 1}


def fresh() -> NetSpec:
    net = NetSpec()
    net.data = L.Input(shape=dict(dim=[1, 3, 300, 300]))
    return net


def layer(text: str) -> LayerParameter:
    return text_format.Parse(text, LayerParameter())


def ssd300(net: NetSpec) -> list[Any]:
    """As ``ssd_pascal.py`` calls them."""
    libs.VGGNetBody(
        net, from_layer="data", fully_conv=True, reduced=True, dilated=True, dropout=False
    )
    top = net.keys()[-1]
    for number, (narrow, wide, pad, stride) in enumerate(
        ((256, 512, 1, 2), (128, 256, 1, 2), (128, 256, 0, 1), (128, 256, 0, 1)), 6
    ):
        libs.ConvBNLayer(net, top, f"conv{number}_1", False, True, narrow, 1, 0, 1, lr_mult=1)
        top = f"conv{number}_2"
        libs.ConvBNLayer(net, f"conv{number}_1", top, False, True, wide, 3, pad, stride, lr_mult=1)
    sizes = [30.0, 60.0, 111.0, 162.0, 213.0, 264.0, 315.0]
    return libs.CreateMultiBoxHead(
        net,
        data_layer="data",
        from_layers=["conv4_3", "fc7", *(f"conv{n}_2" for n in range(6, 10))],
        use_batchnorm=False,
        min_sizes=sizes[:-1],
        max_sizes=sizes[1:],
        aspect_ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        steps=[8, 16, 32, 64, 100, 300],
        normalizations=[20, -1, -1, -1, -1, -1],
        num_classes=21,
        share_location=True,
        flip=True,
        clip=False,
        prior_variance=[0.1, 0.1, 0.2, 0.2],
        kernel_size=3,
        pad=1,
        lr_mult=1,
    )


@pytest.mark.parametrize("stage", ["train", "deploy"])
def test_the_published_ssd300_comes_out_layer_by_layer(stage: str) -> None:
    net = fresh()
    net.label = L.Input(shape=dict(dim=[1]))
    heads = ssd300(net)
    if stage == "train":
        net.mbox_loss = L.MultiBoxLoss(*heads, net.label)
    ours = {row[0]: row for row in facts(net.to_proto())}
    published = read_table(GOLDEN / "families" / "vgg_ssd-ssd300.tsv")[0][stage]
    compared = [
        row for row in published if row[0] in ours and row[1] not in ("Input", "MultiBoxLoss")
    ]
    compared = [row for row in compared if row[1] != "AnnotatedData"]
    assert len(compared) == len(ours) - (3 if stage == "train" else 2)
    for row in compared:
        assert ours[row[0]] == row


def test_the_data_layer_is_as_published() -> None:
    overlaps = [{"min_jaccard_overlap": x} for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    samplers = [
        {"sampler": {}, "max_trials": 1, "max_sample": 1},
        *(
            {"sampler": SAMPLER, "sample_constraint": constraint, **TRIALS}
            for constraint in (*overlaps, {"max_jaccard_overlap": 1.0})
        ),
    ]
    published = families.generate("vgg_ssd", num_classes=21).nets["train"].layer[0]
    net = NetSpec()
    net.data, net.label = libs.CreateAnnotatedDataLayer(
        published.data_param.source,
        batch_size=published.data_param.batch_size,
        label_map_file=published.annotated_data_param.label_map_file,
        batch_sampler=samplers,
    )
    (made,) = net.to_proto().layer
    published.ClearField("transform_param")
    made.ClearField("transform_param")
    assert made == published
    only = NetSpec()
    only.data = libs.CreateAnnotatedDataLayer("x", train=False, output_label=False, anno_type=0)
    assert list(only.to_proto().layer[0].top) == ["data"]
    assert only.to_proto().layer[0].include[0].phase == caffe_pb2.TEST


def test_a_convolution_with_batchnorm_in_all_its_forms() -> None:
    net = fresh()
    libs.ConvBNLayer(net, "data", "a", True, True, 8, [3, 1], [1, 0], 2, lr_mult=0.5, eps=1e-5)
    conv, bn, scale, relu = net.to_proto().layer[1:]
    assert conv == layer("""name: "a" type: "Convolution" bottom: "data" top: "a"
      param { lr_mult: 0.5 decay_mult: 1 }
      convolution_param { num_output: 8 bias_term: false kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0
        stride_h: 2 stride_w: 2 weight_filler { type: "gaussian" std: 0.01 } }""")
    assert bn == layer("""name: "a_bn" type: "BatchNorm" bottom: "a" top: "a"
      param { lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 }
      param { lr_mult: 0 decay_mult: 0 }
      batch_norm_param { eps: 1e-5 moving_average_fraction: 0.999 }""")
    assert scale == layer("""name: "a_scale" type: "Scale" bottom: "a" top: "a"
      param { lr_mult: 0.5 decay_mult: 0 } param { lr_mult: 0.5 decay_mult: 0 }
      scale_param { bias_term: true filler { type: "constant" value: 1 }
        bias_filler { type: "constant" value: 0 } }""")
    assert (relu.name, relu.type) == ("a_relu", "ReLU")
    net = fresh()
    named = {"conv_prefix": "c_", "bn_prefix": "n_", "bn_postfix": "", "bias_postfix": "_b"}
    options = {"dilation": 2, "use_scale": False, "use_global_stats": True, **named}
    libs.ConvBNLayer(net, "data", "a", True, False, 8, 3, 2, 1, **options)
    conv, bn, bias = net.to_proto().layer[1:]
    assert [one.name for one in (conv, bn, bias)] == ["c_a", "n_a", "a_b"]
    assert list(conv.convolution_param.dilation) == [2]
    assert not bn.batch_norm_param.HasField("moving_average_fraction")
    assert bn.batch_norm_param.use_global_stats
    assert bias.type == "Bias"
    assert bias.param[0].lr_mult == 0


def test_the_bodies() -> None:
    sizes = {}
    for name, body, options in (
        ("zf", libs.ZFNetBody, {"fully_conv": True, "reduced": True, "dilated": True}),
        ("101", libs.ResNet101Body, {"use_dilation_conv5": True}),
        ("152", libs.ResNet152Body, {"use_pool5": False}),
        ("inception", libs.InceptionV3Body, {"output_pred": True}),
    ):
        net = fresh()
        body(net, "data", **options)
        layers = net.to_proto().layer
        assert len({one.name for one in layers}) == len(layers)
        sizes[name] = (len(layers), layers[-1].name)
    assert sizes == {
        "zf": (22, "drop7"),
        "101": (448, "pool5"),
        "152": (668, "res5c_relu"),
        "inception": (408, "softmax_prob"),
    }


def test_resnet_dilates_its_last_stage() -> None:
    net = fresh()
    libs.ResNet101Body(net, "data", use_dilation_conv5=True)
    made = {one.name: one.convolution_param for one in net.to_proto().layer}
    assert list(made["res5a_branch2a"].stride) == [1]
    assert list(made["res5a_branch2b"].dilation) == list(made["res5a_branch2b"].pad) == [2]
    assert list(made["res3a_branch1"].stride) == [2]
    assert "res4b22_branch2c" in made


def test_frozen_layers_do_not_learn() -> None:
    net = fresh()
    libs.VGGNetBody(net, "data", need_fc=False, freeze_layers=["conv1_1", "no_such_layer"])
    rates = {one.name: [p.lr_mult for p in one.param] for one in net.to_proto().layer}
    assert rates["conv1_1"] == [0, 0]
    assert rates["conv1_2"] == [1, 2]


def test_without_pooling_and_with_a_dilated_pool4() -> None:
    net = fresh()
    libs.VGGNetBody(net, "data", nopool=True, fully_conv=True, reduced=True)
    made = net.to_proto().layer
    assert not [one for one in made if one.type == "Pooling"]
    assert {"conv1_3", "conv2_3", "conv3_4", "conv4_4", "conv5_4"} < {one.name for one in made}
    net = fresh()
    libs.VGGNetBody(net, "data", fully_conv=True, reduced=True, dilated=True, dilate_pool4=True)
    found = {one.name: one for one in net.to_proto().layer}
    assert found["pool4"].pooling_param.stride == 1
    assert list(found["conv5_1"].convolution_param.pad) == [2]
    assert list(found["fc6"].convolution_param.dilation) == [12]


def test_heads_with_all_that_they_can_have() -> None:
    net = fresh()
    net.conv = L.Convolution(net.data, num_output=8, kernel_size=3)
    heads = libs.CreateMultiBoxHead(
        net,
        from_layers=["conv"],
        num_classes=3,
        min_sizes=[[10, 20]],
        max_sizes=[[15, 30]],
        aspect_ratios=[2],
        normalizations=[20],
        inter_layer_depth=[16],
        use_objectness=True,
        share_location=False,
        img_height=200,
        img_width=300,
        conf_postfix="_x",
    )
    made = {one.name: one for one in net.to_proto().layer}
    blob = "conv_norm_inter"
    # Two sizes, each once as it is, once in between with the larger one, and twice at 2:1.
    assert made[f"{blob}_mbox_loc"].convolution_param.num_output == 2 * 4 * 4 * 3
    assert made[f"{blob}_mbox_conf_x"].convolution_param.num_output == 2 * 4 * 3
    assert made[f"{blob}_mbox_objectness"].convolution_param.num_output == 2 * 4 * 2
    prior = made[f"{blob}_mbox_priorbox"].prior_box_param
    assert (prior.img_h, prior.img_w, list(prior.max_size)) == (200, 300, [15, 30])
    assert not prior.HasField("step")
    assert len(heads) == 4
    assert [made[name].concat_param.axis for name in ("mbox_loc", "mbox_priorbox")] == [1, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": 0}, "num_classes above 0"),
        ({"min_sizes": []}, "1 from_layers and 0 min_sizes"),
        ({"steps": [8, 16]}, "1 from_layers and 2 steps"),
        ({"max_sizes": [[20, 30]]}, "1 min_sizes and 2 max_sizes"),
        ({"data_layer": "input"}, 'no data layer "input"'),
    ],
)
def test_heads_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    whole = {"num_classes": 2, "from_layers": ["data"], "min_sizes": [10]}
    with pytest.raises(UsageError, match=words):
        libs.CreateMultiBoxHead(fresh(), **{**whole, **options})


def test_a_body_on_nothing() -> None:
    for body in (libs.VGGNetBody, libs.ZFNetBody):
        with pytest.raises(UsageError, match='no layer "input"'):
            body(fresh(), "input")


def test_what_a_star_brings() -> None:
    names = globals()
    assert names["os"].path
    assert P.Pooling.MAX == 0
    assert {"check_if_exist", "make_if_not_exist", "UnpackVariable"} <= names.keys()
