"""A test net's scores, as the SSD branch's test phase computes them: of a run, and alone.

PyTorch is imported where a net runs: what a real Caffe's nets give is scored here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data.lmdb.store import open_shared
from ssd_data.metrics.detection_evaluate import mean_ap
from ssd_data.nets.graph import Graph, read_graph
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.log import Tested
from ssd_data.training.options import AUTO
from ssd_data.training.save_output import Saver, wants_files
from ssd_data.training.solver_file import read_solver
from ssd_data.training.written import homes_of, outputs_of_net, require_named

if TYPE_CHECKING:
    from ssd_data.engines.torch.net import Net

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NetScores:
    """What a test net came to.

    Attributes:
        tested: its outputs, and the AP of each label.
        ap_version: which average precision; None of a classifier.
        labelmap: names the labels; None where there is none.
        savers: what wrote the files that its ``save_output_param`` asks for.
    """

    tested: Tested
    ap_version: str | None
    labelmap: LabelMap | None
    savers: list[Saver]

    @property
    def outputs(self) -> dict[str, float]:
        """Mean AP of a detection net, means of a classifier's outputs, by output."""
        return dict(self.tested.outputs)

    @property
    def classes(self) -> list[tuple[str, float]]:
        """Name and AP of each class."""
        names = self.labelmap
        return [
            (names.display_name(label) if names is not None else f"class{label}", ap)
            for label, ap in self.tested.per_class.items()
        ]

    @property
    def files(self) -> list[Path]:
        """Those of detections that were written."""
        return [file for saver in self.savers for file in saver.files]


def test(
    net: Path | str,
    weights: Path | str,
    *,
    iterations: int | None = None,
    ap_version: str | None = None,
    labelmap: Path | str | None = None,
    device: str | None = AUTO,
    write_in: Sequence[Path | str] = (),
) -> list[NetScores]:
    """Score weights as the original's test phase does: what ``ssd-data test`` does.

    Args:
        net: a solver, whose test nets run, or a test net. weights: the caffemodel.
        iterations: batches; by default the solver's ``test_iter``, of a net alone all records once.
        ap_version: ``11point``, ``MaxIntegral`` or ``Integral``; by default the solver's.
        labelmap: names the classes; by default the net's own, where it is there.
        device: as for Net; ``auto`` takes a GPU where there is one.
        write_in: folders that the nets may write into, besides the working one and that of ``net``.

    Returns:
        what each test net gave.

    Raises:
        UsageError: PyTorch or the device is missing.
        InputError: solver, net, data, weights or labelmap are wrong, or a net is to write
            elsewhere.
        OutputError: detections cannot be saved.

    >>> (scores,) = test("tiny_ssd/solver.prototxt", "tiny_ssd/random.caffemodel", iterations=1)
    >>> list(scores.outputs), scores.ap_version
    (['detection_eval'], '11point')
    """
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.engines.torch.net import Net

    names = None if labelmap is None else read_labelmap(labelmap)
    found = nets_to_test(Path(net), iterations)
    for graph, _, _ in found:
        require_named(outputs_of_net(graph, "torch"), homes_of(net, write_in))
    if names is None:
        names = _own_labelmap(found[0][0])
    results = []
    for index, (graph, param, count) in enumerate(found):
        if ap_version is not None:
            param.ap_version = ap_version
        loaded = Net(graph, weights=weights, device=device)
        tested = run_test(loaded, count, param, index=index)
        assert tested is not None  # nobody stops it
        version = param.ap_version if param.eval_type == "detection" else None
        results.append(NetScores(tested, version, names, attach_savers(loaded)))
    return results


def run_test(
    net: Net,
    count: int,
    param: caffe_pb2.SolverParameter,
    iteration: int = 0,
    index: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Tested | None:
    """Run ``count`` batches through a test net; its DetectionOutput saves what it is asked to.

    Returns:
        the scores, or None where it was stopped.

    Raises:
        InputError: ``eval_type`` is detection and an output is not DetectionEvaluate's, or what
            ``save_output_param`` names is missing or does not fit.
        OutputError: detections cannot be saved.
    """
    from ssd_data.engines.torch.blob import to_numpy

    attach_savers(net)
    detection = param.eval_type == "detection"
    rows: dict[str, list[Floats]] = {name: [] for name in net.outputs}
    loss = 0.0
    for _ in range(count):
        if stopped():
            return None
        loss += float(net.run(0, len(net.steps) - 1))
        for name in net.outputs:
            values = to_numpy(net.blobs[name].tensor)
            if detection and values.shape[-1:] != (5,):
                raise InputError(
                    f'the output "{name}" of the test net is not DetectionEvaluate\'s',
                    where=net.graph.origin,
                    hint="Silence it, or set eval_type to classification",
                )
            rows[name].append(values)
    mean_loss = loss / max(count, 1) if param.test_compute_loss else None
    outputs, classes = score_outputs(rows.items(), param)
    shows = detection and param.show_per_class_result
    return Tested(iteration, index, outputs, classes, mean_loss, shows)


def score_outputs(
    rows: Iterable[tuple[str, list[Floats]]], param: caffe_pb2.SolverParameter
) -> tuple[list[tuple[str, float]], dict[int, float]]:
    """What the batches of a test come to: of each output name and mean AP, or the means of its
    values; and of a detection net's first output the AP by label.

    Args:
        rows: by output, an array a batch: DetectionEvaluate's rows, float32 (…, 5), or any values.
    """
    outputs: list[tuple[str, float]] = []
    classes: dict[int, float] = {}
    for name, parts in rows:
        if param.eval_type == "detection":
            values = np.concatenate([part.reshape(-1, 5) for part in parts])
            mean, each = mean_ap(values, param.ap_version)
            outputs.append((name, mean))
            classes = classes or each
        else:
            means = np.mean([np.ravel(part) for part in parts], axis=0)
            outputs += [(name, float(mean)) for mean in means]
    return outputs, classes


def attach_savers(net: Net) -> list[Saver]:
    """What writes the files that a test net's ``save_output_param`` asks for, made once a net.

    Raises:
        InputError: its labelmap or list of names and sizes is missing or does not fit.
    """
    from ssd_data.engines.torch.layers.annotateddata import data_layers
    from ssd_data.engines.torch.layers.detectionoutput import DetectionOutput

    position = next((layer.position for layer in data_layers(net)), 0)
    found = []
    for layer in net.steps:
        if isinstance(layer, DetectionOutput) and wants_files(layer.p):
            layer.saver = layer.saver or Saver(layer.p, layer.node.where, position)
            assert isinstance(layer.saver, Saver)
            found.append(layer.saver)
    return found


def nets_to_test(
    path: Path, iterations: int | None = None
) -> list[tuple[Graph, caffe_pb2.SolverParameter, int]]:
    """The test nets of a solver, or a test net alone, with how many batches each is to run.

    Raises:
        InputError: the file is neither, or names no test net.
    """
    if _is_solver(path):
        file = read_solver(path)
        if not file.tests:
            raise InputError("this solver has no test net", where=path)
        counts = [iterations or n for n in file.param.test_iter]
        if not all(counts):
            raise InputError("test_iter is 0", where=path, hint="Set it, or give --iterations")
        return [(g, file.param, n) for g, n in zip(file.tests, counts, strict=True)]
    graph = read_graph(path, "TEST")
    param = caffe_pb2.SolverParameter(eval_type="detection", ap_version="11point")
    if not any(node.type == "DetectionEvaluate" for node in graph.nodes):
        param.eval_type = "classification"
    return [(graph, param, iterations or _batches(graph))]


def _is_solver(path: Path) -> bool:
    """A solver names rates and nets, a net has layers."""
    found = read_prototxt(path, caffe_pb2.SolverParameter)
    layers = {field.name for field in found.foreign} & {"layer", "layers"}
    return bool(found.message.ListFields()) and not layers


def _batches(graph: Graph) -> int:
    """How many batches read all records of the data layer once."""
    for node in graph.nodes:
        if node.param.HasField("data_param") and node.param.data_param.batch_size:
            records = len(open_shared(node.param.data_param.source))
            return -(-records // node.param.data_param.batch_size)
    raise InputError("the net reads no LMDB", where=graph.origin, hint="Give --iterations")


def _own_labelmap(graph: Graph) -> LabelMap | None:
    """The one that the data layer names; nothing computes with it, so it need not be sound."""
    for node in graph.nodes:
        if name := node.param.annotated_data_param.label_map_file:
            with suppress(InputError):
                return read_labelmap(name)
    return None
