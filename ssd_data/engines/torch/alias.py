"""``import caffe`` without a Caffe: pycaffe's names for what is here, and scripts that use them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from ssd_data.core.errors import SsdDataError
from ssd_data.engines.torch.python2 import Beside, Loader, compile_script, run

MODEL_LIBS = Path("python/caffe/model_libs.py")  # in a fork's checkout
# What pycaffe calls its modules → ours.
_MODULES = {
    "caffe": "ssd_data",
    "caffe._caffe": "ssd_data",
    "caffe.pycaffe": "ssd_data",
    "caffe.io": "ssd_data.engines.torch.io",
    "caffe.net_spec": "ssd_data.nets.netspec",
    "caffe.model_libs": "ssd_data.families.parts.model_libs",
    "caffe.proto": "ssd_data.proto",
    "caffe.proto.caffe_pb2": "ssd_data.proto.caffe_pb2",
}


def as_caffe() -> ModuleType:
    """From here on ``import caffe``, in this process, finds this package; returns it.

    >>> import ssd_data
    >>> caffe = ssd_data.as_caffe()
    >>> from caffe import layers as L, params as P
    >>> from caffe.model_libs import *
    >>> from caffe.proto import caffe_pb2
    >>> caffe_pb2.TEST == caffe.TEST
    True
    """
    for name, module in _MODULES.items():
        sys.modules[name] = import_module(module)
    return sys.modules["caffe"]


def run_script(
    script: Path | str,
    arguments: Sequence[str] = (),
    model_libs: Path | str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Path | None:
    """Run a Python script that was written for pycaffe, with this package in the place of that.

    Scripts of Python 2 run as well, as far as Python 3 can parse them; see ``python2.py``. Where
    the script lies in a fork's checkout, ``from caffe.model_libs import *`` finds the fork's own
    file.

    Args:
        arguments: the script's own.
        model_libs: a fork's ``model_libs.py``.
        say: is told which file that is.

    Returns:
        that file; None where it is ours.

    Raises:
        InputError: the script is missing, or cannot be parsed.
        SsdDataError: what it asks for is not here; ``where`` is its line.
    """
    script = Path(script)
    code = compile_script(script)
    libs = Path(model_libs) if model_libs else find_model_libs(script)
    with _as_main(script, arguments) as main:
        as_caffe()
        try:
            if libs is not None:
                say(f"caffe.model_libs: {libs}")
                _load_model_libs(libs)
            run(code, main.__dict__)
        except SsdDataError as error:
            raise _placed(error, script) from None
    return libs


def find_model_libs(script: Path) -> Path | None:
    """The ``model_libs.py`` that lies beside a script (to be copied into a Caffe), or in the
    checkout that the script lies in, or that is worked in."""
    if (beside := script.absolute().with_name(MODEL_LIBS.name)).is_file():
        return beside
    for folder in (*script.absolute().parents, Path.cwd()):
        if (folder / MODEL_LIBS).is_file():
            return folder / MODEL_LIBS
    return None


@contextmanager
def _as_main(script: Path, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """A module ``__main__`` as Python makes it for a script, whose folder it imports from first."""
    folder = script.parent.absolute()
    main = ModuleType("__main__")
    main.__file__ = str(script)
    before = sys.argv, list(sys.path), sys.modules["__main__"], list(sys.meta_path)
    named = {name: sys.modules.get(name) for name in _MODULES}
    sys.argv, sys.modules["__main__"] = [str(script), *arguments], main
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, Beside(folder))
    try:
        yield main
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"], sys.meta_path[:] = before
        for name, module in named.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _load_model_libs(path: Path) -> None:
    name = "caffe.model_libs"
    spec = spec_from_file_location(name, path, loader=Loader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def _placed(error: SsdDataError, script: Path) -> SsdDataError:
    """The error, with the line of the script that it came of."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(script):
            line = trace.tb_lineno
        trace = trace.tb_next
    if not line:
        return error
    where = f"{script}:{line}" + (f": {error.where}" if error.where else "")
    return type(error)(error.what, where=where, hint=error.hint)
