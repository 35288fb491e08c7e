"""PyTorch's weights in nets of Caffe: the same features as the PyTorch module's."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.pytorch_bodies import TimmV1, TimmV2, TorchvisionV2, features, trained

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.statedict import read_state_dict
from ssd_data.families import generate
from ssd_data.nets.caffemodel import Caffemodel, read_caffemodel
from ssd_data.nets.edit.import_backbone import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    import_backbone,
)
from ssd_data.nets.graph import Graph, to_graph
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text

SIDE = 64
BODIES = {  # module, family, the body's last blob
    "torchvision V2": (TorchvisionV2, "mobilenetv2_ssdlite", "Conv_1"),
    "timm V2": (TimmV2, "mobilenetv2_ssdlite", "Conv_1"),
    "timm V1": (TimmV1, "mobilenet_ssd", "conv13"),
}
EARLY = {  # an early blob of 8x8, and the layers that give it in PyTorch
    "torchvision V2": ("conv_3/project", lambda m: m.features[:5]),
    "timm V2": ("conv_3/project", lambda m: [*_stem(m), *m.blocks[:2], m.blocks[2][0]]),
    "timm V1": ("conv5", lambda m: [*_stem(m), *m.blocks[:3]]),
}
SAME_MEAN = Preprocessing(tuple(255 * m for m in IMAGENET_MEAN[::-1]), 0.017)  # type: ignore[arg-type]
HALF_RANGE = Preprocessing((127.5, 127.5, 127.5), 0.007843)
PICTURE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
_made: dict[str, torch.nn.Module] = {}
_MANY = torch.zeros(4000)


def _stem(module: Any) -> list[torch.nn.Module]:
    return [module.conv_stem, module.bn1, torch.nn.ReLU6()]


def module_of(kind: str) -> torch.nn.Module:
    if kind not in _made:
        _made[kind] = trained(BODIES[kind][0]())
    return _made[kind]


def state_of(kind: str) -> dict[str, np.ndarray]:
    return {k: v.numpy().astype(np.float32) for k, v in module_of(kind).state_dict().items()}


def a_net(family: str, **options: Any) -> Graph:
    if family != "mobilenet_ssd":
        options.setdefault("tf_padding", False)
    options.setdefault("relu6", True)
    net = generate(family, 21, **options).nets["deploy"]
    graph = to_graph(net)
    graph.nodes[0].param.input_param.shape[0].dim[:] = [1, 3, SIDE, SIDE]
    return graph


def compute(graph: Graph, layers: list[Any], blob: str, inputs: Preprocessing) -> np.ndarray:
    part = graph.part([blob])
    names = {node.name for node in part.nodes}
    net = Net(part)
    assert not net.copy_from(Caffemodel([x for x in layers if x.name in names])).new
    net.forward(data=inputs.apply(PICTURE, None)[None])
    return np.array(net.blobs[blob].data)


def far(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("merged", [False, True])
def test_features_are_the_modules(kind: str, merged: bool) -> None:
    """With the mean that PyTorch pads with, every feature up to the picture's border."""
    family, last = BODIES[kind][1:]
    graph = a_net(family, merged=merged)
    result = import_backbone(state_of(kind), graph, SAME_MEAN)
    assert result.notes == []
    assert sorted(result.left_out) == [
        key for key in sorted(state_of(kind)) if key.startswith("classifier")
    ]
    ours = compute(graph, result.layers, last, SAME_MEAN)
    theirs = features(module_of(kind), PICTURE, IMAGENET_MEAN, IMAGENET_STD)
    assert far(ours, theirs) < 2e-5


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("merged", [False, True])
def test_another_mean_differs_at_the_border_alone(kind: str, merged: bool) -> None:
    graph = a_net(BODIES[kind][1], merged=merged)
    result = import_backbone(state_of(kind), graph, HALF_RANGE)
    assert ["border" in note for note in result.notes] == [True]
    blob, first = EARLY[kind]
    ours = compute(graph, result.layers, blob, HALF_RANGE)
    module = module_of(kind)
    theirs = features(torch.nn.Sequential(*first(module)), PICTURE, IMAGENET_MEAN, IMAGENET_STD)
    # The stem's first row and column see the border; through the 3x3 kernels that is what is left
    # of it here. At the other end no kernel reaches over the border of an even side.
    assert far(ours[:, :, 3:, 3:], theirs[:, :, 3:, 3:]) < 2e-5
    assert far(ours, theirs) > 1e-3


def test_another_source() -> None:
    """Trained within ±1 as MobileNet-SSD's own input is: nothing but red and blue changes."""
    source = Backbone((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1e-3)
    inputs = Preprocessing((127.5, 127.5, 127.5), 1 / 127.5)
    module = trained(TimmV1(), 3)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eps = 1e-3
    state = {k: v.numpy().astype(np.float32) for k, v in module.state_dict().items()}
    graph = a_net("mobilenet_ssd", merged=False)
    result = import_backbone(state, graph, inputs, source)
    assert result.notes == []
    stem = result.layers[0].arrays[0]
    np.testing.assert_allclose(stem, state["conv_stem.weight"][:, ::-1], rtol=1e-6)
    ours = compute(graph, result.layers, "conv13", inputs)
    assert far(ours, features(module, PICTURE, source.mean, source.std)) < 2e-5


def test_statistics_stay_what_they_are() -> None:
    """The net's eps is 0.001; variances are PyTorch's, and Scale makes up for it."""
    state = state_of("timm V2")
    graph = a_net("mobilenetv2_ssdlite", merged=False)
    layers = {x.name: x.arrays for x in import_backbone(state, graph, SAME_MEAN).layers}
    np.testing.assert_array_equal(layers["Conv/bn"][1], state["bn1.running_var"])
    ratio = np.sqrt((state["bn1.running_var"] + 1e-3) / (state["bn1.running_var"] + 1e-5))
    np.testing.assert_allclose(layers["Conv/scale"][0], state["bn1.weight"] * ratio, rtol=1e-6)
    assert ratio.max() > 1.4


def test_tensorflows_padding_is_noted() -> None:
    graph = a_net("mobilenetv2_ssdlite", merged=False, tf_padding=True, relu6=False)
    result = import_backbone(state_of("timm V2"), graph, SAME_MEAN)
    assert len(result.taken) == 52
    assert "both sides" in result.notes[0]
    assert "ReLU6" in result.notes[1]
    assert "Conv/bn" in {layer.name for layer in result.layers}


@pytest.mark.parametrize(
    ("family", "variant"),
    [("mobilenetv2_ssd", "v2"), ("sfd_mobilenetv2", "plain"), ("sfd_mobilenetv2", "mod1")],
)
def test_other_nets_with_this_body(family: str, variant: str) -> None:
    graph = to_graph(generate(family, 2, variant=variant).nets["train"], "TRAIN")
    assert len(import_backbone(state_of("torchvision V2"), graph, HALF_RANGE).taken) == 52


def test_names_with_the_mark_of_mod2() -> None:
    """They are found, and the body is another one: that is said."""
    graph = to_graph(generate("sfd_mobilenetv2", 2, variant="mod2").nets["deploy"])
    with pytest.raises(InputError, match="96x16x1x1 do not fit 48 outputs") as caught:
        import_backbone(state_of("torchvision V2"), graph, HALF_RANGE)
    assert "conv_1/expand_" in caught.value.where


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("blocks.2.0.bn1.bias"), 'no "blocks.2.0.bn1.bias"'),
        (lambda s: s.update({"conv_stem.weight": np.zeros((32, 3, 5, 5), "f4")}), "kernel"),
        (
            lambda s: s.update({"conv_stem.weight": np.zeros((32, 1, 3, 3), "f4")}),
            "takes 1 channels",
        ),
        (lambda s: s.update({"conv_stem.weight": np.zeros(32, "f4")}), "has shape"),
        (lambda s: s.update({"bn1.weight": np.zeros(31, "f4")}), "has shape (31,)"),
        (lambda s: s.update({"bn1.bias": np.full(32, np.nan, "f4")}), "no numbers"),
        (lambda s: s.update({"bn1.running_var": np.full(32, -1, "f4")}), "not above 0"),
        (lambda s: s.pop("conv_stem.weight"), "not those of a MobileNet"),
    ],
)
def test_bad_state_dicts(change: Any, said: str) -> None:
    state = state_of("timm V1")
    change(state)
    with pytest.raises(InputError) as caught:
        import_backbone(state, a_net("mobilenet_ssd", merged=False), SAME_MEAN)
    assert said in str(caught.value)


def test_bad_nets() -> None:
    state = state_of("timm V1")
    with pytest.raises(InputError, match='would be "conv0"'):
        import_backbone(state, a_net("mobilenetv2_ssdlite"), SAME_MEAN)
    with pytest.raises(InputError, match="32x3x3x3 do not fit 16 outputs"):
        import_backbone(state, a_net("mobilenet_ssd", width_multiplier=0.5), SAME_MEAN)
    net = generate("mobilenet_ssd", 21, merged=False).nets["deploy"]
    scale = next(i for i, layer in enumerate(net.layer) if layer.name == "conv3/scale")
    del net.layer[scale]
    with pytest.raises(InputError, match="needs BatchNorm and Scale"):
        import_backbone(state, to_graph(net), SAME_MEAN)


# ---- files ----


class Evil:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("evil_was_here",))


def test_files_of_either_kind(tmp_path: Path) -> None:
    table = {"a.weight": torch.randn(2, 3), "n": torch.tensor(7)}
    torch.save(table, tmp_path / "a.pth")
    torch.save({"state_dict": {"module." + k: v for k, v in table.items()}}, tmp_path / "b.pt")
    save_file(table, tmp_path / "c.safetensors")
    save_file({k: v.to(torch.bfloat16) for k, v in table.items()}, tmp_path / "d.safetensors")
    for name in ("a.pth", "b.pt", "c.safetensors"):
        found = read_state_dict(tmp_path / name)
        assert sorted(found) == ["a.weight", "n"]
        np.testing.assert_array_equal(found["a.weight"], table["a.weight"].numpy())
    np.testing.assert_allclose(
        read_state_dict(tmp_path / "d.safetensors")["a.weight"], table["a.weight"], rtol=1e-2
    )


@pytest.mark.parametrize(
    "content",
    [
        Evil(),
        {"a": Evil()},
        [torch.zeros(3)],
        {},
        {"a": 3},
        {3: torch.zeros(3)},
        {"a": torch.zeros(1).expand(1 << 31)},
        {"a": torch.zeros(3).to_sparse()},
        {"a": torch.zeros(3, device="meta")},
    ],
)
def test_other_pickles_are_refused(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "x.pth")
    with pytest.raises(InputError):
        read_state_dict("x.pth")
    assert not Path("evil_was_here").exists()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@pytest.mark.parametrize(
    "data",
    [b"", b"<!DOCTYPE html>", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 60, b"\x80\x02}q\x00.",
     (1 << 62).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{}"],
)  # fmt: skip
def test_other_files_are_refused(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError):
        read_state_dict(tmp_path / name)


def test_a_zip_that_would_grow(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "x.pth")
    with (
        zipfile.ZipFile(tmp_path / "x.pth") as plain,
        zipfile.ZipFile(tmp_path / "y.pth", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for entry in plain.infolist():
            small.writestr(entry.filename, plain.read(entry))
    assert (tmp_path / "y.pth").stat().st_size < 1 << 16
    assert read_state_dict(tmp_path / "x.pth")["a"].shape == (1 << 20,)
    with pytest.raises(InputError, match="compressed"):
        read_state_dict(tmp_path / "y.pth")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": torch.zeros(1).expand(1 << 28)}, "'a' is no plain tensor, or too large"),
        ({f"a{i}": _MANY for i in range(300)}, "is no plain tensor, or too large"),
        ({"a": bytearray(8)}, "bytearray, which is no part of a tensor"),
        ({"a": {1: "x"}, ("b", ("c",)): 5}, "is no named tensor"),
        ({"a": torch.zeros(2).to_sparse()}, "which is no part of a tensor"),
    ],
)
def test_what_a_few_bytes_can_claim(
    content: dict[Any, Any], words: str, zipped: bool, tmp_path: Path
) -> None:
    """A value that is shown a million times, many tensors of one storage, bytes out of nothing."""
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=words):
        read_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_both_forms_of_torch_save(zipped: bool, tmp_path: Path) -> None:
    table = {
        "module.a": torch.arange(6.0).reshape(2, 3).t(),
        "b": torch.nn.Parameter(torch.ones(2).half()),
        "c": torch.tensor(3),
    }
    content = {"state_dict": table, "epoch": 3, "classes": {"x"}}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    found = read_state_dict(tmp_path / "x.pth")
    assert {name: array.tolist() for name, array in found.items()} == {
        "a": [[0, 3], [1, 4], [2, 5]],
        "b": [1, 1],
        "c": 3,
    }


def test_the_command(tmp_path: Path, run: Any) -> None:
    net, out = tmp_path / "train.prototxt", tmp_path / "start.caffemodel"
    net.write_text(to_text(generate("mobilenet_ssd", 21).nets["train"]))
    torch.save(module_of("timm V1").state_dict(), tmp_path / "v1.pth")
    done = run("import-backbone", tmp_path / "v1.pth", "--net", net, "-o", out)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[1].split() == ["conv0", "conv_stem"]
    assert "MobileNet V1 (timm): 27 convolutions with their normalisation" in lines
    assert "the net sees (value - mean) * 0.007843, mean 127.5, 127.5, 127.5 (BGR)" in lines
    assert "left out: classifier.weight, classifier.bias" in lines
    layers = read_caffemodel(out).layers
    assert [layer.name for layer in layers[:4]] == ["conv0", "conv0/bn", "conv0/scale", "conv1/dw"]
    again = ["import-backbone", tmp_path / "v1.pth", "--net", net, "-o", out]
    assert run(*again).out == done.out  # it lies there already
    assert "--redo" in run(*again, "--eps", "0.1").err
    again.append("--redo")
    assert run(*again, "--json").json["taken"]["conv13"] == "blocks.4.1.conv_pw"
    for wrong in (["--mean", "1,2"], ["--std", "0,1,1"], ["--eps", "-1"], ["--net-scale", "0"],
                  ["--net-mean", "a,b,c"]):  # fmt: skip
        assert run(*again, *wrong).status == 2
    net.write_text(to_text(generate("mobilenet_ssd", 21).nets["deploy"]))
    assert "--net-mean" in run(*again).err
    done = run(*again, "--net-mean", "127.5,127.5,127.5", "--net-scale", "0.007843", "-q")
    assert (done.status, done.out) == (0, "")
    assert [layer.name for layer in read_caffemodel(out).layers[:2]] == ["conv0", "conv1/dw"]
