"""Speed and memory of training steps: ``python -m benchmarks.train``.

A step is forward, backward and update of MobileNet-SSD at 300x300 as published, on random pictures
and boxes. Beside it run the same net, loss and rule as one would write them in PyTorch, once in a
process of its own and once in this one, where training has made the process keep freed memory; and
OpenCV's forward of one picture. In each round all run one after the other.

``--memory`` takes iterations of SFD at 640x640, mod2, instead and shows what the process holds.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.nets import Clock, measure, pictures, show, write_net
from ssd_data.engines import load_engine
from ssd_data.families import generate
from ssd_data.proto import caffe_pb2
from ssd_data.training.options import Extras
from ssd_data.training.solver import Solver

CLASSES, SIDE, BOXES = 21, 300, 3
CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDED = (1, 3, 5, 11)
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))


def solver(
    family: str, classes: int, side: int, batch: int, device: str = "cpu", **extras: Any
) -> Solver:
    """The family's published solver, one batch a step, its net fed with pictures and boxes drawn
    once."""
    model = generate(family, classes)
    param = caffe_pb2.SolverParameter()
    param.CopyFrom(model.solver)
    param.test_interval = param.snapshot = param.display = 0
    param.iter_size, param.random_seed = 1, 1
    del param.test_iter[:]
    net = model.nets["train"]
    fed = caffe_pb2.LayerParameter(name="data", type="Input", top=["data", "label"])
    fed.input_param.shape.add(dim=[batch, 3, side, side])
    fed.input_param.shape.add(dim=[1, 1, BOXES * batch, 8])
    net.layer[0].CopyFrom(fed)
    param.train_net_param.CopyFrom(net)
    made = Solver(param, device, Extras(**extras))
    made.net.blobs["data"].data[...] = pictures(batch, side)
    made.net.blobs["label"].data[0, 0] = labels(batch, classes)
    return made


def labels(batch: int, classes: int) -> np.ndarray:
    """Boxes of all pictures, a row of eight each, as AnnotatedData gives them."""
    rng, rows = np.random.default_rng(0), np.zeros((BOXES * batch, 8), np.float32)
    rows[:, 0] = np.repeat(np.arange(batch), BOXES)
    rows[:, 1] = rng.integers(1, classes, len(rows))
    rows[:, 3:5] = rng.uniform(0, 0.6, (len(rows), 2))
    rows[:, 5:7] = rows[:, 3:5] + rng.uniform(0.05, 0.4, (len(rows), 2))
    return rows


class ByHand(nn.Module):
    """MobileNet-SSD in training, written for PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        body = [unit(3, 32, 3, 2)]
        for i, channels in enumerate(CHANNELS):
            before = CHANNELS[i - 1] if i else 32
            stride = 2 if i in STRIDED else 1
            body.append(
                nn.Sequential(unit(before, before, 3, stride, before), unit(before, channels))
            )
        parts = [nn.Sequential(*body[:12]), nn.Sequential(*body[12:])]
        before = CHANNELS[-1]
        for narrow, wide in EXTRAS:
            parts.append(nn.Sequential(unit(before, narrow), unit(narrow, wide, 3, 2)))
            before = wide
        self.parts = nn.ModuleList(parts)
        widths, priors = (512, 1024, 512, 256, 256, 128), (3, 6, 6, 6, 6, 6)
        self.loc = nn.ModuleList(
            nn.Conv2d(w, p * 4, 1) for w, p in zip(widths, priors, strict=True)
        )
        self.conf = nn.ModuleList(
            nn.Conv2d(w, p * CLASSES, 1) for w, p in zip(widths, priors, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        locs, confs = [], []
        for part, loc, conf in zip(self.parts, self.loc, self.conf, strict=True):
            x = part(x)
            locs.append(loc(x).permute(0, 2, 3, 1).flatten(1))
            confs.append(conf(x).permute(0, 2, 3, 1).flatten(1))
        loc = torch.cat(locs, 1)
        return loc.view(len(loc), -1, 4), torch.cat(confs, 1).view(len(loc), -1, CLASSES)


def unit(before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def loss_by_hand(loc: Tensor, conf: Tensor, priors: Tensor, truth: Tensor) -> Tensor:
    """SSD's loss: corners are matched by overlap, three negatives for each positive by their loss.

    Args:
        priors: (P, 4), as centre and size. truth: (pictures, boxes, 5), label and corners.
    """
    corners = torch.cat([priors[:, :2] - priors[:, 2:] / 2, priors[:, :2] + priors[:, 2:] / 2], 1)
    boxes = truth[..., 1:]
    low = torch.maximum(boxes[:, :, None, :2], corners[:, :2])
    high = torch.minimum(boxes[:, :, None, 2:], corners[:, 2:])
    shared = (high - low).clamp_(min=0).prod(3)
    sizes = (boxes[..., 2:] - boxes[..., :2]).prod(2)
    overlap = shared / (sizes[:, :, None] + priors[:, 2:].prod(1) - shared)
    best, owner = overlap.max(1)
    forced = overlap.argmax(2)
    best.scatter_(1, forced, 1.0)
    owner.scatter_(1, forced, torch.arange(boxes.shape[1]).expand_as(forced))
    positive = best > 0.5
    chosen = boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    middle, size = (chosen[..., :2] + chosen[..., 2:]) / 2, chosen[..., 2:] - chosen[..., :2]
    wanted = torch.cat(
        [(middle - priors[:, :2]) / priors[:, 2:] / 0.1, (size / priors[:, 2:]).log() / 0.2], 2
    )
    label = truth[..., 0].long().gather(1, owner) * positive
    entropy = functional.cross_entropy(conf.flatten(0, 1), label.flatten(), reduction="none")
    entropy = entropy.view_as(label)
    hard = entropy.detach().masked_fill(positive, -1).argsort(1, descending=True).argsort(1)
    negative = hard < 3 * positive.sum(1, keepdim=True)
    found = functional.smooth_l1_loss(loc[positive], wanted[positive], reduction="sum")
    return (found + entropy[positive | negative].sum()) / positive.sum()


class HandTrainer:
    """A step of :class:`ByHand` by the published rule."""

    def __init__(self, corners: np.ndarray, batch: int) -> None:
        self.net = ByHand().to(memory_format=torch.channels_last)
        self.rule = torch.optim.RMSprop(self.net.parameters(), 0.0005, 0.99, weight_decay=5e-5)
        data = torch.from_numpy(pictures(batch, SIDE))
        self.data = data.contiguous(memory_format=torch.channels_last)
        rows = torch.from_numpy(labels(batch, CLASSES)).view(batch, BOXES, 8)
        self.truth = torch.cat([rows[..., 1:2], rows[..., 3:7]], 2)
        low, high = torch.from_numpy(corners[:, :2]), torch.from_numpy(corners[:, 2:])
        self.priors = torch.cat([(low + high) / 2, high - low], 1)

    def __call__(self) -> None:
        self.rule.zero_grad()
        loss_by_hand(*self.net(self.data), self.priors, self.truth).backward()
        self.rule.step()


class Elsewhere:
    """A step by hand in a process of its own; returns its seconds there."""

    trainer: ClassVar[HandTrainer]
    clock: ClassVar[Clock]

    def __init__(self, corners: np.ndarray, batch: int, threads: int, clock: Clock) -> None:
        self.pool = get_context("spawn").Pool(1, self.begin, (corners, batch, threads, clock))

    @classmethod
    def begin(cls, corners: np.ndarray, batch: int, threads: int, clock: Clock) -> None:
        torch.set_num_threads(threads)
        cls.trainer, cls.clock = HandTrainer(corners, batch), staticmethod(clock)

    @classmethod
    def step(cls) -> float:
        start = cls.clock()
        cls.trainer()
        return cls.clock() - start

    def __call__(self) -> float:
        return self.pool.apply(self.step)


def speed(batch: int, rounds: int, threads: int, clock: Clock) -> None:
    ours = solver("mobilenet_ssd", CLASSES, SIDE, batch)
    ours.step(1)
    corners = ours.net.blobs["mbox_priorbox"].data[0, 0].reshape(-1, 4).copy()
    with TemporaryDirectory(prefix="ssd-data-") as folder:
        files = write_net(Path(folder, "ssd"), "mobilenet_ssd", CLASSES)
        opencv = load_engine("opencv", *files, device="cpu")
    one = pictures(1, SIDE)
    by_hand = ("by hand", "by hand in this process")
    runs = {
        "a step": lambda: ours.step(1),
        by_hand[0]: Elsewhere(corners, batch, threads, clock),
        by_hand[1]: HandTrainer(corners, batch),
        "OpenCV's forward of one picture": lambda: opencv.forward(one),
    }
    seconds = measure(runs, rounds, clock)
    show(f"MobileNet-SSD 300x300, batch {batch}: forward, backward, update", seconds)
    print()
    for name in by_hand:
        ratios = [a / b for a, b in zip(seconds["a step"], seconds[name], strict=True)]
        print(f"over the step {name}, round by round: median {median(ratios):.2f}")
    print("targets: 1.1 times the step by hand, 18 times OpenCV's forward")


def memory(batch: int, steps: int) -> None:
    """What the process holds while it trains: at most so far, and now."""
    made = solver("sfd_mobilenetv2", 2, 640, batch)
    print(f"\n### SFD on MobileNet V2, mod2, 640x640, batch {batch}\n")
    print("| iterations | held, MiB | most, MiB |\n|---|---|---|")
    done = 0
    every = max(1, steps // 10)
    for count in (1, *range(max(2, every), steps + 1, every)):
        made.step(count - done)
        done = count
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {done} | {held():.0f} | {most:.0f} |", flush=True)


def held() -> float:
    """Resident memory in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.train", description=__doc__)
    parser.add_argument("--batch", type=int, help="pictures in a step  [8; with --memory 6]")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2, help="of each side")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="what the process took of a processor: for a busy machine, with --threads 1",
    )
    parser.add_argument("--memory", type=int, metavar="N", help="SFD's memory over N iterations")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    if options.memory:
        memory(options.batch or 6, options.memory)
    else:
        speed(
            options.batch or 8,
            options.rounds,
            options.threads,
            process_time if options.processor_time else perf_counter,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
