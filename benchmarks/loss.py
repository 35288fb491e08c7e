"""What MultiBoxLoss takes of a training step: ``python -m benchmarks.loss``.

The net is MobileNet-SSD's as published, its data drawn; times are of one process and one run, the
share is of the step they were taken in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter

import numpy as np
import torch

from ssd_data.engines.torch.net import Net
from ssd_data.families import generate
from ssd_data.nets.graph import to_graph
from ssd_data.proto import caffe_pb2


def train_net(batch: int, boxes: int) -> Net:
    """The training net with blobs to fill in place of its data layer."""
    param = generate("mobilenet_ssd", 21).nets["train"]
    data = param.layer[0]
    fed = caffe_pb2.LayerParameter(name="data", type="Input", top=["data", "label"])
    fed.input_param.shape.add(dim=[batch, 3, 300, 300])
    fed.input_param.shape.add(dim=[1, 1, boxes, 8])
    data.CopyFrom(fed)
    net = Net(to_graph(param, "TRAIN"))
    rng = np.random.default_rng(0)
    net.blobs["data"].data[...] = rng.normal(0, 0.5, net.blobs["data"].shape)
    label = net.blobs["label"].data[0, 0]
    label[:, 0] = np.arange(boxes) * batch // boxes
    label[:, 1] = rng.integers(1, 21, boxes)
    label[:, 3:5] = rng.uniform(0, 0.6, (boxes, 2))
    label[:, 5:7] = label[:, 3:5] + rng.uniform(0.05, 0.4, (boxes, 2))
    return net


def measure(net: Net) -> tuple[float, float]:
    """Seconds of a step, and of its loss layer, forward and backward."""
    last = len(net.steps) - 1
    assert net.steps[last].node.type == "MultiBoxLoss"
    times = [perf_counter()]
    net.run(0, last - 1)
    times.append(perf_counter())
    net.run(last, last)
    net.propagate(last, last)
    times.append(perf_counter())
    net.propagate(last - 1, 0)
    times.append(perf_counter())
    return times[3] - times[0], times[2] - times[1]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--boxes", type=int, default=72, help="ground truth boxes in the batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    net = train_net(options.batch, options.boxes)
    measure(net)
    rounds = [measure(net) for _ in range(options.rounds)]
    steps, losses = zip(*rounds, strict=True)
    share = median(loss / step for step, loss in rounds)
    print(f"step {median(steps):.2f} s, MultiBoxLoss {1000 * median(losses):.1f} ms ({share:.2%})")


if __name__ == "__main__":
    main(sys.argv[1:])
