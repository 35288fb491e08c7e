"""What solvers and nets have written lies in the folders of the run, or the user has named it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from support.standin import write_standin

from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.nets.graph import read_graph
from ssd_data.proto import caffe_pb2
from ssd_data.training.options import TrainOptions
from ssd_data.training.preflight import preflight
from ssd_data.training.run import train_file
from ssd_data.training.solver_file import look_at_solver, read_solver
from ssd_data.training.testing import test as score
from ssd_data.training.written import homes_of, outputs_of_net, outputs_of_run, require_named

WEIGHTS = ("--weights", "initial.caffemodel")
SHORT = (*WEIGHTS, "--max-iter", 1, "--device", "cpu")


def prefix(solver: Path, stated: object) -> None:
    text, times = re.subn(
        'snapshot_prefix: "[^"]*"', f'snapshot_prefix: "{stated}"', solver.read_text()
    )
    assert times == 1
    solver.write_text(text)


def saving(net: Path, **fields: Any) -> None:
    """Give DetectionOutput a ``save_output_param``."""
    with LmdbReader("lmdb_test") as records:
        sizes = [(record.image, *record.decode().shape[:2]) for record in records]
    Path("sizes.txt").write_text("".join(f"{name} {h} {w}\n" for name, h, w in sizes))
    known = {"label_map_file": "labelmap.prototxt", "name_size_file": "sizes.txt"}
    param = caffe_pb2.SaveOutputParameter(output_format="COCO", **known, **fields)
    shown = text_format.MessageToString(param, as_one_line=True)
    start = "detection_output_param {"
    assert net.read_text().count(start) == 1
    net.write_text(net.read_text().replace(start, f"{start} save_output_param {{ {shown} }}"))


def outside(folder: Path) -> list[Path]:
    """All that lies beside the run's folder."""
    return sorted(p for p in folder.parent.rglob("*") if not p.is_relative_to(folder))


@pytest.mark.parametrize("stated", ["../evil/x", "a/../../evil/x", "{}/evil/x", "away/x", "~/x"])
def test_a_snapshot_prefix_has_to_be_named(
    stated: str, folder: Path, solver_file: Path, run: Any
) -> None:
    (folder.parent / "evil").mkdir()
    Path("away").symlink_to("../evil")
    prefix(solver_file, stated.format(folder.parent))
    before = outside(folder)
    command = ("train", solver_file.name, *SHORT)
    if stated == "~/x":  # a folder of that name, as Caffe takes it
        assert run(*command).status == 0
        assert Path("~/x_iter_1.caffemodel").is_file()
        return
    refused = run(*command)
    assert refused.status == 1
    assert "error: short.prototxt: snapshot_prefix: " in refused.err
    assert "lies neither in the working folder nor beside the solver" in refused.err
    assert "nothing was started" in refused.err
    assert outside(folder) == before
    (cure,) = set(re.findall(r"--write-in (\S+) allows it", refused.err))
    assert run(*command, "--write-in", cure).status == 0
    assert (folder.parent / "evil" / "x_iter_1.caffemodel").is_file()


def test_a_link_is_shown_with_where_it_leads(folder: Path, solver_file: Path) -> None:
    (folder.parent / "evil").mkdir()
    Path("away").symlink_to("../evil")
    prefix(solver_file, "away/x")
    (error,) = preflight(look_at_solver(solver_file.name)).errors
    assert f'"away/x", which leads to "{folder.parent}/evil", lies neither' in error.what


def test_the_folder_of_the_solver_is_the_runs(
    folder: Path, solver_file: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    for name in ("train_net", "test_net"):  # both lie with the solver, which says so
        text = solver_file.read_text()
        solver_file.write_text(re.sub(f'{name}: "', f'{name}: "{folder}/', text))
    for name in ("train.prototxt", "test.prototxt"):
        path = folder / name
        path.write_text(re.sub(r'(source|_file): "', rf'\1: "{folder}/', path.read_text()))
    prefix(solver_file, folder / "x")
    (folder.parent / "elsewhere").mkdir()
    monkeypatch.chdir(folder.parent / "elsewhere")
    command = ["train", solver_file, "--weights", folder / "initial.caffemodel", *SHORT[2:]]
    done = run(*command)
    assert done.status == 0, done.err
    assert (folder / "x_iter_1.caffemodel").is_file()
    assert not list(Path().iterdir())


def test_detections_have_to_be_named(folder: Path, solver_file: Path, run: Any) -> None:
    saving(Path("test.prototxt"), output_directory=f"{folder.parent}/found", output_name_prefix="x")
    before = outside(folder)
    for command in (
        ("train", solver_file.name, *SHORT),
        ("test", solver_file.name, *WEIGHTS, "--device", "cpu"),
        ("test", "test.prototxt", *WEIGHTS, "--device", "cpu"),
    ):
        refused = run(*command)
        assert refused.status == 1
        assert re.search('output_directory: ".*/found" lies neither', refused.err)
        assert outside(folder) == before
    assert run(*command, "--write-in", folder.parent / "found").status == 0
    assert (folder.parent / "found" / "x.json").is_file()


def test_the_functions_refuse_as_well(folder: Path, solver_file: Path) -> None:
    prefix(solver_file, "../evil/x")
    before = outside(folder)
    options = TrainOptions([Path("initial.caffemodel")], max_iter=1)
    with pytest.raises(InputError, match="snapshot_prefix"):
        train_file(read_solver(solver_file), options)
    saving(Path("test.prototxt"), output_directory="../found")
    with pytest.raises(InputError, match="output_directory"):
        score("test.prototxt", "initial.caffemodel", device="cpu")
    assert outside(folder) == before


MORE = """
layer {{ name: "file" type: "HDF5Output" bottom: "data" bottom: "label" include {{ phase: TEST }}
  hdf5_output_param {{ file_name: "{0}/h5" }} }}
"""


def test_what_a_real_caffe_writes_besides(folder: Path, solver_file: Path, run: Any) -> None:
    net, evil = Path("test.prototxt"), folder.parent / "evil"
    saving(net, output_directory=f"{evil}/found")  # it is emptied, whatever the format
    text = (
        net.read_text()
        .replace('"COCO"', '"none"')
        .replace(
            "detection_output_param {",
            f'detection_output_param {{ visualize: true save_file: "{evil}/film" ',
            1,
        )
    )
    net.write_text(text + MORE.format(evil))
    file = look_at_solver(solver_file.name)
    homes = homes_of(file.origin, [])
    require_named(outputs_of_run(file, "torch"), homes)  # which writes none of these
    faults = [output.fault(homes) for output in outputs_of_run(file, "caffe")]
    fields = [fault.where.rpartition(" ")[2] for fault in faults if fault is not None]
    assert sorted(fields) == ["file_name", "output_directory", "save_file"]
    standin = write_standin(folder / "bin" / "caffe")
    before = outside(folder)
    refused = run("train", solver_file.name, *WEIGHTS, "--engine", "caffe", "--caffe", standin)
    assert refused.status == 1
    assert refused.err.count("lies neither") == 3
    assert not Path("called.json").exists()
    assert outside(folder) == before


def test_what_is_not_written_is_no_matter(folder: Path) -> None:
    saving(Path("test.prototxt"), output_directory="../found", output_name_prefix="x")
    text = Path("test.prototxt").read_text()
    Path("test.prototxt").write_text(text.replace('"COCO"', '"none"'))
    assert not list(outputs_of_net(read_graph("test.prototxt", "TEST"), "torch"))


@pytest.mark.parametrize(("home", "inside"), [(".", True), ("/", True), ("..", True), ("a", False)])
def test_homes(home: str, inside: bool, folder: Path, solver_file: Path) -> None:
    prefix(solver_file, folder.parent / "run2" / "x")  # no part of "run", though it begins so
    file = look_at_solver(solver_file.name)
    shutil.rmtree("a", ignore_errors=True)
    (output,) = outputs_of_run(file, "torch")
    assert (output.fault([home]) is None) == (inside and home != ".")
