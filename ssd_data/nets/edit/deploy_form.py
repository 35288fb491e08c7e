"""The deploy form of a net for training or for testing.

Its data layer becomes an Input of the size that it gives to pictures; what only labels lead to is
left out; a MultiBoxLoss, where the net has no DetectionOutput, becomes what test nets have in its
place: Softmax (or Sigmoid, by its ``conf_loss_type``) and DetectionOutput.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.nets.detection import DETECTION_PARAMS, DETECTION_TYPE
from ssd_data.nets.edit.given_picture import channels_of, given_picture
from ssd_data.nets.graph import Graph, Node, to_graph, wire
from ssd_data.nets.phases import Phase, takes_part
from ssd_data.nets.prototxt import Prototxt, read_prototxt
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

TRAIN, TEST = caffe_pb2.TRAIN, caffe_pb2.TEST
LOSS_TYPES = {"MultiBoxLoss", "MultiBoxFocalLoss"}  # which say the same of their heads
HINT = "Give the deploy net; ssd-data model writes one"
# The published test nets' of SSD, where only a loss is there.
OVERLAP, TOP_K, KEEP_TOP_K, SCORE = 0.45, 400, 200, 0.01
# What stands in a classifier's loss's place.
_SCORES = {
    "SoftmaxWithLoss": "Softmax",
    "SigmoidCrossEntropyLoss": "Sigmoid",
    "SoftmaxWithFocalLoss": "Softmax",
}
_SOURCELESS = {"Input", "Parameter", "DummyData"}  # give what a deploy net may have, too
# Where fields of forks say how pictures are read, drawn from and judged: a deploy net does neither.
_FEEDING = {
    "AnnotatedDataParameter", "DataParameter", "ImageDataParameter", "VideoDataParameter",
    "BatchSampler", "Sampler", "SampleConstraint", "EmitConstraint", "NoiseParameter",
    "DistortionParameter", "ExpansionParameter", "DetectionEvaluateParameter",
}  # fmt: skip
_JUDGES = {"Accuracy", "DetectionEvaluate", "Silence", "HDF5Output"}


def read_deploy_form(path: Path | str, weights: Path | None = None) -> Graph:
    """A deploy net as it is; of a net for training or testing its deploy form.

    >>> read_deploy_form("tiny_ssd/deploy.prototxt").made
    ''
    >>> graph = read_deploy_form("tiny_ssd/train.prototxt")
    >>> graph.input_shape(), graph.nodes[-1].type
    ((1, 3, 128, 128), 'DetectionOutput')

    Args:
        weights: its caffemodel, which is asked for the number of channels where the data layer does
            not say it.

    Returns:
        The graph; its ``made`` says what was done, where something was.

    Raises:
        InputError: the file is no net, or its pictures' size or its end cannot be told.
    """
    source = read_prototxt(path, caffe_pb2.NetParameter)
    phase = _phase(source)
    if phase is None:
        return to_graph(source, "TEST")
    source = replace(source, foreign=[f for f in source.foreign if f.scope not in _FEEDING])
    return _Maker(to_graph(source, phase), source, weights).graph()


def _phase(source: Prototxt[caffe_pb2.NetParameter]) -> Phase | None:
    """The phase whose layers make the deploy form; None for a deploy net, and for one that nothing
    feeds. Of two that are fed the one with a detector's end, the test's before the training's."""
    net = upgrade(source.message, source.origin)
    parts = {phase: _taking_part(net, phase, source.origin) for phase in (TEST, TRAIN)}
    if any(layer.type == "Input" for layer in parts[TEST]):
        return None
    fed = [phase for phase, layers in parts.items() if any(map(_gives, layers))]
    for kinds in (DETECTION_PARAMS, LOSS_TYPES):
        for phase in fed:
            if any(layer.type in kinds for layer in parts[phase]):
                return phase
    return fed[0] if fed else None


def _taking_part(
    net: caffe_pb2.NetParameter, phase: Phase, origin: str
) -> list[caffe_pb2.LayerParameter]:
    state = caffe_pb2.NetState()
    state.CopyFrom(net.state)
    state.phase = phase  # type: ignore[assignment]
    return [layer for layer in net.layer if takes_part(layer, state, origin)]


def _gives(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether a layer reads pictures from somewhere."""
    return not layer.bottom and bool(layer.top) and layer.type not in _SOURCELESS


class _Maker:
    """Makes the deploy form of a net.

    Args:
        body: the net in the phase that it is made from. source: as it was read.
        weights: see :func:`read_deploy_form`.
    """

    def __init__(
        self,
        body: Graph,
        source: Prototxt[caffe_pb2.NetParameter],
        weights: Path | None,
    ) -> None:
        self.body, self.source, self.weights = body, source, weights
        self.layers: list[caffe_pb2.LayerParameter] = []
        self.places: list[str] = []
        self.said: list[str] = []

    def graph(self) -> Graph:
        """The deploy net."""
        ends, losses = self._ends()
        kept = self._kept(ends, losses)
        data = self._data(kept)
        for node in kept:
            if node is data:
                self._add(self._input(node, kept), node.where)
            else:
                self._add(self._plain(node), node.where)
        for loss in losses:
            self._replace(loss)
        net = caffe_pb2.NetParameter(name=self.source.message.name)
        net.layer.extend(self.layers)
        made = to_graph(net, "TEST", origin=self.source.origin, places=self.places)
        made.as_written = False
        kind = "testing" if self.body.phase == TEST else "training"
        name = Path(self.source.origin).name
        made.made = f"{name} is a net for {kind}; its deploy form is taken: {', '.join(self.said)}"
        return made

    def _add(self, layer: caffe_pb2.LayerParameter, where: str) -> None:
        self.layers.append(layer)
        self.places.append(where)

    # ---- what stays ----

    def _ends(self) -> tuple[list[str], list[Node]]:
        """The blobs that the form has to compute, and the losses to replace."""
        nodes = self.body.nodes
        if found := [node for node in nodes if node.type in DETECTION_PARAMS and node.tops]:
            return [node.tops[0] for node in found], []
        if found := [node for node in nodes if node.type in LOSS_TYPES]:
            if len(found) > 1 or len(found[0].bottoms) < 3:
                raise found[-1].error("cannot be replaced by a DetectionOutput", HINT)
            return found[0].bottoms[:3], found
        labels = self._after_labels()
        left = [n for n in nodes if not labels.intersection(n.bottoms) and n.type not in _JUDGES]
        given = {top for node in left if not node.bottoms for top in node.tops}
        there = {(node.type, *node.bottoms[:1]) for node in left}
        losses = [
            node
            for node in nodes
            if node.type in _SCORES
            and node.bottoms
            and (_SCORES[node.type], node.bottoms[0]) not in there
        ]
        ends = [node.bottoms[0] for node in losses]
        ends += [blob for blob in wire(left).unread() if blob not in given]
        if not ends:
            raise InputError(
                "its deploy form cannot be told: it ends in nothing but what needs labels",
                where=self.body.origin,
                hint=HINT,
            )
        return list(dict.fromkeys(ends)), losses

    def _after_labels(self) -> set[str]:
        """The blobs that depend on a data layer's second top, and further ones."""
        found: set[str] = set()
        for node in self.body.nodes:
            if _gives(node.param):
                found.update(node.tops[1:])
            elif found.intersection(node.bottoms):
                found.update(node.tops)
        return found

    def _kept(self, ends: Iterable[str], losses: Sequence[Node]) -> list[Node]:
        """The layers that compute the ends, and those that silence what else these give."""
        nodes, needed = self.body.nodes, set(self.body.needed(ends))
        needed -= {i for i, node in enumerate(nodes) if any(node is loss for loss in losses)}
        tops = {t for i in needed for t in nodes[i].tops[: 1 if _gives(nodes[i].param) else None]}
        needed |= {i for i, n in enumerate(nodes) if n.type == "Silence" and tops >= {*n.bottoms}}
        return [nodes[i] for i in sorted(needed)]

    def _data(self, kept: Sequence[Node]) -> Node:
        """The one layer that the pictures come from."""
        found = [node for node in kept if _gives(node.param)]
        if len(found) != 1:
            names = ", ".join(f'"{node.name}" ({node.type})' for node in found) or "none"
            raise InputError(
                f"its deploy form cannot be told: it has not one layer of pictures, but {names}",
                where=self.body.origin,
                hint=HINT,
            )
        data = found[0]
        read = {bottom for node in kept for bottom in self._bottoms(node)}
        if more := [top for top in data.tops[1:] if top in read]:
            raise data.error(f'the net needs its top "{more[0]}" beside the pictures', HINT)
        return data

    def _bottoms(self, node: Node) -> list[str]:
        """What the layer reads there: a DetectionOutput has no use for labels."""
        if node.type != DETECTION_TYPE:
            return list(node.bottoms)
        labels = self._after_labels()
        return [*node.bottoms[:3], *(name for name in node.bottoms[3:] if name not in labels)]

    def _plain(self, node: Node) -> caffe_pb2.LayerParameter:
        """The layer without what belongs to training."""
        layer = caffe_pb2.LayerParameter()
        layer.CopyFrom(node.param)
        for field in ("include", "exclude", "phase", "propagate_down", "loss_weight"):
            layer.ClearField(field)
        layer.bottom[:] = self._bottoms(node)
        if self.body.phase == TRAIN:  # by its own averages, whatever it trains by
            layer.batch_norm_param.ClearField("use_global_stats")
            if not layer.batch_norm_param.ListFields():
                layer.ClearField("batch_norm_param")
        if layer.type == DETECTION_TYPE:
            for field in ("save_output_param", "visualize", "visualize_threshold", "save_file"):
                layer.detection_output_param.ClearField(field)
        return layer

    # ---- the input ----

    def _input(self, data: Node, kept: Sequence[Node]) -> caffe_pb2.LayerParameter:
        given = given_picture(data)
        if not given.sure and self.weights is not None:
            found = channels_of(self.weights, kept, data.tops[0])
            given.channels, given.sure = found or given.channels, found > 0
        shape = (1, given.channels, given.height, given.width)
        layer = caffe_pb2.LayerParameter(name=data.name, type="Input", top=data.tops[:1])
        layer.input_param.shape.add(dim=shape)
        text = f'an Input of {"x".join(map(str, shape))} for {data.type} "{data.name}"'
        if not given.sure:
            text += " (colour is assumed: it has neither force_color nor force_gray)"
        how = data.param.transform_param.resize_param
        if how.resize_mode == how.FIT_LARGE_SIZE_AND_PAD:
            text += " (which pads pictures: they are warped here)"
        self.said.append(text)
        return layer

    # ---- the end ----

    def _replace(self, loss: Node) -> None:
        if loss.type in LOSS_TYPES:
            self._detections(loss)
            return
        kind = _SCORES[loss.type]
        layer = self._layer(kind, "prob", loss.bottoms[:1])
        if kind == "Softmax" and loss.param.softmax_param.HasField("axis"):
            layer.softmax_param.axis = loss.param.softmax_param.axis
        self._add(layer, loss.where)
        self.said.append(f'{kind} for {loss.type} "{loss.name}"')

    def _detections(self, loss: Node) -> None:
        """Softmax or Sigmoid and DetectionOutput, as the test nets of SSD have them."""
        given = loss.param.multibox_loss_param
        if not given.num_classes:
            raise loss.error("has no num_classes")
        logistic = given.conf_loss_type == given.LOGISTIC
        locations, confidences, priors = loss.bottoms[:3]
        name = confidences.rstrip("_")
        rows = self._layer("Reshape", f"{name}_reshape", [confidences])
        rows.reshape_param.shape.dim.extend([0, -1, given.num_classes])
        kind = "Sigmoid" if logistic else "Softmax"
        scores = self._layer(kind, f"{name}_{kind.lower()}", rows.top)
        if not logistic:
            scores.softmax_param.axis = 2
        flat = self._layer("Flatten", f"{name}_flatten", scores.top)
        flat.flatten_param.axis = 1
        end = self._layer(DETECTION_TYPE, "detection_out", [locations, flat.top[0], priors])
        param = end.detection_output_param
        param.num_classes, param.share_location = given.num_classes, given.share_location
        param.background_label_id, param.code_type = given.background_label_id, given.code_type
        if given.encode_variance_in_target:
            param.variance_encoded_in_target = True
        param.nms_param.nms_threshold, param.nms_param.top_k = OVERLAP, TOP_K
        param.keep_top_k, param.confidence_threshold = KEEP_TOP_K, SCORE
        for layer in (rows, scores, flat, end):
            self._add(layer, loss.where)
        self.said.append(
            f'{kind} and DetectionOutput for {loss.type} "{loss.name}" (SSD\'s thresholds: score '
            f"{SCORE:g}, overlap {OVERLAP:g}, {KEEP_TOP_K} boxes a picture)"
        )

    def _layer(self, kind: str, name: str, bottoms: Iterable[str]) -> caffe_pb2.LayerParameter:
        """A new layer, whose one top has its name; the name is no other's."""
        taken = {layer.name for layer in self.layers} | {t for x in self.layers for t in x.top}
        while name in taken:
            name += "_"
        return caffe_pb2.LayerParameter(name=name, type=kind, bottom=bottoms, top=[name])
