"""The examples in docstrings do what they say, and every name on the package's face has one."""

import ast
import doctest
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from support import ROOT, commands

import ssd_data

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "ssd_data").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
OTHERS = {
    f"ssd_data.data.bridges.{name}": package
    for name, package in (
        ("datumaro", "datumaro"), ("fiftyone", "fiftyone"),
        ("huggingface", "datasets.arrow_dataset"),
    )
}  # fmt: skip
TORCH = ("ssd_data.engines", "ssd_data.training")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples find, as the package's docstring lists it."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in ssd_data.__doc__.splitlines():
            if line.strip().startswith("ssd-data "):
                assert commands.run(*line.split()[1:], "-q") == 0
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(
    name: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    if name.startswith(TORCH):
        pytest.importorskip("torch")
        ssd_data.write_random_weights("tiny_ssd/deploy.prototxt", "tiny_ssd/random.caffemodel")
    if name in OTHERS:
        pytest.importorskip(OTHERS[name])
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(import_module(name), optionflags=flags)
    assert result.attempted
    assert not result.failed


def test_type_checkers_see_the_same_face() -> None:
    tree = ast.parse((ROOT / "ssd_data" / "__init__.py").read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: f"ssd_data.{module}.{name}" for name, module in ssd_data._HOME.items()}
    homes |= {name: f"ssd_data.{module}" for name, module in ssd_data._MODULES.items()}
    assert seen == homes


@pytest.mark.parametrize("name", ssd_data.__all__)
def test_every_name_on_the_face_has_an_example(name: str) -> None:
    value = getattr(ssd_data, name)
    assert isinstance(value, int) or ">>> " in (value.__doc__ or "")
