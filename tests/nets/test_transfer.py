"""Heads moved by class name: each class computes what it computed before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT
from support.prototxts import FOUR, a_model, bn, conv, detector, layer

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.labelmap import LabelMap, LabelMapItem, read_labelmap
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import Caffemodel, LayerWeights, read_caffemodel, to_bytes
from ssd_data.nets.detection import find_confidence_layers
from ssd_data.nets.edit.classes import assign
from ssd_data.nets.edit.transfer import Transfer, transfer
from ssd_data.nets.graph import Graph, parse_graph

VOC = read_labelmap(ROOT / "labelmaps" / "labelmap_voc.prototxt")
COCO = read_labelmap(ROOT / "labelmaps" / "labelmap_coco.prototxt")
# VOC's twenty classes in COCO's 80, and in COCO's 91 ids, as chuanqi305's coco2voc.py has them.
IN_80 = [0, 5, 2, 15, 9, 40, 6, 3, 16, 57, 20, 61, 17, 18, 4, 1, 59, 19, 58, 7, 63]
IN_91 = [0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72]


def confidences(graph: Graph, layers: list[LayerWeights], classes: int) -> np.ndarray:
    """(batch, priors, classes), before softmax or sigmoid."""
    net = Net(graph.part(["conf"]))
    kept = {node.name for node in graph.part(["conf"]).nodes}
    assert not net.copy_from(Caffemodel([x for x in layers if x.name in kept])).new
    random = np.random.default_rng(7)
    net.blobs["data"].data[...] = random.normal(size=net.blobs["data"].shape)
    net.forward()
    return np.array(net.blobs["conf"].data).reshape(2, -1, classes)


def moved(old: LabelMap, new: LabelMap, **options: Any) -> Transfer:
    rows = assign(old, new, options.pop("renamed", None), options.pop("like", None))
    graph = parse_graph(detector(len(new), **options))
    return transfer(a_model(detector(len(old))), old, graph, rows)


def test_voc_in_coco() -> None:
    rows = assign(COCO, VOC)
    assert [row.source for row in rows] == IN_80
    assert [row.name for row in rows if row.how == "synonym"] == [
        "aeroplane", "diningtable", "motorbike", "pottedplant", "sofa", "tvmonitor",
    ]  # fmt: skip
    assert [row.source for row in assign(VOC, VOC)] == list(range(21))


def test_coco_in_voc() -> None:
    rows = assign(VOC, COCO)
    assert [row.source for row in rows if row.how != "anew"] == sorted(
        range(21), key=lambda label: IN_80[label]
    )
    assert sum(row.how == "anew" for row in rows) == 60


def test_coco_of_91_ids_with_many_called_the_same() -> None:
    names = ["N/A"] * 91
    for item in COCO.items[1:]:
        if item.label in IN_80:
            names[IN_91[IN_80.index(item.label)]] = item.display_name
    items = [LabelMapItem(str(i), i, name) for i, name in enumerate(names)]
    assert [row.source for row in assign(LabelMap(items), VOC)] == IN_91


@pytest.mark.parametrize("logistic", [False, True])
@pytest.mark.parametrize("new_names", ["", "_new"])
def test_each_class_computes_what_it_did(logistic: bool, new_names: str) -> None:
    result = moved(COCO, VOC, logistic=logistic, suffix=new_names)
    assert [head[1:] for head in result.heads] == [("a_conf", 3), ("b_conf", 6)]
    assert result.kept == ["a", "b", "loc", "prior"]
    assert result.anew == result.left_out == []
    old, new = parse_graph(detector(81)), parse_graph(detector(21, logistic, new_names))
    before = confidences(old, a_model(detector(81)).layers, 81)
    after = confidences(new, result.layers, 21)
    np.testing.assert_allclose(after, before[:, :, IN_80], rtol=1e-5, atol=1e-5)


def test_the_other_way_unknown_classes_start_anew() -> None:
    result = moved(VOC, COCO)
    array = result.layers[2].arrays[0].reshape(3, 81, -1)
    anew = [row.label for row in result.classes if row.how == "anew"]
    assert len(anew) == 60
    assert 0.009 < array[:, anew].std() < 0.011  # the net's filler
    assert (result.layers[2].arrays[1].reshape(3, 81)[:, anew] == 0.25).all()
    again = moved(VOC, COCO)
    assert (again.layers[2].arrays[0] == result.layers[2].arrays[0]).all()


def test_map_and_like() -> None:
    old = LabelMap.from_names(["cat", "dog"])
    new = LabelMap.from_names(["kitten", "dog", "wolf", "cup"])
    rows = assign(old, new, {"kitten": "cat"}, {"wolf": "dog", "dog": "cat"})
    assert [(r.source, r.how) for r in rows] == [
        (0, "background"), (1, "map"), (2, "name"), (2, "like"), (None, "anew"),
    ]  # fmt: skip
    assert assign(old, new, {"dog": "cat"})[2].source == 1
    for tables in ({"kittn": "cat"}, {"kitten": "cet"}):
        for how in (0, 1):
            with pytest.raises(UsageError) as caught:
                assign(old, new, *([tables, None] if how == 0 else [None, tables]))
            assert "Did you mean" in caught.value.hint


def test_case_and_ids_do_not_matter() -> None:
    old = LabelMap([LabelMapItem("0", 0, "bg"), LabelMapItem("17", 1, "Traffic  Light")])
    new = LabelMap.from_names(["traffic light"])
    assert assign(old, new)[1].source == 1
    assert assign(old, LabelMap.from_names(["17"]))[1].source == 1


def test_a_class_starts_like_another() -> None:
    old, new = LabelMap.from_names(["cat"]), LabelMap.from_names(["cup", "cat"])
    result = moved(old, new, like={"cup": "cat"})
    array = result.layers[2].arrays[0].reshape(3, 3, -1)
    assert (array[:, 1] == array[:, 2]).all()


def test_other_numbers_of_priors() -> None:
    with pytest.raises(InputError, match="3 priors a place in the file, but num_output 84"):
        moved(COCO, VOC, priors=(4, 6))


def test_a_wrong_labelmap_of_the_weights() -> None:
    rows = assign(COCO, VOC)
    with pytest.raises(InputError, match="no multiple of 81 classes"):
        transfer(a_model(detector(20)), COCO, parse_graph(detector(21)), rows)


def test_a_wrong_labelmap_of_the_net() -> None:
    with pytest.raises(InputError, match="num_classes is 20, but its labelmap has 21"):
        transfer(a_model(detector(81)), COCO, parse_graph(detector(20)), assign(COCO, VOC))


def test_no_detector() -> None:
    with pytest.raises(InputError, match="no detector"):
        find_confidence_layers(parse_graph(FOUR + conv("c", "data", "c")))


def test_num_classes_that_disagree() -> None:
    text = detector(21) + layer(
        "DetectionOutput",
        "two",
        "loc conf prior",
        "two",
        "detection_output_param { num_classes: 2 }",
    )
    with pytest.raises(InputError, match=r"\[2, 21\]"):
        find_confidence_layers(parse_graph(text))


def test_outputs_that_are_not_ordered_by_class() -> None:
    """Taken as they are where no class changes its place, else refused."""
    text = detector(21).replace('bottom: "c_a" top: "p_a"', 'bottom: "n_a" top: "p_a"')
    parts = text.split('layer { name: "a_conf_perm"')
    text = parts[0] + bn("n", "c_a", "n_a") + 'layer { name: "a_conf_perm"' + parts[1]
    graph, model = parse_graph(text), a_model(text)
    assert [node.name for node in find_confidence_layers(graph).others] == ["n"]
    kept = transfer(model, VOC, graph, assign(VOC, VOC))
    assert "a_conf" in kept.kept
    shuffled = LabelMap.from_names([item.name for item in VOC][:0:-1])
    with pytest.raises(InputError, match="through BatchNorm"):
        transfer(model, VOC, graph, assign(VOC, shuffled))
    text = detector(21).replace("order: 0 order: 2 order: 3 order: 1", "order: 0 order: 3 order: 2")
    with pytest.raises(InputError, match="through Permute"):
        transfer(a_model(detector(21)), VOC, parse_graph(text), assign(VOC, shuffled))


def test_layers_of_other_shapes_start_anew() -> None:
    model = a_model(detector(81))
    model["a"].pop()
    model["b"].__setitem__(0, model["b"][0][:3])
    model["loc"].__setitem__(0, model["loc"][0][..., :2])
    model.layers.append(LayerWeights("more", "Scale", [np.zeros(3, np.float32)]))
    result = transfer(model, COCO, parse_graph(detector(21)), assign(COCO, VOC))
    assert [line.split(":")[0] for line in result.anew] == ["a", "b", "loc"]
    assert result.left_out == ["more"]
    assert "1 arrays in the file" in result.anew[0]
    assert "kernel" in result.anew[2]
    model["a_conf"].__setitem__(0, model["a_conf"][0][..., :2])
    with pytest.raises(InputError, match="kernel"):
        transfer(model, COCO, parse_graph(detector(21)), assign(COCO, VOC))


def test_old_shapes_of_biases() -> None:
    model = a_model(detector(81))
    model["a_conf"].__setitem__(1, model["a_conf"][1].reshape(1, 1, 1, -1))
    result = transfer(model, COCO, parse_graph(detector(21)), assign(COCO, VOC))
    assert result.layers[2].arrays[1].shape == (63,)


def test_heads_that_the_file_lacks_start_anew() -> None:
    model = a_model(detector(81))
    model.layers = [layer for layer in model.layers if layer.name != "a_conf"]
    result = transfer(model, COCO, parse_graph(detector(21)), assign(COCO, VOC))
    assert result.anew == ["a_conf: not in the file"]
    assert [name for name, _, _ in result.heads] == ["b_conf"]


def test_a_filler_that_fills_no_class() -> None:
    text = detector(81).replace('type: "gaussian" std: 0.01', 'type: "bilinear"')
    with pytest.raises(InputError, match="bilinear"):
        transfer(a_model(detector(21)), VOC, parse_graph(text), assign(VOC, COCO))


# ---- the command ----


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    model = a_model(detector(81))
    (tmp_path / "coco.caffemodel").write_bytes(to_bytes(model.net, model.layers))
    (tmp_path / "train.prototxt").write_text(detector(21, suffix="_new"))
    maps = ROOT / "labelmaps"
    return [
        tmp_path / "coco.caffemodel",
        "--from", maps / "labelmap_coco.prototxt",
        "--to", maps / "labelmap_voc.prototxt",
        "--net", tmp_path / "train.prototxt",
        "-o", tmp_path / "voc.caffemodel",
    ]  # fmt: skip


def test_the_command(files: list[object], tmp_path: Path, run: Any) -> None:
    done = run("transfer", *files)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[2].split() == ["1", "aeroplane", "5", "airplane", "another", "spelling"]
    assert lines[8].split() == ["7", "car", "3", "car", "the", "same", "name"]
    assert lines[24].split() == ["a_conf_new", "a_conf", "3"]
    assert lines[27] == "4 other layers kept"
    layers = read_caffemodel(tmp_path / "voc.caffemodel").layers
    assert layers[2].arrays[0].shape == (63, 4, 3, 3)
    assert run("transfer", *files).out == done.out  # it lies there already
    assert "--redo" in run("transfer", *files, "--map", "sheep=cow").err
    done = run("transfer", *files, "--redo", "--json", "--map", "sheep=cow")
    assert done.json["classes"][17]["source"] == 20  # as VOC.s cow
    assert done.json["heads"][0] == {"layer": "a_conf_new", "from": "a_conf", "priors": 3}
    assert run("transfer", *files, "--redo", "--like", "sheep").status == 2
    assert run("transfer", *files, "--redo", "--like", "shep=cow").status == 2
    assert run("transfer", *files[:-2]).status == 2
