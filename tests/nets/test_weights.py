"""Caffemodels looked into and compared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.prototxts import FOUR, bn, conv, layer, random_weights, scale

from ssd_data.nets.caffemodel import Caffemodel, LayerWeights, read_caffemodel, write_caffemodel
from ssd_data.nets.edit.stats import difference, stats
from ssd_data.nets.graph import parse_graph

TEXT = (
    FOUR
    + conv("c", "data", "c", outputs=6)
    + bn("b", "c", "c")
    + scale("s", "c", "c")
    + layer("ReLU", "r", "c", "c")
    + layer(
        "Deconvolution",
        "d",
        "c",
        "d",
        "convolution_param { num_output: 4 kernel_size: 2 group: 2 }",
    )
    + layer("InnerProduct", "i", "d", "i", "inner_product_param { num_output: 5 transpose: true }")
)
GRAPH = parse_graph(TEXT)


def a_model(seed: int = 0) -> Caffemodel:
    return Caffemodel(random_weights(GRAPH, seed), net=GRAPH.net)


def test_ranges() -> None:
    model = a_model()
    rows = {(row.layer, row.index): row for row in stats(model)}
    assert len(rows) == 11
    for (name, index), row in rows.items():
        array = model[name][index]
        assert (row.shape, row.count) == (array.shape, array.size)
        assert row.least == pytest.approx(array.min())
        assert row.most == pytest.approx(array.max())
        assert row.mean == pytest.approx(array.mean(dtype=np.float64))
        assert row.std == pytest.approx(array.std(dtype=np.float64))
        assert (row.nan, row.infinite, row.zeros, row.dead or 0) == (0, 0, 0, 0)
    judged = {key: row.channels for key, row in rows.items() if row.dead is not None}
    expected = {("c", 0): 6, ("b", 1): 6, ("s", 0): 6, ("d", 0): 4, ("i", 0): 5}
    assert judged == expected


def test_dead_channels() -> None:
    model = a_model()
    model["c"][0][[1, 4]] = 1e-9
    model["b"][1][2] = 1e-9
    model["s"][0][:] = 0
    model["d"][0][3:, 1] = 0  # inputs 3 to 5 are the second group's, its second output is 3
    model["i"][0][:, 0] = 0
    dead = {(row.layer, row.index): row.dead for row in stats(model) if row.dead}
    assert dead == {("c", 0): 2, ("b", 1): 1, ("s", 0): 6, ("d", 0): 1, ("i", 0): 1}


def test_nan_and_infinity() -> None:
    model = a_model()
    model["c"][0][0, 0] = np.nan
    model["c"][0][1, 0, 0, 0] = -np.inf
    model["b"][2][...] = np.nan
    rows = {(row.layer, row.index): row for row in stats(model)}
    row = rows["c", 0]
    assert (row.nan, row.infinite, row.dead) == (9, 1, 0)
    assert math.isfinite(row.least)
    assert math.isfinite(row.std)
    assert rows["b", 2].nan == 1
    assert math.isnan(rows["b", 2].most)


def test_arrays_that_do_not_fit_their_layer() -> None:
    model = a_model()
    model["c"].__setitem__(0, np.zeros((5, 3), np.float32))
    model["i"].__setitem__(0, np.zeros((0,), np.float32))
    model.layers.append(LayerWeights("no param", "Convolution", [np.zeros(3, np.float32)]))
    model.layers.append(LayerWeights("scalar", "Scale", [np.float32(2).reshape(())]))
    rows = {(row.layer, row.index): row for row in stats(model)}
    for name in ("c", "i", "no param", "scalar"):
        assert rows[name, 0].dead is None


def test_no_difference() -> None:
    model = a_model()
    model["c"][0][0] = np.nan
    again = a_model()
    again["c"][0][0] = np.nan
    assert {row.state for row in difference(model.layers, again.layers)} == {"same"}


def test_differences() -> None:
    first, second = a_model(), a_model()
    second["c"][0][0, 0, 0, 0] += np.float32(0.5)
    second["b"][1][0] = np.nan
    second["s"].pop()
    second["d"].__setitem__(0, second["d"][0].reshape(-1))
    second.layers[-1].name = "new"
    rows = difference(first.layers, second.layers)
    assert [(r.layer, r.index, r.state) for r in rows if r.state != "same"] == [
        ("c", 0, "differs"),
        ("b", 1, "differs"),
        ("s", 1, "only in the first"),
        ("d", 0, "other shape"),
        ("i", 0, "only in the first"),
        ("i", 1, "only in the first"),
        ("new", 0, "only in the second"),
        ("new", 1, "only in the second"),
    ]
    assert rows[0].largest == pytest.approx(0.5)
    assert rows[0].scale == np.abs(first["c"][0]).max()
    assert rows[3].largest == np.inf


def test_layers_of_one_name_are_compared_in_order() -> None:
    arrays = [np.full(3, value, np.float32) for value in (1, 2)]
    layers = [LayerWeights("x", "Scale", [array]) for array in arrays]
    rows = difference(layers, layers[::-1])
    assert [(row.state, row.largest) for row in rows] == [("differs", 1.0)] * 2


# ---- the command ----


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model = a_model()
    write_caffemodel(tmp_path / "a.caffemodel", GRAPH.net, model.layers)
    model["c"][0][0, 0, 0, 0] += np.float32(1e-3)
    write_caffemodel(tmp_path / "b.caffemodel", GRAPH.net, model.layers)
    return tmp_path / "a.caffemodel", tmp_path / "b.caffemodel"


@pytest.mark.parametrize("name", ["show", "diff", "stats"])
def test_help(name: str, run: Any) -> None:
    done = run("weights", name, "--help")
    assert done.status == 0
    assert f"ssd-data weights {name}" in done.out
    assert "--json" in done.out
    assert "-q, --quiet" in done.out


def test_show(files: tuple[Path, Path], run: Any) -> None:
    lines = run("weights", "show", files[0]).out.splitlines()
    assert lines[0].split() == ["layer", "type", "values", "shapes"]
    assert lines[1].split() == ["c", "Convolution", "222", "6x4x3x3,", "6"]
    assert lines[-1].startswith("5 layers, ")
    found = run("weights", "show", files[0], "--json").json
    assert found["layers"][1] == {"name": "b", "type": "BatchNorm", "shapes": [[6], [6], [1]]}
    assert run("weights", "show", files[0], "-q").out == ""


def test_diff(files: tuple[Path, Path], run: Any) -> None:
    done = run("weights", "diff", *files)
    assert done.status == 1
    assert done.out.splitlines()[1].split()[:4] == ["c", "0", "differs", "0.001"]
    assert "1 of 11 arrays differ" in done.out
    assert run("weights", "diff", *files, "--tolerance", "0.01").status == 0
    assert run("weights", "diff", files[0], files[0]).status == 0
    assert run("weights", "diff", *files, "--json").json["different"] == 1
    assert run("weights", "diff", *files, "--tolerance", "-1").status == 2


def test_stats_says_what_is_ill(files: tuple[Path, Path], run: Any) -> None:
    done = run("weights", "stats", files[0])
    assert done.status == 0
    assert done.out.endswith("no NaN, no infinite, no dead channels\n")
    model = read_caffemodel(files[0])
    model["b"][2][...] = np.nan
    model["c"][0][0] = 0
    write_caffemodel(files[0], GRAPH.net, model.layers)
    done = run("weights", "stats", files[0])
    assert done.status == 1
    assert done.out.endswith("1 NaN, no infinite, 1 dead channels\n")
    found = run("weights", "stats", files[0], "--json").json["arrays"]
    assert (found[4]["nan"], found[4]["most"]) == (1, "nan")


def test_names_cannot_write_to_the_terminal(tmp_path: Path, run: Any) -> None:
    net = parse_graph(TEXT.replace('name: "i"', 'name: "\\033[2J"')).net
    layers = a_model().layers
    layers[-1].name = "\033[2J"
    write_caffemodel(tmp_path / "x.caffemodel", net, layers)
    for name in ("show", "stats"):
        assert "\033" not in run("weights", name, tmp_path / "x.caffemodel").out


def test_other_files(tmp_path: Path, run: Any) -> None:
    page = tmp_path / "x.caffemodel"
    page.write_text("<!DOCTYPE html>")
    for name in ("show", "stats"):
        done = run("weights", name, page)
        assert done.status == 1
        assert "web page" in done.err
    assert run("weights", "show", tmp_path / "none").status == 1
    assert run("weights", "shew", page).status == 2
