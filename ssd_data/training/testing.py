"""A test net's scores, as the SSD branch's test phase computes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ssd_data.detection_evaluate import mean_ap
from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.net import Net
from ssd_data.errors import InputError
from ssd_data.proto import caffe_pb2
from ssd_data.training.events import Tested

__all__ = ["Tested", "run_test"]


def run_test(
    net: Net,
    count: int,
    param: caffe_pb2.SolverParameter,
    iteration: int = 0,
    index: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Tested | None:
    """Run ``count`` batches through a test net.

    Returns:
        the scores, or None where it was stopped.

    Raises:
        InputError: ``eval_type`` is detection and an output is not DetectionEvaluate's.
    """
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
    return Tested(iteration, index, outputs, classes, loss)
