"""``import caffe`` without a Caffe: pycaffe's names for what is here, and scripts that use them."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from ssd_data.core.errors import InputError, SsdDataError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.there import is_file
from ssd_data.engines.torch.mode import or_on_cpu
from ssd_data.engines.torch.python2 import Beside, Loader, compile_script, run
from ssd_data.nets.netspec import use_messages
from ssd_data.proto import caffe_pb2
from ssd_data.proto.source import messages_of

# In a fork's checkout:
MODEL_LIBS, PROTO = Path("python/caffe/model_libs.py"), Path("src/caffe/proto/caffe.proto")
MOST_PROTO = 4 << 20
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
    proto: Path | str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Path | None, Path | None]:
    """Run a Python script that was written for pycaffe, with this package in the place of that.

    Scripts of Python 2 run as well, as far as Python 3 can parse them; see ``python2.py``. Where
    the script lies in a fork's checkout, ``from caffe.model_libs import *`` finds the fork's own
    file, and nets have the fields of its ``caffe.proto``.

    Args:
        arguments: the script's own.
        model_libs: a fork's ``model_libs.py``. proto: its ``caffe.proto``.
        say: is told which files these are.

    Returns:
        the two; None where they are ours.

    Raises:
        InputError: a file is missing, or cannot be parsed.
        SsdDataError: what it asks for is not here; ``where`` is its line.
    """
    script = Path(script)
    code = compile_script(script)
    libs = Path(model_libs) if model_libs else find_model_libs(script)
    messages = Path(proto) if proto else find_in_checkout(script, PROTO)
    with _as_main(script, arguments) as main:
        as_caffe()
        try:
            if messages is not None:
                say(f"caffe.proto: {messages}")
                _use_proto(messages)
            if libs is not None:
                say(f"caffe.model_libs: {libs}")
                _load_model_libs(libs)
            run(code, main.__dict__)
        except SsdDataError as error:
            raise _placed(error, script) from None
    return libs, messages


def find_model_libs(script: Path) -> Path | None:
    """The ``model_libs.py`` that lies beside a script (to be copied into a Caffe), or in the
    checkout that the script lies in."""
    if is_file(beside := script.absolute().with_name(MODEL_LIBS.name)):
        return beside
    return find_in_checkout(script, MODEL_LIBS)


def find_in_checkout(script: Path, name: Path) -> Path | None:
    """A file of the checkout that a script lies in. Folders that anybody may write into end the
    search: what is found is run."""
    for folder in script.absolute().parents:
        if folder.stat().st_mode & stat.S_IWOTH:
            return None
        if is_file(folder / name):
            return folder / name
    return None


@contextmanager
def _as_main(script: Path, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """A module ``__main__`` as Python makes it for a script, whose folder it imports from first."""
    folder = script.parent.absolute()
    main = ModuleType("__main__")
    main.__file__ = str(script)
    before = sys.argv, list(sys.path), sys.modules["__main__"], list(sys.meta_path)
    messages, on_cpu = use_messages(caffe_pb2), or_on_cpu(True)
    named = {name: sys.modules.get(name) for name in _MODULES}
    sys.argv, sys.modules["__main__"] = [str(script), *arguments], main
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, Beside(folder))
    try:
        yield main
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"], sys.meta_path[:] = before
        use_messages(messages)
        or_on_cpu(on_cpu)
        for name, module in named.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _use_proto(path: Path) -> None:
    try:
        messages = messages_of(read_text(path, "caffe.proto", MOST_PROTO))
        if not hasattr(messages, "LayerParameter"):
            raise ValueError("it has no LayerParameter")
    except ValueError as error:
        raise InputError(f"no caffe.proto that can be read: {error}", where=path) from None
    use_messages(messages)
    sys.modules["caffe.proto.caffe_pb2"] = messages
    sys.modules["caffe.proto"] = package = ModuleType("caffe.proto")
    package.caffe_pb2 = messages  # type: ignore[attr-defined]


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
