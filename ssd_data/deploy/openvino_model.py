"""A net in OpenVINO's own files; and with its convolutions in 8 bits, by OpenVINO's quantiser,
NNCF (*post-training quantisation*).

Weights have a scale for each output channel, values one for each blob. What follows the net's heads
stays in single precision.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.core.files.paths import spelled
from ssd_data.core.optional import install_line
from ssd_data.deploy.calibration import CalibrationPictures
from ssd_data.deploy.layer_errors import Blobs
from ssd_data.engines import Array
from ssd_data.engines.openvino import open_net, read_net, require_openvino
from ssd_data.nets.prepare import PreparedNet

NET, ARRAYS = "net.xml", "net.bin"
HOME = "NNCF_CI"  # where this is set, NNCF reports nothing to its makers


def require_nncf() -> Any:
    """The module ``nncf``, which says nothing and reports nothing to its makers.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault(HOME, "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError as error:
        raise UsageError(
            f"8 bits for OpenVINO need its quantiser, NNCF: {error}",
            where="--int8",
            hint=f"Install it: {install_line('openvino-int8')}",
        ) from None
    nncf.set_log_level(logging.ERROR)
    return nncf


def read_folded(model: bytes, where: object) -> Any:
    """An ONNX model as OpenVINO holds it, with what can be computed beforehand computed: the
    quantiser then sees what is a convolution's bias.

    Raises:
        UsageError: OpenVINO is not installed.
        InputError: it cannot read it.
    """
    net = read_net(model, where)
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(net)
    return net


def write_openvino(net: Any, folder: Path, half: bool, int8: bool) -> dict[str, str]:
    """Write the net's two files, arrays in half precision where that is wanted; files by name."""
    runtime = require_openvino()
    runtime.save_model(net, spelled(folder / NET), compress_to_fp16=half)
    kind = "8-bit whole numbers and float32" if int8 else "float16" if half else "float32"
    return {NET: "the net", ARRAYS: f"its arrays, {kind}"}


def quantise_openvino(net: Any, prepared: PreparedNet, lmdb: Path, records: int) -> tuple[Any, str]:
    """The net with 8-bit convolutions, and a sentence on how it was made.

    Raises:
        UsageError: NNCF is not installed.
        InputError: there is no LMDB, or a record cannot be read.
    """
    nncf = require_nncf()
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    widest = RangeEstimatorParametersSet.MINMAX  # over all pictures; a mean was further off
    pictures = CalibrationPictures(prepared, lmdb, records)
    with _silence():
        made = nncf.quantize(
            net,
            nncf.Dataset(pictures),
            subset_size=records,
            preset=nncf.QuantizationPreset.MIXED,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=widest
            ),
            ignored_scope=nncf.IgnoredScope(patterns=["end/.*"], validate=False),
        )
    return made, pictures.sentence("convolutions in 8 bits")


@contextmanager
def _silence() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def layers_within(net: Any, names: Sequence[str]) -> Blobs:
    """The values of a net's nodes by their names, as a net of its own."""
    runtime, net = require_openvino(), net.clone()
    nodes = {op.get_friendly_name(): op for op in net.get_ops()}
    found = {name: nodes[name] for name in names if name in nodes}
    ends = [runtime.opset8.result(op.output(0)) for op in found.values()]
    inside = runtime.Model(ends, net.get_parameters(), "layers")
    for end, name in zip(inside.outputs, found, strict=True):
        end.get_tensor().set_names({name})
    run = open_net(inside, list(found))

    def values(batch: Array) -> dict[str, Array]:
        return dict(zip(found, run(batch), strict=True))

    return values
