"""PyTorch's state dicts on disk, read without running what is in them."""

from __future__ import annotations

import io
import math
import pickletools
import re
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
MOST_PICKLED = 1 << 22  # bytes: a byte may stand for a hundred in memory
_NESTED = ("state_dict", "model_state_dict", "model")
_OLD_PICKLES = 4  # what a file of before 2020 begins with; the tensors' bytes come behind them
_KNOWN = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor(_v2)?|parameter(_with_state)?)"
    r"|torch\.nn\.parameter Parameter|torch(\.cuda)? \w+Storage|torch\.storage \w+Storage"
    r"|torch (Size|device|(b?float|u?int|complex)\d+|bool)|(builtins|__builtin__) (set|complex)"
)
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
    return _to_arrays(table, path, min(MOST_VALUES, len(data)))


def _read_pickle(data: bytes, path: Path | str) -> Any:
    try:
        if data.startswith(b"PK"):
            archive = zipfile.ZipFile(io.BytesIO(data))
            _refuse_inflated(archive)
            _refuse_makers(io.BytesIO(archive.read(_only_pickle(archive))), 1)
        else:
            _refuse_makers(io.BytesIO(data), _OLD_PICKLES)
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


def _only_pickle(archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith("data.pkl")]
    if len(names) != 1:
        raise ValueError(f"it holds {len(names)} pickles, torch.save writes one")
    return names[0]


def _refuse_makers(file: io.BytesIO, most: int) -> None:
    """Refuse a pickle that names what torch would call, and no state dict needs: it lets through
    what makes as many bytes as it is told to."""
    for _ in range(most):
        for opcode, argument, at in pickletools.genops(file):
            if (at or 0) > MOST_PICKLED:
                raise ValueError(f"its table of tensors is larger than {MOST_PICKLED} bytes")
            if opcode.name == "GLOBAL" and not _KNOWN.fullmatch(str(argument)):
                raise ValueError(f"it names {str(argument)[:60]}, which is no part of a tensor")
            if opcode.name in ("STACK_GLOBAL", "INST"):
                raise ValueError("it names what it needs in another way than torch.save")


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


def _to_arrays(
    table: Mapping[Any, Any], path: Path | str, most: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Name → values.

    Args:
        most: how many values all may have: not more than the file has bytes. A tensor can show one
            value a million times, and many tensors the same ones.
    """
    arrays = {}
    values = 0
    for key, value in table.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            name = (
                f"{key[:60]!a}"
                if isinstance(key, str)
                else f"an entry under a {type(key).__name__}"
            )
            raise InputError(f"{name} is no named tensor", where=path)
        values += math.prod(value.shape)
        plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
        plain &= not value.is_complex()
        if not plain or values > most:
            raise InputError(f"{key[:60]!a} is no plain tensor, or too large", where=path)
        dense = value.detach().to(torch.float32).contiguous()
        arrays[key.removeprefix(_PREFIX)] = dense.numpy().copy()
    if not arrays:
        raise InputError("holds no tensor", where=path)
    return arrays
