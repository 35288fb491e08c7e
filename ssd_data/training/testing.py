"""A test net's scores, as the SSD branch's test phase computes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import open_shared
from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.layers.detectionoutput import DetectionOutput
from ssd_data.engines.torch.net import Net
from ssd_data.metrics.detection_evaluate import mean_ap
from ssd_data.nets.graph import Graph, read_graph
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.feeding import feeding
from ssd_data.training.log import Tested
from ssd_data.training.save_output import Saver, wants_files
from ssd_data.training.solver_file import read_solver


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
    attach_savers(net)
    detection = param.eval_type == "detection"
    rows: dict[str, list[np.ndarray]] = {name: [] for name in net.outputs}
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
            rows[name].append(values.reshape(-1, 5) if detection else values.ravel())
    mean_loss = loss / max(count, 1) if param.test_compute_loss else None
    if detection:
        return _detection(rows, param, iteration, index, mean_loss)
    outputs = [
        (name, float(value)) for name, values in rows.items() for value in np.mean(values, axis=0)
    ]
    return Tested(iteration, index, outputs, {}, mean_loss)


def attach_savers(net: Net) -> list[Saver]:
    """What writes the files that a test net's ``save_output_param`` asks for, made once a net.

    Raises:
        InputError: its labelmap or list of names and sizes is missing or does not fit.
    """
    position = next((layer.position for layer in feeding(net)), 0)
    found = []
    for layer in net.steps:
        if isinstance(layer, DetectionOutput) and wants_files(layer.p):
            layer.saver = layer.saver or Saver(layer.p, layer.node.where, position)
            assert isinstance(layer.saver, Saver)
            found.append(layer.saver)
    return found


def _detection(
    rows: dict[str, list[np.ndarray]],
    param: caffe_pb2.SolverParameter,
    iteration: int,
    index: int,
    loss: float | None,
) -> Tested:
    outputs: list[tuple[str, float]] = []
    classes: dict[int, float] = {}
    for name, parts in rows.items():
        mean, each = mean_ap(np.concatenate(parts), param.ap_version)
        outputs.append((name, mean))
        classes = classes or each
    return Tested(iteration, index, outputs, classes, loss, param.show_per_class_result)


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
    return bool(found.message.ListFields()) and not any(
        text.endswith(("SolverParameter.layer", "SolverParameter.layers")) for text in found.ignored
    )


def _batches(graph: Graph) -> int:
    """How many batches read all records of the data layer once."""
    for node in graph.nodes:
        if node.param.HasField("data_param") and node.param.data_param.batch_size:
            records = len(open_shared(node.param.data_param.source))
            return -(-records // node.param.data_param.batch_size)
    raise InputError("the net reads no LMDB", where=graph.origin, hint="Give --iterations")
