"""Toolkits that are installed in an interpreter of their own, and how that is named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import UsageError
from ssd_data.core.files.there import is_file
from ssd_data.core.legible import legible


@dataclass(frozen=True, slots=True)
class Toolkit:
    """A toolkit for another interpreter.

    Attributes:
        name: what people call it. module: which program of ``_children`` drives it.
        variable: where the environment names the interpreter. install: how it is installed there.
        use: what it is for, on the command line. option: which names it, too.
    """

    name: str
    module: str
    variable: str
    install: str
    use: str
    option: str = ""

    def interpreter(self, given: Path | None = None) -> str:
        """The interpreter: the given one, or the environment's.

        Raises:
            UsageError: none is named, or there is none.
        """
        told = str(given) if given is not None else os.environ.get(self.variable, "")
        if not told:
            raise UsageError(
                f"this needs {self.name}, which is installed in an environment of its own",
                where=self.option,
                hint=f"Install it there ({self.install}) and name its Python: "
                f"{self.variable}=/path/to/python",
            )
        if not is_file(told) or not os.access(told, os.X_OK):
            where = self.option if given is not None else self.variable
            raise UsageError(f"{legible(told)} is no interpreter", where=where)
        return told


PYCAFFE = Toolkit(
    "pycaffe",
    "for_caffe",
    "CAFFE_PYTHON",
    "build Caffe for its Python, and point CAFFE_ROOT there",
    "--engine caffe, of another Python",
)
RKNN = Toolkit(
    "rknn-toolkit2",
    "for_rknn",
    "RKNN_PYTHON",
    "pip install rknn-toolkit2 'setuptools<81'",
    "deploy --profile rknn, --engine rknn-sim",
    "--rknn-python",
)
TPU_MLIR = Toolkit(
    "TPU-MLIR",
    "for_tpu_mlir",
    "TPU_MLIR_PYTHON",
    "pip install 'tpu_mlir[caffe]' torch, for Python 3.10",
    "deploy --profile sophgo",
    "--tpu-mlir-python",
)
TOOLKITS = (PYCAFFE, RKNN, TPU_MLIR)
