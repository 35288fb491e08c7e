"""The files beside a net that leaves the post-processing to its caller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from runpy import run_path

import numpy as np

from ssd_data.core.files.whole import new_file, write_whole
from ssd_data.engines import Array
from ssd_data.nets import postprocess
from ssd_data.nets.prepare import PreparedNet

PROGRAM, PRIORS = "postprocess.py", "priors.npy"


def write_extras(net: PreparedNet, folder: Path, priors: bool = True) -> dict[str, str]:
    """Write the post-processing and, where boxes are to be decoded, the priors; files by name."""
    write_whole(folder / PROGRAM, Path(postprocess.__file__).read_bytes())
    files = {PROGRAM: "what follows the net, in NumPy"}
    if priors:
        with new_file(folder / PRIORS) as file:
            np.save(file, np.ascontiguousarray(net.boxes, np.float32))
        shape = f"float32 ({len(net.boxes)}, 4)"
        files[PRIORS] = f"the prior boxes, {shape}, fractions, xmin ymin xmax ymax"
    return files


def load_postprocess(folder: Path) -> Callable[..., Array]:
    """The post-processing as it was written, with what lies beside it; no byte code is left."""
    found: Callable[..., Array] = run_path(str(folder / PROGRAM))["Detector"](folder)
    return found
