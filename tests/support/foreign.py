"""Stand-ins for interpreters with toolkits of their own: this one, with modules in their place."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# rknn-toolkit2 as far as it is used: a net computed by ONNX Runtime, with its last digits lost.
RKNN = """
import os
import sys

import numpy as np
import onnx
import onnxruntime

TABLE = "layer_name   file_name\\n----\\n"


class RKNN:
    def __init__(self, verbose=False):
        print("I rknn-toolkit2 version: 0.0")  # on standard output, as the real one
        self.pictures = None

    def config(self, target_platform, mean_values=None, std_values=None):
        self.chip = target_platform
        self.mean = np.float32((mean_values or [[0]])[0])
        self.std = np.float32((std_values or [[1]])[0])
        return 0

    def load_onnx(self, model):
        self.model = onnx.load(model)
        return 0

    def build(self, do_quantization, dataset=None):
        if os.environ.get("RKNN_FAILS") == "raise":
            raise ValueError("Traceback:\\nValueError: this layer is odd!")
        if os.environ.get("RKNN_FAILS") == "status":
            print("\\033[1;31mE\\033[0m \\033[1;31mbuild: no such chip\\033[0m", file=sys.stderr)
            return -1
        if os.environ.get("RKNN_FAILS") == "dies":
            os.abort()
        if do_quantization:
            self.pictures = [np.load(line) for line in open(dataset).read().split()]
            assert self.pictures[0].dtype == np.uint8
        self.steps = 64 if do_quantization else 1024
        self.ran = onnxruntime.InferenceSession(self.model.SerializeToString())
        return 0

    def init_runtime(self):
        return 0

    def inference(self, inputs, data_format):
        (picture,) = inputs
        assert data_format == ["nhwc"], data_format
        values = (picture.astype(np.float32) - self.mean) / self.std
        if values.ndim == 4:
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        found = self.ran.run(None, {self.ran.get_inputs()[0].name: values})
        found = [self._rounded(one) for one in found]
        if os.environ.get("RKNN_FAILS") == "other":
            found = [-one for one in found]
        return found

    def _rounded(self, values):
        largest = np.abs(values).max() or 1
        return (np.round(values / largest * self.steps) / self.steps * largest).astype(np.float32)

    def export_rknn(self, path):
        with open(path, "wb") as file:
            file.write(b"RKNN " + self.chip.encode() + self.model.SerializeToString())
        return 0

    def accuracy_analysis(self, inputs, output_dir):
        picture = np.load(inputs[0])
        assert picture.dtype == np.uint8
        net = onnx.ModelProto()
        net.CopyFrom(self.model)
        names = [node.output[0] for node in net.graph.node if node.op_type in ("Conv", "Relu")]
        del net.graph.output[:]
        net.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        ran = onnxruntime.InferenceSession(net.SerializeToString())
        mean, std = (np.reshape(v, (1, -1, 1, 1)) for v in (self.mean, self.std))
        values = ((picture - mean) / std).astype(np.float32)
        found = ran.run(names, {ran.get_inputs()[0].name: values})
        with open_in(output_dir, "map_name_to_file.txt") as table:
            table.write(TABLE)
            for name, one in zip(names, found):
                file = name.replace("/", "_") + ".txt"
                table.write(f"{name}   {file}   \\n")
                for side, values in (("golden", one), ("simulator", self._rounded(one))):
                    with open_in(output_dir, side, file) as text:
                        text.write("\\n".join(f"{v:.6f}" for v in values.ravel()))
        return 0


def open_in(*parts):
    path = os.path.join(*parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return open(path, "w")
"""


# Modules that cannot be imported here: how, what is said of it, and what it needs.
_NUMPY_1 = """
import sys
sys.stderr.write("A module that was compiled using NumPy 1.x cannot be run in\\nNumPy 2.4.6\\n")
"""
BUILT_FOR_OTHERS = [
    (
        _NUMPY_1 + "raise ImportError('numpy.core.multiarray failed to import')",
        f"was built for NumPy 1, and NumPy {np.__version__} is there",
        "'numpy<2'",
    ),
    (
        _NUMPY_1 + "raise SystemError('initialization of _caffe raised unreported exception')",
        f"was built for NumPy 1, and NumPy {np.__version__} is there",
        "'numpy<2'",
    ),
    (
        "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
        f"was built for another NumPy than {np.__version__}",
        "the NumPy that it was built for",
    ),
    (
        "import numpy\nnumpy.float",
        f"was written for an older NumPy than {np.__version__}",
        "'numpy<1.24'",
    ),
    (
        "raise TypeError('Descriptors cannot be created directly.\\nDowngrade the package')",
        "has a caffe_pb2.py of an older protobuf",
        "'protobuf<3.21'",
    ),
    ("print 'here'", "was written for Python 2", "Python 3"),
    (
        "raise OSError('libcudart.so.8.0: cannot open shared object file')",
        "cannot be imported.*: libcudart.so.8.0: cannot open",
        "CAFFE_ROOT",
    ),
]


def interpreter(folder: Path, modules: dict[str, str], distributions: dict[str, str]) -> Path:
    """An interpreter that has these modules, by their files' paths, and distributions, by name."""
    packages = folder / "packages"
    for name, text in modules.items():
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, version in distributions.items():
        held = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        held.mkdir(parents=True)
        (held / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    packages.mkdir(parents=True, exist_ok=True)
    program = folder / "python"
    quoted = shlex.quote(str(packages)), shlex.quote(sys.executable)
    program.write_text('#!/bin/sh\nPYTHONPATH={} exec {} "$@"\n'.format(*quoted))
    program.chmod(0o755)
    return program


def rknn_interpreter(folder: Path) -> Path:
    """One with rknn-toolkit2."""
    modules = {"rknn/__init__.py": "", "rknn/api.py": RKNN}
    return interpreter(folder, modules, {"rknn-toolkit2": "0.0"})


# TPU-MLIR as far as it is used: a net computed by this package, with its last digits lost.
TPU_MLIR = {
    "tpu_mlir/__init__.py": "",
    "tpu_mlir/entry.py": """
import json, os, sys
from pathlib import Path
import numpy as np

def words():
    left = [a for a in sys.argv[1:] if a != "--debug"]
    if len(left) % 2:
        left = ["--mlir", *left]
    return dict(zip(left[::2], left[1::2]))

def model_transform():
    if os.environ.get("TPU_FAILS") == "transform":
        print("RuntimeError: Op not support: Odd", file=sys.stderr)
        sys.exit(1)
    given = words()
    assert json.loads(given["--input_shapes"]) == [[1, 3, 64, 64]]
    held = {"deploy": given["--model_def"], "weights": given["--model_data"], "steps": 0}
    Path(given["--mlir"]).write_text(json.dumps(held))

def run_calibration():
    given = words()
    files = sorted(Path(given["--dataset"]).iterdir())
    assert len(files) == int(given["--input_num"])
    assert np.load(files[0])["data"].shape == (1, 3, 64, 64)
    Path(given["-o"]).write_text("table")

def model_deploy():
    given = words()
    kind = given["--quantize"].lower()
    assert (kind == "int8") == ("--calibration_table" in given)
    held = json.loads(Path(given["--mlir"]).read_text())
    held["steps"] = {"f32": 0, "f16": 1024, "int8": 64}[kind]
    name = f"net_{given['--processor']}_{kind}{'_sym' * (kind == 'int8')}"
    Path(f"{name}_tpu.mlir").write_text(json.dumps(held))
    Path(f"{name}_tpu_opt.mlir").write_text("none")
    Path(given["--model"]).write_text(json.dumps(held))

def model_runner():
    import pymlir
    given, net = words(), pymlir.module()
    net.load(given["--model"])
    ((name, value),) = np.load(given["--input"]).items()
    net.set_tensor(name, value, value.shape)
    pymlir.MODE.append("value_mem")
    net.invoke(True)
    sign = -1 if os.environ.get("TPU_FAILS") == "emulator" else 1
    found = {name: sign * values for name, values in net.get_all_tensor().items()}
    np.savez(given["--output"], **found)
""",
    "pymlir.py": """
import json
from pathlib import Path
import numpy as np
from ssd_data import TEST, Net

MODE = []
set_mem_mode = MODE.append

class module:
    def load(self, file):
        held = json.loads(Path(file).read_text())
        self.net, self.steps = Net(held["deploy"], held["weights"], TEST), held["steps"]
        self.own = list(self.net.outputs)
        self.input_names = list(self.net.inputs)
        self.output_names = [name + "_f32" * bool(self.steps) for name in self.own]
    def set_tensor(self, name, value, shape):
        self.net.blobs[name].reshape(*shape)
        self.net.blobs[name].data[...] = value
    def invoke(self, floats):
        assert floats and "value_mem" in MODE
        self.net.forward()
    def get_all_tensor(self):
        return {name: self._values(name) for name in self.output_names}
    def _values(self, name):
        values = np.array(self.net.blobs[self.own[self.output_names.index(name)]].data)
        if self.steps:
            largest = np.abs(values).max()
            values = np.round(values / largest * self.steps) / self.steps * largest
        return values.astype(np.float32)
""",
}


def tpu_mlir_interpreter(folder: Path) -> Path:
    """One with TPU-MLIR."""
    return interpreter(folder, TPU_MLIR, {"tpu_mlir": "0.0"})


def toolkit_python(
    kind: str, variable: str, stand_in: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The interpreter that a variable names, or with ``stand-in`` as its kind one of ours, which it
    names then."""
    real = os.environ.get(variable, "")
    if kind == "real" and not real:
        pytest.skip(f"{variable} names no interpreter with that toolkit")
    found = Path(real) if kind == "real" else stand_in()
    monkeypatch.setenv(variable, str(found))
    return found
