"""A net as LiteRT's file; and in whole numbers of 8 bits, by Google's quantiser for LiteRT.

Weights have a scale for each output channel, values one for each blob, of the least and largest
values of the training pictures that are run. With raw heads all is in whole numbers, what is fed
and what it gives too. Else what follows the net's last convolutions stays in single precision, and
so do its ends.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ssd_data.core.errors import UsageError
from ssd_data.core.optional import install_line
from ssd_data.core.parallel import chunks
from ssd_data.deploy.calibration import CalibrationPictures
from ssd_data.deploy.layer_errors import Blobs
from ssd_data.engines import Array
from ssd_data.engines._emitted import threads
from ssd_data.engines._quiet import no_output
from ssd_data.engines.litert import from_whole, open_interpreter, to_whole
from ssd_data.nets.prepare import PreparedNet
from ssd_data.nets.tflite.graph import SIGNATURE

AT_A_TIME = 16  # pictures, which the quantiser holds
_WEIGHTED = ("Conv", "ConvTranspose", "MatMul")


def require_quantiser() -> Any:
    """The module ``litert_quantizer.quantizer``.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with _silence():
            from litert_quantizer import quantizer
    except ImportError as error:
        raise UsageError(
            f"8 bits for LiteRT need its quantiser: {error}",
            where="--int8",
            hint=f"Install it: {install_line('litert-int8')}",
        ) from None
    return quantizer


def quantise_litert(
    model: bytes, single: Sequence[str], prepared: PreparedNet, lmdb: Path, records: int
) -> tuple[bytes, str]:
    """A model in whole numbers, and a sentence on how it was made.

    Args:
        single: names of what stays in single precision; where there are some, the ends do, too.

    Raises:
        UsageError: the quantiser is not installed.
        InputError: there is no LMDB, or a record cannot be read.
    """
    quantizer = require_quantiser()
    pictures = CalibrationPictures(prepared, lmdb, records)
    with _silence():
        tool = quantizer.Quantizer(bytearray(model), _recipe(single))
        ranges = _ranges(model, tool.get_quantization_recipe(), pictures)
        made = tool.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    model = bytes(made.quantized_model)
    what = "convolutions in 8 bits"
    if not single:
        others = ", ".join(in_single(model))
        what = f"in 8 bits but for {others}" if others else "all in 8 bits, its ends too"
    return model, pictures.sentence(what)


def _recipe(single: Sequence[str]) -> Any:
    """All in 8 bits, but for some operators; then the ends are no whole numbers either."""
    from litert_quantizer import recipe, recipe_manager
    from litert_quantizer.algorithm_manager import AlgorithmName

    made, kinds = recipe_manager.RecipeManager(), recipe.TFLOperationName
    made.load_quantization_recipe(recipe.static_wi8_ai8())
    if single:
        none = AlgorithmName.NO_QUANTIZE
        names = rf"^(?:{'|'.join(map(re.escape, single))})(?:_\d+)?;"
        for pattern, kind in ((names, "ALL_SUPPORTED"), (".*", "INPUT"), (".*", "OUTPUT")):
            made.add_quantization_config(pattern, getattr(kinds, kind), algorithm_key=none)
    return made.get_quantization_recipe()


def _ranges(model: bytes, recipe: Any, pictures: CalibrationPictures) -> Any:
    """The least and the largest value of each tensor over all pictures.

    By itself the quantiser takes a moving average that the first pictures decide.
    """
    from litert_quantizer import calibrator, recipe_manager
    from litert_quantizer.utils import qsv_utils

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe)
    tool = calibrator.Calibrator(
        bytearray(model), num_threads=threads() or 1, qsv_update_func=qsv_utils.min_max_update
    )
    (own,) = open_interpreter(model).get_signature_runner().get_input_details()
    fed = ({own: np.ascontiguousarray(x.transpose(0, 2, 3, 1))} for x in pictures)
    for some in chunks(fed, AT_A_TIME):
        tool.calibrate({SIGNATURE: some}, manager)
    return tool.get_model_qsvs()


def in_single(model: bytes) -> list[str]:
    """Which of a model's operators compute in single precision."""
    net = open_interpreter(model, keep_all=True)
    kinds = {one["index"]: one["dtype"] for one in net.get_tensor_details()}
    found = {
        str(one["op_name"])
        for one in net._get_ops_details()
        if any(kinds.get(output) is np.float32 for output in one["outputs"])
    }
    return sorted(found - {"DEQUANTIZE"})


def behind_heads(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes, and outputs, that follow the last convolutions."""
    wanted: set[str] = set()
    found = []
    for node in reversed(model.graph.node):
        if node.op_type in _WEIGHTED or set(node.output) & wanted:
            wanted |= set(node.input)
        else:
            found += [str(node.name), *map(str, node.output)]
    return list(dict.fromkeys(found))


def layers_within(model: bytes, names: Sequence[str]) -> Blobs:
    """The values of a model's nodes by their names."""
    net = open_interpreter(model, keep_all=True)
    (given,) = net.get_input_details()
    tensors = {one["name"]: one for one in net.get_tensor_details()}
    found = {name: tensors[name] for name in names if name in tensors}

    def values(batch: Array) -> dict[str, Array]:
        rows = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        net.set_tensor(given["index"], to_whole(rows, given))
        net.invoke()
        held = {name: (net.get_tensor(one["index"]), one) for name, one in found.items()}
        return {name: from_whole(*one) for name, one in held.items()}

    return values


@contextmanager
def _silence() -> Iterator[None]:
    """Its progress and its advice are not for the user."""
    quiet = io.StringIO()
    kept = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet):
            warnings.simplefilter("ignore")
            with no_output(2):
                yield
    finally:
        logging.disable(kept)
