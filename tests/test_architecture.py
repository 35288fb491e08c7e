"""Imports point one way, plug-ins and tests do not know one another, files stay small."""

import ast
from pathlib import Path

import pytest
from support import ROOT

# The rooms: each imports from those above it, and from no other.
ROOMS = [
    "proto",
    "core",
    "nets",
    "data",
    "batches",
    "families",
    "metrics",
    "engines",
    "training",
    "evaluation",
    "deploy",
    "pages",
    "cli",
]
PLUGINS = [
    "batches/elements",
    "data/formats/*/",
    "deploy/targets",
    "core/tasks",
    "evaluation/protocols",
    "families",
]
TORCH = ("engines/torch", "training")
FILES = sorted((ROOT / "ssd_data").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


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
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "ssd_data"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(ROOT / "ssd_data").parts[0]
    if room in ("__init__.py", "__main__.py"):
        return
    for name in imports(path):
        other = name.split(".")[1]
        assert other in ROOMS, f"{path.name} imports {name}, which is no room"
        assert ROOMS.index(other) <= ROOMS.index(room), f"{name} lies above {path.name}"


def plugins(folder: str) -> dict[str, list[Path]]:
    """The module of each plug-in and its files; with ``/*/`` a plug-in is a folder, else a file."""
    if folder.endswith("/*/"):
        tops = [path.parent for path in (ROOT / "ssd_data").glob(f"{folder}__init__.py")]
        found = {top: sorted(top.rglob("*.py")) for top in tops}
    else:
        tops = list((ROOT / "ssd_data" / folder).glob("[!_]*.py"))
        found = {top: [top] for top in tops}
    return {".".join(p.relative_to(ROOT).with_suffix("").parts): f for p, f in found.items()}


@pytest.mark.parametrize("folder", sorted(PLUGINS))
def test_plugins_do_not_import_one_another(folder: str) -> None:
    found = plugins(folder)
    assert found
    for own, files in found.items():
        for file in files:
            for name in imports(file):
                met = [one for one in found if one != own and f"{name}.".startswith(f"{one}.")]
                assert not met, (file, name)


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


def test_no_public_class_has_anothers_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert not {name: files for name, files in homes.items() if len(files) > 1}


def test_only_the_embedded_engine_and_training_import_torch() -> None:
    for path in FILES:
        if any(path.is_relative_to(ROOT / "ssd_data" / name) for name in TORCH):
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(n.split(".")[0] == "torch" for n in names), path


# What reads files and folders by itself: asked first whether a link leads out, or nothing is read
# of a data set.
READS = (
    "iterdir",
    "glob",
    "rglob",
    "scandir",
    "listdir",
    "walk",
    "open",
    "read_text",
    "read_bytes",
)
DOORS = {
    "cvat/read.py": {"self.tracks.open"},
    "parts.py": {"tree.walk"},
    "tree.py": {"self.walk"},
    "annoset/read.py": {"paths"},
}


def test_data_sets_are_read_through_one_door() -> None:
    """``core/files/inside.py`` sees to it that no link is followed that leaves a data set."""
    top = ROOT / "ssd_data" / "data" / "formats"
    for path in sorted(top.rglob("*.py")):
        if path.name in ("write.py", "writing.py"):
            continue
        found = set()
        doors = [n for n in imports(path) if n.startswith("ssd_data.core.files.inside.")]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                own = f"ssd_data.core.files.inside.{called}" in doors
                found |= {called} if called.rpartition(".")[2] in READS and not own else set()
            if isinstance(node, ast.ImportFrom) and node.module == "ssd_data.core.files.paths":
                names = {alias.name for alias in node.names}
                found |= {"paths"} if any("read" in n or "open" in n for n in names) else set()
        assert found == DOORS.get(str(path.relative_to(top)), set()), path


# What looks at raw data besides the formats.
LOOKING = ("find", "layout", "classlist", "dataset", "build/scan", "build/convert", "check/raw")
ASKED = {"exists", "lexists", "isfile", "isdir", "islink", "stat", "lstat", "access", "getsize"}
ASKED |= {"samefile", "realpath", "readlink", "open", "scandir", "listdir", "abspath"}


def test_the_disk_is_asked_through_one_door() -> None:
    """A path of a data set may be the address of a store, of which the disk says "not there".

    ``core/files/there.py`` asks who knows, and so do the methods of a path; ``as_path`` makes one.
    """
    top = ROOT / "ssd_data" / "data"
    files = [*(top / "formats").rglob("*.py"), *(top / f"{name}.py" for name in LOOKING)]
    for path in (file for file in files if file.name not in ("write.py", "writing.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("os", "os.path"):
                assert node.attr not in ASKED, (path, node.lineno)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Path":
                given = node.args[0] if node.args else ast.Constant("")
                bare = ast.unparse(node) in ("Path(path)", "Path(recipe.origin)")
                assert bare or isinstance(given, ast.Constant), (path, node.lineno)


GUESSING = ("is_file", "is_dir", "exists", "is_symlink")
OF_OS = ("exists", "lexists", "isfile", "isdir", "islink")
ELSEWHERE = {"there.py", "address.py", "cache.py", "inside.py", "fences.py", "unpack.py"}
ELSEWHERE |= {"postprocess.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_whether_something_is_there_is_asked_in_one_place(path: Path) -> None:
    """``pathlib`` and ``os.path`` take a disk that fails for a file that is missing.

    Left out: stores, the entries of folders and archives, and what is copied to devices.
    """
    if path.name in ELSEWHERE or path.parent.name in ("_children", "examples"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            of = ast.unparse(node.value)
            bad = node.attr in GUESSING and of not in ("entry", "found", "file / name")
            bad |= of == "os.path" and node.attr in (
                "exists",
                "lexists",
                "isfile",
                "isdir",
                "islink",
            )
            assert not bad, (path, node.lineno)


def test_every_folder_of_tests_is_a_room() -> None:
    top = ROOT / "tests"
    folders = {path.relative_to(top).parts[0] for path in TESTS if path.parent != top}
    assert folders - {"support", "hard"} <= set(ROOMS)


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_test_imports_a_test(path: Path) -> None:
    """What several tests need lies in ``tests/support``, or is a fixture of a conftest."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{a.name}" for a in node.names]
        for part in ".".join(names).split("."):
            assert not part.startswith("test_"), part
            assert part not in ("conftest", "tests"), part
