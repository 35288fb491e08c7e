"""Plug-ins: what a folder holds is found, what is none is not, and each keeps its contract."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import ROOT

from ssd_data.core import registry
from ssd_data.core.errors import UsageError
from ssd_data.core.registry import FILES, FOLDERS, Registry

ALL = {name: r for name, r in vars(registry).items() if isinstance(r, Registry)}
# What tells a plug-in from a helper that lies in its folder; any of these will do.
DEFINES = {
    "FORMATS": ["FORMAT", "FILE"],
    "WRITERS": ["WRITER"],
    "FAMILIES": ["DETECTOR"],
    "METRICS": ["__path__"],
    "ENGINES": ["load"],
    "PROTOCOLS": ["plan"],
    "TARGETS": ["prove"],
    "PLACES": ["connect"],
    "AUGMENTATIONS": ["ELEMENT"],
    "SCHEDULES": ["ELEMENT"],
    "OPTIMISERS": ["ELEMENT"],
    "CLASSIFICATION": ["ELEMENT"],
    "BOX_LOSSES": ["ELEMENT"],
    "MATCHINGS": ["ELEMENT"],
    "COMMANDS": ["command"],
}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A folder with two animals, a keeper and a cage."""
    for path in ("zoo/red_fox.py", "zoo/owl.py", "zoo/_keeper.py", "zoo/cage/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"path = {path!r}\n")
    monkeypatch.setattr(registry, "_PACKAGE", tmp_path)
    monkeypatch.setitem(sys.modules, "ssd_data.zoo", package := ModuleType("ssd_data.zoo"))
    package.__path__ = [str(tmp_path / "zoo")]
    registry._modules.cache_clear()
    return Registry("zoo", 'no animal "{}"', dashed=True)


def test_files_are_plugins_and_helpers_are_not(zoo: Registry) -> None:
    assert zoo.names() == ["owl", "red-fox"]
    assert zoo.load("red-fox").path == "zoo/red_fox.py"


def test_folders_are_plugins_where_they_shall_be(zoo: Registry) -> None:
    assert Registry("zoo", "", kinds=FOLDERS).names() == ["cage"]
    assert Registry("zoo", "", kinds=FILES | FOLDERS).names() == ["cage", "owl", "red_fox"]


def test_a_part_of_a_folder_may_be_the_plugin(zoo: Registry, tmp_path: Path) -> None:
    (tmp_path / "zoo/pond").mkdir()
    for path in ("zoo/pond/__init__.py", "zoo/pond/fish.py"):
        (tmp_path / path).write_text(f"path = {path!r}\n")
    fish = Registry("zoo", 'no fish "{}"', kinds=FOLDERS, part="fish")
    assert fish.names() == ["pond"]
    assert fish.load("pond").path == "zoo/pond/fish.py"
    with pytest.raises(UsageError, match='no fish "cage"'):
        fish.load("cage")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("red-foxes", "Did you mean red-fox? There are owl, red-fox"),
        ("red_fox", "Did you mean red-fox? There are owl, red-fox"),
        ("_keeper", "There are owl, red-fox"),
        ("cage", "There are owl, red-fox"),
        ("../zoo/owl", "There are owl, red-fox"),
    ],
)
def test_an_unknown_name_is_an_error_that_says_what_there_is(
    zoo: Registry, name: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        zoo.load(name)
    assert caught.value.what == f'no animal "{name}"'
    assert caught.value.hint == hint


def test_every_folder_of_plugins_is_registered() -> None:
    assert sorted(DEFINES) == sorted(ALL.keys() - {"LAYERS"})
    assert all((ROOT / "ssd_data" / r.folder).is_dir() for r in ALL.values())


@pytest.mark.parametrize("name", DEFINES)
def test_no_helper_lies_among_plugins(name: str) -> None:
    if ALL[name].folder.startswith("training"):
        pytest.importorskip("torch")
    for plugin in ALL[name].names():
        module = ALL[name].load(plugin)
        assert any(hasattr(module, attribute) for attribute in DEFINES[name]), plugin


def test_no_helper_lies_among_layers() -> None:
    pytest.importorskip("torch")
    from ssd_data.engines.torch.layer import Layer

    for plugin in ALL["LAYERS"].names():
        kinds = {name.lower(): kind for name, kind in vars(ALL["LAYERS"].load(plugin)).items()}
        assert issubclass(kinds[plugin], Layer), plugin
