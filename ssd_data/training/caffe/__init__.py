"""A real Caffe as the engine: its executable or its Python module, its log read.

Here: what a user asks for, as Caffe takes it: a solver with changes, and GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.core.files.scratch import scratch
from ssd_data.nets.prototxt import read_prototxt, to_text
from ssd_data.proto import caffe_pb2


@contextmanager
def solver_for_caffe(
    solver: Path | str, device: str | None, changes: Mapping[str, Any]
) -> Iterator[tuple[Path, caffe_pb2.SolverParameter]]:
    """The solver's path, of a temporary copy where something in it has to be other."""
    param = read_prototxt(solver, caffe_pb2.SolverParameter).message
    before = to_text(param)
    param.ClearField("weights")  # which only BVLC's Caffe reads: they are given beside it
    for name, value in changes.items():
        setattr(param, name, value)
    if device == "cpu":
        param.solver_mode = caffe_pb2.SolverParameter.CPU
    if to_text(param) == before:
        yield Path(solver), param
        return
    with scratch() as folder:
        path = folder / Path(solver).name
        path.write_text(to_text(param), "utf-8")
        yield path, param


def gpus(device: str | None) -> str:
    """The value of ``--gpu``, empty for none."""
    if device in (None, "auto", "cpu"):
        return ""
    kind, _, numbers = str(device).partition(":")
    fits = numbers in ("", "all") or all(n.isdecimal() for n in numbers.split(","))
    if kind != "cuda" or not fits:
        hint = "Known are cpu, cuda, cuda:N, cuda:N,M, cuda:all"
        raise UsageError(f'Caffe has no device "{device}"', where="--device", hint=hint)
    return numbers or "0"
