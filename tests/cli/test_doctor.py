"""What is said of a machine: packages, processors, the folder's file system."""

import errno
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.foreign import interpreter, rknn_interpreter

from ssd_data.cli.doctor import USES, missing
from ssd_data.core import installed
from ssd_data.core.files import abilities as trying
from ssd_data.core.files.abilities import WITHOUT, abilities, kind_of
from ssd_data.core.files.exchange import CannotExchangeError
from ssd_data.core.installed import GROUPS, Needed, needed, version
from ssd_data.core.machine import machine, quota


def test_what_is_here(run: Any, tmp_path: Path) -> None:
    done = run("doctor", tmp_path, "--json")
    assert done.status == 0
    assert not list(tmp_path.iterdir())
    found = done.json
    assert found["python"] == sys.version.split()[0]
    assert found["folder"]["path"] == str(tmp_path)
    assert set(found["folder"]["can"]) == set(WITHOUT)
    assert {one["name"] for one in found["packages"]} >= {"numpy", "lmdb", "torch"}
    assert found["machine"]["processors"] >= found["machine"]["usable"] >= 1
    text = run("doctor", tmp_path).out
    assert f"Python {found['python']}" in text
    assert str(tmp_path) in text


def test_each_extra_says_what_it_is_for() -> None:
    extras = set(metadata.metadata(installed.SELF).get_all("Provides-Extra") or [])
    assert set(USES) - {""} == extras - set(GROUPS)


def test_what_is_missing_and_the_line_that_brings_it(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = metadata.version

    def without(name: str) -> str:
        if name in ("hotcoco", "lmdb"):
            raise metadata.PackageNotFoundError(name)
        return "0.9" if name == "jinja2" else whole(name)

    monkeypatch.setattr(metadata, "version", without)
    done = run("doctor", tmp_path)
    assert done.status == 1
    assert "missing for score coco, curves: hotcoco" in done.out
    assert "pip install 'ssd-data[score]'" in done.out
    assert "missing for everything: lmdb" in done.out
    assert "too old: >=" in done.out
    extras = {one["extra"] for one in missing(needed())}
    assert extras >= {"", "score", "report", "view"}
    assert extras.isdisjoint({"torch", "download", "hf"})


def test_another_package_may_hold_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def only(name: str) -> str:
        if name != "opencv-python":
            raise metadata.PackageNotFoundError(name)
        return "4.9"

    monkeypatch.setattr(metadata, "version", only)
    assert version("opencv-python-headless") == "4.9"
    assert version("numpy") == ""


@pytest.mark.parametrize(
    ("bounds", "there", "fits"),
    [
        (">=4.7,<5", "4.10.0.84", True),
        (">=4.7,<5", "4.6.9", False),
        (">=2.2", "2.13.0+cpu", True),
        ("", "0.1", True),
        (">=1", "", False),
    ],
)
def test_versions_are_compared_as_numbers(bounds: str, there: str, fits: bool) -> None:
    assert Needed("x", "", bounds, there).is_there == fits


def test_a_disk_that_is_full(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trying, "_synced", full)
    refused = run("doctor", tmp_path, "--json").json["folder"]["refused"]
    said = "cannot be written: No space left on device\n  Free space, and try again"
    assert refused == f"{tmp_path}: {said}"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(run: Any, tmp_path: Path) -> None:
    done = run("doctor", tmp_path / "nothing")
    assert done.status == 0
    assert "nothing: cannot be written: No such file or directory\n  A file or" in done.out
    assert run("doctor", tmp_path / "nothing", "--json").json["folder"]["refused"]


def test_what_a_file_system_cannot_do_is_said(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise CannotExchangeError("no such call")

    monkeypatch.setattr(trying, "exchange", cannot)
    monkeypatch.setattr(trying.fcntl, "flock", lambda *_: None)  # as if it locked
    assert abilities(tmp_path).can["exchange"] is False
    text = run("doctor", tmp_path).out
    assert "no exchange: a build's folder changes in several steps" in text
    assert "no locks: commands cannot keep each other out" in text


def test_the_file_system_of_the_longest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\n"
        f"/dev/b {tmp_path} xfs rw 0 0\n"
        f"/dev/c {tmp_path}/with\\040space nfs rw 0 0\n"
        f"/dev/d {tmp_path}/wit tmpfs rw 0 0\n"
    )
    for name, kind in (("", "xfs"), ("with space", "nfs"), ("without", "xfs")):
        (tmp_path / name).mkdir(exist_ok=True)
        assert kind_of(tmp_path / name, mounts) == kind
    assert kind_of(Path("/"), mounts) == "ext4"
    assert kind_of(tmp_path, tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "many\n"}, None),
        ({}, None),
    ],
)
def test_the_share_of_a_container(
    files: dict[str, str], wanted: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota(tmp_path) == wanted


def test_a_machine_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssd_data.core.machine._text", lambda path: "")
    found = machine()
    assert (found.memory, found.running, found.features, found.quota) == (None, None, (), None)
    assert found.processor


def test_toolkits_in_pythons_of_their_own(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CAFFE_PYTHON", "TPU_MLIR_PYTHON", "RKNN_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    text = run("doctor", tmp_path).out
    assert "RKNN_PYTHON names none (pip install rknn-toolkit2" in text
    monkeypatch.setenv("RKNN_PYTHON", str(rknn_interpreter(tmp_path / "a")))
    monkeypatch.setenv("TPU_MLIR_PYTHON", str(interpreter(tmp_path / "b", {}, {})))
    monkeypatch.setenv("CAFFE_PYTHON", "/bin/echo")
    found = {one["name"]: one for one in run("doctor", tmp_path, "--json").json["toolkits"]}
    assert found["rknn-toolkit2"]["version"] == "0.0"
    assert "No module named 'tpu_mlir'" in found["TPU-MLIR"]["why"]
    assert found["pycaffe"]["why"] == "pycaffe does not answer: it says nothing"
    assert "--engine rknn-sim" in found["rknn-toolkit2"]["for"]
