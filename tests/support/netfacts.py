"""Tables of facts about nets: one line a layer, its parameters and the shapes of its tops.

``python tests/support/netfacts.py "SOURCE" STAGE=NET.prototxt … solver=SOLVER.prototxt`` prints one
from published prototxts; the tests compare generated nets with it, row by row. A row says which
stages' nets have it (``train``, ``test``, ``deploy``): most are in all. A field that equals its
default and one that is absent are the same, so are ``stride: 1`` and none; shapes are those of one
picture.
"""

import json
import math
import sys
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from ssd_data.nets.prototxt import read_prototxt
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

Shape = tuple[int, ...]
Row = tuple[str, ...]  # name, type, bottoms, tops, shapes of the tops, parameters
SPATIAL = {"pad": 0, "stride": 1, "dilation": 1}  # repeated fields with a default all the same


def table(nets: Mapping[str, caffe_pb2.NetParameter]) -> list[tuple[str, Row]]:
    """The rows of all stages' nets, each with the stages that have it, in an order fit for all."""
    merged: list[tuple[str, Row]] = []
    for stage, net in nets.items():
        rows = facts(net)
        old = [row for _, row in merged]
        steps = SequenceMatcher(None, old, rows, autojunk=False).get_opcodes()
        found = []
        for step, a, b, c, d in steps:
            if step == "equal":
                found += [(f"{stages} {stage}", row) for stages, row in merged[a:b]]
            else:
                found += [*merged[a:b], *((stage, row) for row in rows[c:d])]
        merged = found
    return merged


def read_table(path: Path) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """For each stage its rows, and the solver's fields."""
    nets: dict[str, list[Row]] = {}
    solver: dict[str, Any] = {}
    for line in path.read_text().splitlines():
        first, *row = line.split("\t")
        if first == "solver":
            solver = json.loads(row[0])
        elif not first.startswith("#"):
            for stage in first.split():
                nets.setdefault(stage, []).append(tuple(row))
    return nets, solver


def facts(net: caffe_pb2.NetParameter) -> list[Row]:
    """A row for each layer."""
    shapes: dict[str, Shape] = {}
    rows = []
    for layer in upgrade_all(net).layer:
        made = top_shapes(layer, shapes)
        shapes.update(zip(layer.top, made, strict=True))
        rows.append((
            layer.name, layer.type, " ".join(layer.bottom), " ".join(layer.top),
            " ".join("x".join(map(str, shape)) for shape in made),
            json.dumps(parameters(layer), sort_keys=True, separators=(",", ":")),
        ))  # fmt: skip
    return rows


def solver_facts(solver: caffe_pb2.SolverParameter) -> dict[str, Any]:
    plain = caffe_pb2.SolverParameter()
    plain.CopyFrom(solver)
    return MessageToDict(without_defaults(plain), preserving_proto_field_name=True)


def upgrade_all(net: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """Inputs as layers; the rates of BatchNorm's statistics stay, unlike in a net that is run."""
    kept = caffe_pb2.NetParameter()
    kept.CopyFrom(net)
    done = upgrade(net, "net")
    shift = len(done.layer) - len(kept.layer)
    for index, layer in enumerate(kept.layer):
        done.layer[index + shift].CopyFrom(layer)
    return done


def parameters(layer: caffe_pb2.LayerParameter) -> dict[str, Any]:
    rest = caffe_pb2.LayerParameter()
    rest.CopyFrom(layer)
    for field in ("name", "type", "bottom", "top"):
        rest.ClearField(field)
    for field, default in SPATIAL.items():
        if list(getattr(rest.convolution_param, field)) == [default]:
            rest.convolution_param.ClearField(field)
    if not rest.convolution_param.ListFields():
        rest.ClearField("convolution_param")
    return MessageToDict(without_defaults(rest), preserving_proto_field_name=True)


def without_defaults(message: Message) -> Message:
    """The message without fields that say their default; empty submessages stay."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in [value] if isinstance(value, Message) else value:
                without_defaults(child)
        elif not hasattr(value, "append") and value == field.default_value:
            message.ClearField(field.name)
    return message


def top_shapes(layer: caffe_pb2.LayerParameter, shapes: dict[str, Shape]) -> list[Shape]:
    """Shapes of a layer's tops, by the rules of each layer's Reshape in the SSD branch."""
    ins = [shapes[name] for name in layer.bottom]
    if layer.type == "AnnotatedData":
        size = layer.transform_param.resize_param
        return [(1, 3, size.height, size.width), (1, 1, 1, 8)]
    if layer.type == "Input":
        return [tuple(layer.input_param.shape[0].dim)]
    if layer.type == "Convolution":
        n, _, *sides = ins[0]
        p = layer.convolution_param
        kernel, pad, stride, dilation = (
            (list(getattr(p, f)) or [d])[0] for f, d in {"kernel_size": 1, **SPATIAL}.items()
        )
        reach = dilation * (kernel - 1) + 1
        return [(n, p.num_output, *((s + 2 * pad - reach) // stride + 1 for s in sides))]
    if layer.type == "Pooling":
        n, c, *sides = ins[0]
        q = layer.pooling_param
        return [(n, c, *(pooled(s, q.kernel_size, q.stride, q.pad) for s in sides))]
    if layer.type == "Slice":
        axis, point = layer.slice_param.axis, layer.slice_param.slice_point[0]
        whole = list(ins[0])
        return [(*whole[:axis], part, *whole[axis + 1 :]) for part in (point, whole[axis] - point)]
    if layer.type == "Permute":
        return [tuple(ins[0][i] for i in layer.permute_param.order)]
    if layer.type == "Flatten":
        axis = layer.flatten_param.axis
        return [(*ins[0][:axis], math.prod(ins[0][axis:]))]
    if layer.type == "Concat":
        axis = layer.concat_param.axis
        whole = list(ins[0])
        whole[axis] = sum(shape[axis] for shape in ins)
        return [tuple(whole)]
    if layer.type == "Reshape":
        batch, last = ins[0][0], layer.reshape_param.shape.dim[2]
        return [(batch, math.prod(ins[0][1:]) // last, last)]
    if layer.type == "PriorBox":
        return [(1, 2, ins[0][2] * ins[0][3] * priors(layer.prior_box_param) * 4)]
    if layer.type == "DetectionOutput":
        return [(1, 1, 1, 7)]
    if layer.type == "DetectionEvaluate":
        return [(1, 1, layer.detection_evaluate_param.num_classes - 1, 5)]  # grows with detections
    if layer.type == "MultiBoxLoss":
        return [()]
    if layer.type == "Silence":
        return []
    return [ins[0]]


def pooled(side: int, kernel: int, stride: int, pad: int) -> int:
    count = math.ceil((side + 2 * pad - kernel) / stride) + 1
    return count - 1 if pad and (count - 1) * stride >= side + pad else count


def priors(param: caffe_pb2.PriorBoxParameter) -> int:
    ratios = 1 + len(param.aspect_ratio) * (2 if param.flip else 1)
    return ratios * len(param.min_size) + len(param.max_size)


def main(source: str, *parts: str) -> None:
    files = dict(part.split("=", 1) for part in parts)
    solver = files.pop("solver", "")
    print("#", source)
    nets = {s: read_prototxt(path, caffe_pb2.NetParameter).message for s, path in files.items()}
    for stages, row in table(nets):
        print(stages, *row, sep="\t")
    if solver:
        fields = solver_facts(read_prototxt(solver, caffe_pb2.SolverParameter).message)
        print("solver", json.dumps(fields, sort_keys=True), sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
