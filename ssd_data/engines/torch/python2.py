"""Scripts of Python 2 run as they were meant; most scripts for Caffe are.

One is known by what Python 3 has not (``print x``, ``xrange``, ``d.iteritems()``); then two
integers are divided as there, ``map`` gives a list, and such names mean what they did. Others are
left alone.
"""

from __future__ import annotations

import ast
from collections.abc import ItemsView, KeysView, ValuesView
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.there import is_file
from ssd_data.engines.torch.oldsyntax import to_python3

NAMES = {"xrange": "range", "unicode": "str", "raw_input": "input", "long": "int", "unichr": "chr"}
METHODS = {
    "iteritems": "items",
    "iterkeys": "keys",
    "itervalues": "values",
    "has_key": "__contains__",
}
LISTS, VIEWS = ("map", "filter", "zip", "range"), ("keys", "items", "values")
_DIVIDE, _LISTED = "_divide_as_python_2", "_listed_as_python_2"


def compile_script(path: Path | str) -> CodeType:
    """The code of a script or module.

    Raises:
        InputError: it is missing, or cannot be parsed.
    """
    text = read_text(Path(path), "Python script")
    try:
        tree, old = _parse(text, str(path))
        if old or is_python2(tree):
            tree = ast.fix_missing_locations(_Modern().visit(tree))
        return compile(tree, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{path}:{error.lineno}" if error.lineno else path
        hint = f"If it is of Python 2: 2to3 -w -n {path}"
        raise InputError(f"this is no Python 3: {error.msg}", where=where, hint=hint) from None
    except (ValueError, RecursionError, MemoryError):
        raise InputError("this is no Python", where=path) from None


def _parse(text: str, name: str) -> tuple[ast.Module, bool]:
    """The syntax tree, and whether only Python 2 has such statements."""
    try:
        return ast.parse(text, name), False
    except SyntaxError as error:
        try:
            return ast.parse(to_python3(text), name), True
        except SyntaxError:
            raise error from None


def is_python2(tree: ast.AST) -> bool:
    """Whether it uses what Python 3 does not have."""
    return any(
        (isinstance(node, ast.Name) and node.id in NAMES)
        or (isinstance(node, ast.Attribute) and node.attr in METHODS)
        or _compares_len(node)
        for node in ast.walk(tree)
    )


def _compares_len(node: ast.AST) -> bool:
    """``assert len > 0``, which every ``model_libs.py`` has: a function is above any number."""
    test = node.test if isinstance(node, ast.Assert) else None
    return (
        isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "len"
    )


class _Modern(ast.NodeTransformer):
    """Says in Python 3 what it says in Python 2."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Division is asked for only where something divides."""
        true = any(
            isinstance(one, ast.ImportFrom)
            and one.module == "__future__"
            and any(alias.name == "division" for alias in one.names)
            for one in node.body
        )
        self.divides = not true
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Names of functions and types."""
        if isinstance(node.ctx, ast.Load) and node.id in NAMES:
            node.id = NAMES[node.id]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Methods of a dict."""
        node.attr = METHODS.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """See :func:`_compares_len`."""
        return ast.Pass() if _compares_len(node) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What gives a list there, and is lazy here."""
        called = node.func
        gives = isinstance(called, ast.Name) and called.id in LISTS
        gives |= isinstance(called, ast.Attribute) and called.attr in VIEWS and not node.args
        self.generic_visit(node)
        return ast.Call(ast.Name(_LISTED, ast.Load()), [node], []) if gives else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """``a / b``."""
        self.generic_visit(node)
        if not self.divides or not isinstance(node.op, ast.Div):
            return node
        return _divided(node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """``a /= b`` of a plain name."""
        self.generic_visit(node)
        target = node.target
        if not (self.divides and isinstance(node.op, ast.Div) and isinstance(target, ast.Name)):
            return node
        value = _divided(ast.Name(target.id, ast.Load()), node.value)
        return ast.Assign([target], value)


def _divided(left: ast.expr, right: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(_DIVIDE, ast.Load()), [left, right], [])


def divide(left: Any, right: Any) -> Any:
    """``left / right`` as Python 2 has it.

    >>> divide(7, 2), divide(7.0, 2)
    (3, 3.5)
    """
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    return left / right


def listed(found: Any) -> Any:
    """A list of what Python 3 gives one by one.

    >>> listed({"a": 1}.keys()), listed(map(abs, [-1]))
    (['a'], [1])
    """
    lazy = (KeysView, ItemsView, ValuesView, map, filter, zip, range)
    return list(found) if isinstance(found, lazy) else found


def run(code: CodeType, names: dict[str, Any]) -> None:
    """Run it, with these as its global names."""
    names[_DIVIDE], names[_LISTED] = divide, listed
    exec(code, names)


class Loader(SourceFileLoader):
    """Imports a module so."""

    def get_code(self, fullname: str) -> CodeType:
        """Without what Python keeps in ``__pycache__``."""
        return compile_script(self.path)

    def exec_module(self, module: Any) -> None:
        """Run it."""
        run(self.get_code(module.__name__), module.__dict__)


class Beside(MetaPathFinder):
    """Finds the modules that lie beside a script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """A module of that name in the folder."""
        file = self.folder / f"{fullname}.py"
        if path is not None or not is_file(file):
            return None
        return spec_from_file_location(fullname, file, loader=Loader(fullname, str(file)))
