"""BatchNorm in training against its definition in double precision; large batches go in pieces."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph

LAYOUTS = {"channels last": torch.channels_last, "pictures whole": torch.contiguous_format}
TOLERANCES = {"dweight": 1e-4, "dbias": 1e-4}  # of the largest; sums of what nearly cancels
SHAPES = {
    "small": (4, 6, 9, 7),
    "cut between pictures": (40, 16, 33, 31),
    "cut between rows": (3, 8, 301, 299),
    "rows above a piece": (2, 8, 2, 70_000),
    "no pictures": (5000, 120),
}


def layer_for(shape: tuple[int, ...]) -> BatchNorm:
    dims = " ".join(f"dim: {n}" for n in shape)
    text = f'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}'
    text += 'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" }'
    layer = Net(parse_graph(text, "TRAIN")).steps[-1]
    assert isinstance(layer, BatchNorm)
    layer.weights = [param.tensor for param in layer.params]
    return layer


def drawn(shape: tuple[int, ...]) -> list[Tensor]:
    rng = np.random.default_rng(3)
    mean = rng.normal(0, 5, (shape[1], *[1] * (len(shape) - 2)))
    arrays = (
        rng.normal(mean, 2, shape),
        rng.normal(0, 1, shape),
        rng.uniform(0.5, 2, shape[1]),
        rng.normal(0, 1, shape[1]),
    )
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def twin(x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    x, weight, bias = (t.double().requires_grad_() for t in (x, weight, bias))
    axes = [axis for axis in range(x.dim()) if axis != 1]
    wide = (1, -1, *[1] * (x.dim() - 2))
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, unbiased=False, keepdim=True)
    normal = (x - mean) / (variance + 1e-5).sqrt() * weight.view(wide) + bias.view(wide)
    dx, dweight, dbias = torch.autograd.grad(normal, (x, weight, bias), dy.double())
    count = x.numel() / x.shape[1]
    sums = {"mean": mean.flatten(), "variance": variance.flatten() * count / (count - 1)}
    return {"y": normal, "dx": dx, "dweight": dweight, "dbias": dbias, **sums}


def ours(
    layer: BatchNorm, x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    x, weight, bias = (t.detach().requires_grad_() for t in (x, weight, bias))
    y = layer.normalize(x, weight, bias)
    dx, dweight, dbias = torch.autograd.grad(y, (x, weight, bias), dy)
    sums = {"mean": layer.weights[0], "variance": layer.weights[1]}
    return {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias, **sums}


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name, expected in wanted.items():
        far = (found[name].detach().double() - expected.detach()).abs().max()
        assert far <= TOLERANCES.get(name, 2e-5) * expected.detach().abs().max(), name


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_as_defined(shape: str, layout: str) -> None:
    tensors = drawn(SHAPES[shape])
    if tensors[0].dim() == 4:
        tensors[:2] = [t.contiguous(memory_format=LAYOUTS[layout]) for t in tensors[:2]]
    assert_close(ours(layer_for(SHAPES[shape]), *tensors), twin(*tensors))


@pytest.mark.parametrize("shape", ["small", "cut between rows"])
def test_two_processes_with_one_batch_each_are_one_with_both(shape: str) -> None:
    x, dy, weight, bias = drawn(SHAPES[shape])
    half = x[: len(x) // 2], dy[: len(x) // 2]
    layer = layer_for(tuple(half[0].shape))
    layer.all_reduce = lambda sums: 2 * sums  # the other one has the same
    wanted = twin(*(torch.cat([t, t]) for t in half), weight, bias)
    for name in ("y", "dx"):
        wanted[name] = wanted[name][: len(half[0])]
    for name in ("dweight", "dbias"):
        wanted[name] = wanted[name] / 2  # the sum over processes is taken later
    assert_close(ours(layer, *half, weight, bias), wanted)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own rules")
def test_a_training_process_keeps_freed_memory() -> None:
    program = """
import resource
import numpy as np
from ssd_data.engines.torch.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(16 << 20, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
faults()
print(faults())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 5000  # 82,000 where each block is new
