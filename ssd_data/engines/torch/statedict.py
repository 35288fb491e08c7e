"""PyTorch's state dicts on disk, read without running what is in them."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.paths import read_bytes

MOST_BYTES = 2 << 30
MOST_VALUES = 1 << 29
_NESTED = ("state_dict", "model_state_dict", "model")
_PREFIX = "module."  # of models that were trained on several devices


def read_state_dict(path: Path | str) -> dict[str, npt.NDArray[np.float32]]:
    """Name → values, float32, of a ``.pth`` (or ``.pt``) or ``.safetensors`` file.

    A ``.pth`` file is a pickle; only tensors and plain containers in it are understood, anything
    else is refused (``torch.load(weights_only=True)``).

    Raises:
        InputError: the file is absent, or holds no state dict.
        UsageError: the safetensors package is not installed.
    """
    data = read_bytes(path, "state dict", MOST_BYTES)
    if data[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"version https://git-lfs")):
        raise InputError(
            "this is a web page or a Git LFS pointer, not a state dict",
            where=path,
            hint="Download the file itself",
        )
    read = _read_safetensors if Path(path).suffix == ".safetensors" else _read_pickle
    table = read(data, path)
    for key in _NESTED:
        if isinstance(table, Mapping) and isinstance(table.get(key), Mapping):
            table = table[key]
    if not isinstance(table, Mapping):
        raise InputError("holds no table of names and tensors", where=path)
    return _to_arrays(table, path)


def _read_pickle(data: bytes, path: Path | str) -> Any:
    try:
        if data.startswith(b"PK"):
            _refuse_inflated(zipfile.ZipFile(io.BytesIO(data)))
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or hostile pickle leads to
        text = str(error).strip().splitlines()
        raise InputError(
            f"cannot be read as PyTorch weights: {(text or ['no reason given'])[0][:120]!a}",
            where=path,
            hint="Save the module's state_dict(), tensors alone, with torch.save",
        ) from None


def _refuse_inflated(archive: zipfile.ZipFile) -> None:
    """torch.save compresses nothing; what does may grow without bounds."""
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ValueError("its zip file is compressed, as torch.save never does")


def _read_safetensors(data: bytes, path: Path | str) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError:
        raise UsageError(
            "the safetensors package is not installed", hint="Install ssd-data[torch]"
        ) from None
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"is no safetensors file: {str(error)[:120]!a}", where=path) from None


def _to_arrays(table: Mapping[Any, Any], path: Path | str) -> dict[str, npt.NDArray[np.float32]]:
    arrays = {}
    values = 0
    for key, value in table.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(f"{str(key)[:60]!a} is no named tensor", where=path)
        values += math.prod(value.shape)
        plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
        if not plain or values > MOST_VALUES:
            raise InputError(f"{key!a} is no plain tensor, or too large", where=path)
        dense = value.detach().to(torch.float32).contiguous()
        arrays[key.removeprefix(_PREFIX)] = dense.numpy().copy()
    if not arrays:
        raise InputError("holds no tensor", where=path)
    return arrays
