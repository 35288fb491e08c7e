"""Nets that end map by map, and those that do not."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402

from ssd_data.nets.onnx.maps import maps_of_heads  # noqa: E402

SHAPE = [1, 6, 4, 5]


def model(nodes: list, outputs: dict[str, list[int]]):
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()]
    flat = helper.make_tensor("flat", TensorProto.INT64, [2], [1, -1])
    rows = helper.make_tensor("rows", TensorProto.INT64, [3], [1, -1, 3])
    unused = helper.make_tensor("unused", TensorProto.FLOAT, [1], [0.0])
    graph = helper.make_graph(nodes, "g", [given], ends, [flat, rows, unused])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def turned(name: str, perm: tuple[int, ...] = (0, 2, 3, 1), axis: str = "flat") -> list:
    return [
        helper.make_node("Transpose", [name], [f"{name}_t"], perm=list(perm)),
        helper.make_node("Reshape", [f"{name}_t", axis], [f"{name}_f"]),
    ]


BODY = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
JOIN = helper.make_node("Concat", ["a_f", "b_f"], ["joined"], axis=1)
END = helper.make_node("Reshape", ["joined", "rows"], ["out"])
CASES = {
    "maps": ([*BODY, *turned("a"), *turned("b"), JOIN, END], ["a", "b"], [1, 80, 3]),
    "one map": ([*BODY, *turned("b")[:1], helper.make_node("Reshape", ["b_t", "rows"], ["out"])],
                ["b"], [1, 40, 3]),
    "one map twice": ([*BODY, *turned("a"),
                       helper.make_node("Concat", ["a_f", "a_f"], ["joined"], axis=1), END],
                      ["a", "a"], [1, 80, 3]),
    "turned otherwise": ([*BODY, *turned("a", (0, 3, 2, 1)), *turned("b"), JOIN, END],
                         ["out"], [1, 80, 3]),
    "along another axis": ([*BODY, *turned("a", axis="rows"), *turned("b", axis="rows"),
                            helper.make_node("Concat", ["a_f", "b_f"], ["out"], axis=2)],
                           ["out"], [1, 40, 6]),
    "the input itself": ([*turned("x"), *BODY, *turned("a"),
                          helper.make_node("Concat", ["x_f", "a_f"], ["joined"], axis=1), END],
                         ["out"], [1, 80, 3]),
    "something computed behind": ([*BODY, *turned("a"), *turned("b"), JOIN,
                                   helper.make_node("Sigmoid", ["joined"], ["out"])],
                                  ["out"], [1, 240]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_joined_they_are_what_the_net_gave(case: str) -> None:
    nodes, wanted, shape = CASES[case]
    whole = model(nodes, {"out": shape})
    made = maps_of_heads(whole)
    assert made.heads == {"out": wanted}
    assert list(made.shapes) == list(dict.fromkeys(wanted))
    assert "unused" not in {one.name for one in made.model.graph.initializer}
    onnx.checker.check_model(made.model)
    value = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    before = onnxruntime.InferenceSession(whole.SerializeToString()).run(None, {"x": value})[0]
    cut = onnxruntime.InferenceSession(made.model.SerializeToString())
    values = cut.run(list(made.shapes), {"x": value})
    assert [one.shape for one in values] == list(made.shapes.values())
    assert (made.joined(values)["out"].ravel() == before.ravel()).all()
    kinds = {node.op_type for node in made.model.graph.node}
    assert ("Concat" in kinds) == (wanted == ["out"])


def test_all_values_are_counted() -> None:
    nodes, _, shape = CASES["maps"]
    assert maps_of_heads(model(nodes, {"out": shape})).values == 2 * 120
