"""Which Caffe trains: the one given, that of ``CAFFE_ROOT``, the PATH's, or a Python module."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.core.files.there import is_file, is_folder, is_there
from ssd_data.engines.caffe import import_caffe

BINARY = Path("build/tools/caffe")
HINT = (
    "Give --caffe PATH, point CAFFE_ROOT to the folder Caffe was built in, or put caffe on the PATH"
)


@dataclass(frozen=True, slots=True)
class FoundCaffe:
    """A Caffe that can train.

    Attributes:
        binary: its executable; where there is none, module: its Python module.
        said: which it is and why that one, for people.
    """

    binary: Path | None
    module: Any
    said: str


def find_caffe(given: Path | str | None = None) -> FoundCaffe:
    """The Caffe that trains, see :func:`find_binary`; without an executable its Python module.

    Raises:
        UsageError: there is none that can be run.
    """
    without = ""
    root = os.environ.get("CAFFE_ROOT") if given is None else None
    if root and not is_there(Path(root) / BINARY):
        without = f"CAFFE_ROOT={root} holds no {BINARY}"
    found = find_binary(given)
    if found is not None:
        of = "CAFFE_ROOT" if root and not without else "the PATH"
        of = "--caffe" if given is not None else of
        return FoundCaffe(found, None, "; ".join(filter(None, [f"{found} (of {of})", without])))
    try:
        module = import_caffe()
    except UsageError as error:
        what = f"no Caffe was found: no executable, and {error.what}"
        raise UsageError(
            [what, *filter(None, [without])], where="--engine caffe", hint=error_hint(error)
        ) from None
    place = getattr(module, "__file__", None) or "?"
    said = f"the Python module {place}, since there is no executable"
    return FoundCaffe(None, module, "; ".join(filter(None, [said, without])))


def error_hint(error: UsageError) -> str:
    """What to do where there is no Caffe: about a module that is there but cannot be used, that."""
    return error.hint if "NumPy" in error.what else HINT


def find_binary(given: Path | str | None = None) -> Path | None:
    """Caffe's executable: the one given, ``$CAFFE_ROOT/build/tools/caffe``, or the PATH's.

    Returns:
        None where there is none of the last two.

    Raises:
        UsageError: the one given, or the one below CAFFE_ROOT, is missing or cannot be run.
    """
    if given is not None:
        path = Path(given)
        return _require_executable(path / BINARY if is_folder(path) else path, "--caffe")
    if (root := os.environ.get("CAFFE_ROOT")) and is_there(Path(root) / BINARY):
        return _require_executable(Path(root) / BINARY, "CAFFE_ROOT")
    found = shutil.which("caffe")
    return Path(found) if found else None


def _require_executable(path: Path, where: str) -> Path:
    if not is_file(path):
        raise UsageError(f'"{path}" is not there', where=where, hint=HINT)
    if not os.access(path, os.X_OK):
        raise UsageError(f'"{path}" is not executable', where=where, hint=f"chmod +x {path}")
    return path.absolute()  # run from the working folder, whatever that is
