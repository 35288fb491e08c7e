"""Imports point one way, plug-ins do not know one another, files stay small."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

# From the ground up: a module may import from its own row's left and from any row above.
LAYERS = [
    ["errors", "packages", "plugins", "resources", "parallel", "tally"],
    ["files"],
    ["structures", "proto"],
    ["boxes", "drawing", "labelmap", "pictures", "postprocess", "scores"],
    ["nets"],
    ["augment", "weights", "design", "formats"],
    ["emitting", "families"],
    ["lmdbs"],
    ["exchange", "exporters"],
    ["scoring"],
    ["metrics"],
    ["caching"],
    ["batches", "building"],
    ["samples", "checking", "downloading", "exporting", "modelling", "draw", "fitting"],
    ["engines", "io"],
    ["detect", "parity", "protocols"],
    ["proof", "evaluation"],
    ["shipping", "training"],
    ["profiles", "report", "viewing"],
    ["cli"],
]
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
PLUGINS = {"formats", "exporters", "exchange", "families", "metrics", "profiles", "protocols"}
TORCH = ("engines/torch", "training")
FILES = sorted((ROOT / "ssd_data").rglob("*.py"))


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> set[str]:
    """The package's modules that a file imports; those for type checking alone do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "ssd_data"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    module = path.relative_to(ROOT / "ssd_data").with_suffix("").parts
    if module[0] in ("__init__", "__main__"):
        return
    assert module[0] in RANK, f"{module[0]} has no place in LAYERS"
    for name in imports(path):
        other = part(name)
        if not other or other.startswith("__") or other == module[0]:
            continue
        # A decode on request is the one look back: Record.decode() asks pictures.
        if (module[0], other) == ("structures", "pictures"):
            continue
        assert other in RANK, name
        assert RANK[other] <= RANK[module[0]], f"{path.name} imports {name}, which lies above it"


@pytest.mark.parametrize("folder", sorted(PLUGINS))
def test_plugins_do_not_import_one_another(folder: str) -> None:
    for path in (ROOT / "ssd_data" / folder).glob("*.py"):
        others = {p.stem for p in path.parent.glob("*.py")} - {path.stem, "__init__"}
        for name in imports(path):
            assert name.split(".")[-1] not in others or part(name) != folder, (path, name)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 350, "could this be two rooms with a door between them?"
    if path.parent.name == "cli":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body
            has_doc = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
            start = body[1 if has_doc and len(body) > 1 else 0].lineno
            assert (node.end_lineno or 0) - start < 45, node.name


def test_only_the_embedded_engine_and_training_import_torch() -> None:
    for path in FILES:
        if any(path.is_relative_to(ROOT / "ssd_data" / name) for name in TORCH):
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(n.split(".")[0] == "torch" for n in names), path
