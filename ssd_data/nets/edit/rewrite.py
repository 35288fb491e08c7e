"""A merged net's prototxt: the text as it was, but for what the merge changed.

Comments, order, spacing and fields of other forks stay. What the edited text says is compared with
the merged net; where it is not the same, the net is written anew instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ssd_data.core.errors import InputError
from ssd_data.nets.edit.merge_bn import Merge
from ssd_data.nets.graph import Graph, parse_graph
from ssd_data.nets.phases import takes_part
from ssd_data.nets.prototxt import parse_prototxt, to_text
from ssd_data.proto import caffe_pb2

_TOKEN = re.compile(
    r"""\#[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | [{}<>:] | [^\s\#"'{}<>:]+""", re.X
)
_WITH_BIAS = {"convolution_param", "inner_product_param"}
Span = tuple[int, int]


@dataclass(slots=True)
class _LayerText:
    """Where a layer stands, and within it the values that a merge changes."""

    start: int
    end: int = 0
    tops: list[Span] = field(default_factory=list)
    bias_terms: list[Span] = field(default_factory=list)


def merged_text(text: str, graph: Graph, merge: Merge) -> str:
    """The prototxt of the merged net; layers of other phases are left out as well.

    Args:
        text: the prototxt that ``graph`` came from.
        graph: its layers in the merge's phase.
        merge: what was merged.
    """
    edited = _edit(text, graph, merge)
    net = merge.merged.graph.net
    try:
        said = parse_graph(edited, graph.phase).net
    except InputError:
        return to_text(net)
    said.state.CopyFrom(net.state)
    return edited if said == net else to_text(net)


def _edit(text: str, graph: Graph, merge: Merge) -> str:
    message = parse_prototxt(text, caffe_pb2.NetParameter, graph.origin).message
    params = message.layer
    layers = list(_layers(text))
    if len(params) != len(layers):  # the old form, which knows no BatchNorm
        return text
    index = len(graph.nodes) - sum(takes_part(param, graph.net.state) for param in params)
    changes: list[tuple[int, int, str]] = []
    for param, layer in zip(params, layers, strict=True):
        if not takes_part(param, graph.net.state):
            changes.append((*_whole_lines(text, layer.start, layer.end), ""))
            continue
        if index in merge.into:
            changes.append((*_whole_lines(text, layer.start, layer.end), ""))
        if index in merge.into.values():
            changes += [(*span, "true") for span in layer.bias_terms]
        if index in merge.tops:
            place, name = merge.tops[index]
            changes += [(*span, f'"{name}"') for span in layer.tops[place : place + 1]]
        index += 1
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _whole_lines(text: str, start: int, end: int) -> Span:
    """The span with the rest of its lines, where nothing else stands on them."""
    before = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end) + 1 or len(text)
    if text[before:start].strip() or text[end:after].strip():
        return start, end
    return before, after


def _layers(text: str) -> Iterator[_LayerText]:
    """The layers of a net's text that protobuf could parse."""
    path: list[str] = []  # names of the messages that are open
    layer = _LayerText(0)
    name = before = ""
    name_start = before_start = 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word.startswith("#"):
            continue
        if word in ":{<" and before != ":":
            name, name_start = before, before_start
        if word in "{<":
            path.append(name)
            if path == ["layer"]:
                layer = _LayerText(name_start)
        elif word in "}>":
            if path == ["layer"]:
                layer.end = token.end()
                yield layer
            path = path[:-1]
        elif before == ":":
            if path == ["layer"] and name == "top":
                layer.tops.append(token.span())
            elif len(path) == 2 and path[1] in _WITH_BIAS and name == "bias_term":
                layer.bias_terms.append(token.span())
        before, before_start = word, token.start()
