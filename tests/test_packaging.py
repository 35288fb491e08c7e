"""What a wheel holds, and that it works from any folder."""

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support import ROOT

from ssd_data.core.version import __version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith("tests/golden"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)],
        cwd=copy, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_nothing_but_ssd_data_is_installed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ssd_data"}
    held = {name.removeprefix("ssd_data/") for name in names}
    for path in (ROOT / "datasets").iterdir():
        assert f"datasets/{path.name}" in held
    for path in (ROOT / "labelmaps").iterdir():
        assert f"labelmaps/{path.name}" in held
    sources = {p.relative_to(ROOT / "ssd_data").as_posix() for p in ROOT.glob("ssd_data/**/*.py")}
    assert sources <= held
    assert {
        p.relative_to(ROOT / "ssd_data").as_posix() for p in ROOT.glob("ssd_data/**/*.cpp")
    } <= held
    for folder in ("pages/viewer/static", "pages/viewer/templates", "pages/report/templates"):
        shipped = {f"{folder}/{path.name}" for path in (ROOT / "ssd_data" / folder).iterdir()}
        assert shipped
        assert shipped <= held
    named = {p.relative_to(ROOT / "ssd_data").as_posix() for p in ROOT.glob("ssd_data/**/*.toml")}
    assert named
    assert named <= held
    assert {"py.typed", "proto/caffe.desc", "proto/caffe.proto", "proto/caffe_pb2.pyi"} <= held


def test_the_wheel_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import ssd_data, ssd_data.data.recipes as r, pathlib\n"
        "assert 'site' in ssd_data.__file__, ssd_data.__file__\n"
        "for name in r.names():\n"
        "    print(name, len(ssd_data.read_labelmap(r.load(name).labelmap)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(tmp_path / "site")}, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:-1] == [
        "coco2014 81", "coco2017 81", "voc0712 21", "voc2007 21", "voc2012 21", "widerface 2",
    ]  # fmt: skip


def test_the_command_of_a_wheel_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """As uvx and pipx make one; what it needs is lent by this one, since there is no network."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python3*/site-packages")
    python = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    install = ["--python", str(home), "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run([*python, *install], check=True, cwd=tmp_path)
    lent = [path for path in sys.path if path.endswith("site-packages")]
    (site / "lent.pth").write_text("\n".join(lent))

    def run(*words: str) -> str:
        return subprocess.run(
            [home / "bin" / "ssd-data", *words], cwd=tmp_path, env={"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert run("--version").startswith(f"ssd-data, version {__version__} (Python ")
    run("sample", "sample", "--layout", "voc", "--train", "2", "--test", "2", "--size", "64", "-q")
    run("build", "sample/voc", "-o", "SHAPES", "-q")
    assert "no errors" in run("check", "SHAPES")
    assert run("report", "SHAPES", "-o", "page.html").startswith("page.html: ")
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")


def test_the_metadata_never_asks_for_caffe(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(n for n in archive.namelist() if n.endswith("METADATA"))
    required = [
        line.split()[1].lower()
        for line in archive.read(name).decode().splitlines()
        if line.startswith("Requires-Dist") and "extra" not in line
    ]
    assert {re.split("[<>=;,]", r)[0] for r in required} == {
        "click", "lmdb", "lxml", "msgspec", "numpy", "opencv-python-headless", "pillow",
        "protobuf", "pyyaml", "simplejpeg", "tqdm", "tomli",
    }  # fmt: skip
    assert "opencv-python-headless<5,>=4.8.1.78" in required


def test_the_wheel_lists_what_it_needs(wheel: Path) -> None:
    """As the metadata do, which pip reads: every package, its range, and the extra that asks."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if "/sboms/" in n)
    assert name.endswith(".dist-info/sboms/ssd-data.cdx.json")
    bom = json.loads(archive.read(name))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.7")
    assert bom["metadata"]["component"]["purl"] == f"pkg:pypi/ssd-data@{__version__}"
    listed = {part["name"]: part for part in bom["components"]}
    metadata = archive.read(name.replace("sboms/ssd-data.cdx.json", "METADATA")).decode()
    asked: dict[str, set[str]] = {}
    inner: list[tuple[str, set[str]]] = []  # extras that ask for others of ours
    for line in re.findall("(?m)^Requires-Dist: (.*)$", metadata):
        requirement = Requirement(line)
        (extra,) = re.findall(r'extra == "([\w-]+)"', line) or [""]
        if extra in ("all", "dev"):
            continue
        if requirement.name == "ssd-data":
            inner.append((extra, requirement.extras))
            continue
        asked.setdefault(requirement.name, set()).add(extra)
        bounds = listed[requirement.name]["versionRange"].removeprefix("vers:pypi/").split("|")
        assert set(bounds) == {str(bound) for bound in requirement.specifier}
    for extra, others in inner:
        for extras in filter(others.intersection, asked.values()):
            extras.add(extra)
    assert asked.keys() == listed.keys()
    for package, extras in asked.items():
        part = listed[package]
        assert part["scope"] == ("required" if "" in extras else "optional")
        said = [p["value"] for p in part["properties"] if p["name"] == "ssd-data:extra"]
        assert sorted(said) == sorted(extras - {""})
    assert listed["opencv-python-headless"]["versionRange"] == "vers:pypi/>=4.8.1.78|<5"
    marker = {"name": "ssd-data:marker", "value": 'python_version < "3.11"'}
    assert listed["tomli"]["properties"] == [marker]
    (tree,) = bom["dependencies"]
    assert tree["dependsOn"] == sorted(part["bom-ref"] for part in listed.values())
