"""rknn-toolkit2: a net built for a chip, run by the toolkit's simulator.

The simulator runs what was built in the same process, and no file.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

warnings.simplefilter("ignore")
from rknn.api import RKNN  # noqa: E402

if TYPE_CHECKING:
    Answer = tuple[dict[str, Any], list[Any]]

HELD: dict[str, Any] = {}


def version() -> Answer:
    """The toolkit's version."""
    from importlib.metadata import version as of

    return {"version": of("rknn-toolkit2")}, []


def build(
    *pictures: Any,
    model: str,
    chip: str,
    mean: list[float] | None = None,
    scale: float = 1.0,
) -> Answer:
    """Build an ONNX model: in whole numbers where there are pictures (NCHW) to measure, else in
    half precision. With a mean, the net subtracts it itself."""
    tool = RKNN(verbose=False)
    words: dict[str, Any] = {}
    if mean is not None:
        words = {"mean_values": [mean], "std_values": [[1 / scale] * len(mean)]}
    done(tool.config(target_platform=chip, **words), "config")
    done(tool.load_onnx(model=model), "load_onnx")
    listed = Path("pictures.txt")
    for number, picture in enumerate(pictures):
        np.save(f"{number}.npy", picture)
    files = [str(Path(f"{number}.npy").resolve()) for number in range(len(pictures))]
    listed.write_text("\n".join(files))
    whole = bool(pictures)
    done(tool.build(do_quantization=whole, dataset=str(listed) if whole else None), "build")
    done(tool.init_runtime(), "init_runtime")
    HELD["net"] = tool
    return {}, []


def export(file: str) -> Answer:
    """Write what was built."""
    done(HELD["net"].export_rknn(file), "export_rknn")
    return {}, []


def run(picture: Any) -> Answer:
    """A picture (NHWC) to the outputs."""
    found = HELD["net"].inference(inputs=[picture], data_format=["nhwc"])
    if found is None:
        raise RuntimeError("inference gives nothing")
    return {}, found


def given(picture: Any, model: str) -> Answer:
    """What ONNX Runtime makes of the model as the toolkit was given it; a picture (NCHW)."""
    import onnxruntime

    if "given" not in HELD:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        HELD["given"] = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    net = HELD["given"]
    return {}, net.run(None, {net.get_inputs()[0].name: picture})


def layers(picture: Any) -> Answer:
    """How far each layer is off for a picture (NCHW), by the toolkit's own analysis: the length of
    the difference by that of the values in single precision."""
    np.save("picture.npy", picture)
    given = [str(Path("picture.npy").resolve())]
    done(HELD["net"].accuracy_analysis(inputs=given, output_dir="layers"), "accuracy_analysis")
    found = {}
    for line in Path("layers/map_name_to_file.txt").read_text().splitlines():
        match = re.match(r"(\S.*?)\s+(\S+\.txt)\s*$", line)
        if not match:
            continue
        files = [Path("layers", side, match[2]) for side in ("golden", "simulator")]
        if all(file.is_file() for file in files):
            true, own = (np.fromfile(str(file), sep="\n") for file in files)
            if true.size == own.size and true.any():
                off = np.sqrt(np.square(true - own).sum() / np.square(true).sum())
                found[match[1]] = float(off)
    return {"layers": found}, []


def done(status: int, what: str) -> None:
    """Stop where the toolkit says that it could not."""
    if status != 0:
        raise RuntimeError(f"{what} fails")


DOES = {f.__name__: f for f in (version, build, export, run, given, layers)}
