"""TPU-MLIR: a Caffe net compiled for a chip of Sophgo's, and run as its compiler has it and as its
emulator of the chip does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tpu_mlir  # it says where pymlir lies, and its libraries

if TYPE_CHECKING:
    Answer = tuple[dict[str, Any], list[Any]]

TOP, COMPILED, PICTURES = "net.mlir", "net.bmodel", "pictures"
HELD: dict[str, Any] = {}


def version() -> Answer:
    """The toolkit's version."""
    from importlib.metadata import version as of

    return {"version": of("tpu_mlir"), "file": tpu_mlir.__file__}, []


def transform(deploy: str, weights: str, shape: list[int]) -> Answer:
    """Take a net, in single precision."""
    given = ["--model_def", deploy, "--model_data", weights]
    shapes = ["--input_shapes", json.dumps([shape])]
    tool("model_transform", "--model_name", "net", *given, *shapes, "--mlir", TOP)
    return {}, []


def compile(*pictures: Any, chip: str, kind: str) -> Answer:
    """Compile it: F32, F16, or by pictures INT8."""
    words = []
    if pictures:
        Path(PICTURES).mkdir()
        for number, picture in enumerate(pictures):
            np.savez(f"{PICTURES}/{number}.npz", **{loaded(TOP).input_names[0]: picture})
        how = ["--dataset", PICTURES, "--input_num", str(len(pictures)), "-o", "table"]
        tool("run_calibration", TOP, *how)
        words = ["--calibration_table", "table"]
    target = ["--quantize", kind, "--processor", chip, "--model", COMPILED, "--debug"]
    tool("model_deploy", "--mlir", TOP, *target, *words)
    return {}, []


def run(picture: Any, names: list[str], kind: str) -> Answer:
    """A picture to outputs, as the compiler has the net: of one kind, or as it was taken."""
    file = TOP
    if kind:
        (file,) = (str(path) for path in Path().glob(f"net_*_{kind.lower()}*_tpu.mlir"))
    net = loaded(file)
    net.set_tensor(net.input_names[0], picture, picture.shape)
    net.invoke(True)  # whole numbers as what they mean
    values = net.get_all_tensor()
    held = {plain(name): values[name] for name in net.output_names}
    return {}, [np.array(held[name], np.float32) for name in names]


def emulate(picture: Any, names: list[str]) -> Answer:
    """The same by the chip's emulator, of the compiled file."""
    np.savez("input.npz", **{loaded(TOP).input_names[0]: picture})
    tool("model_runner", "--input", "input.npz", "--model", COMPILED, "--output", "output.npz")
    with np.load("output.npz") as found:
        held = {plain(name): found[name] for name in found.files}
    return {}, [held[name].astype(np.float32) for name in names]


def loaded(file: str) -> Any:
    """A net in pymlir, which holds one at a time."""
    if HELD.get("file") != file:
        HELD.clear()
        pymlir = import_module("pymlir")
        pymlir.set_mem_mode("value_mem")  # else what is read is another blob's by then
        net = pymlir.module()
        net.load(file)
        HELD.update(file=file, net=net)
    return HELD["net"]


def plain(name: str) -> str:
    """An output's own name: where it is brought to single precision, that is said behind it."""
    return re.sub("_f32$", "", name)


def tool(name: str, *words: str) -> None:
    """Run one of its commands."""
    program = f"from tpu_mlir.entry import {name} as run; run()"
    if subprocess.run([sys.executable, "-c", program, *words], check=False).returncode:
        raise RuntimeError(f"{name} fails")


DOES = {f.__name__: f for f in (version, transform, compile, run, emulate)}
