"""The examples in C++: built as their first lines say, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import ROOT
from support.nets import write_detector

from ssd_data.core.structures import Detections
from ssd_data.deploy import deploy
from ssd_data.engines import load_engine
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = {
    1: Preprocessing((120.5,), 0.007843, gray=True),
    3: Preprocessing((120.5, 127.5, 130.0), 0.007843),
}


def tool(name: str) -> str:
    """A program, or the test is left out."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}")
    return found


def with_ncnn() -> list[str]:
    """What the compiler is told of ncnn."""
    root = Path(os.environ.get("NCNN_ROOT") or Path(sys.prefix) / "ncnn")
    if not (root / "include" / "ncnn" / "net.h").is_file():
        pytest.skip("ncnn is not built (make native, or NCNN_ROOT)")
    return [
        f"-I{root}/include/ncnn",
        f"-L{root}/lib",
        f"-Wl,-rpath,{root}/lib",
        "-lncnn",
        "-fopenmp",
    ]


def with_mnn(folder: Path) -> list[str]:
    """The same of MNN. Its wheel's library holds it whole, and a module of Python, of which it asks
    names that nothing here calls."""
    if root := os.environ.get("MNN_ROOT"):
        places = (f"{root}/build", f"{root}/lib")
        return [
            f"-I{root}/include", *(f"-L{x}" for x in places), *(f"-Wl,-rpath,{x}" for x in places),
            "-lMNN",
        ]  # fmt: skip
    spec = find_spec("_mnncengine")
    if spec is None or spec.origin is None:
        pytest.skip("MNN is not installed")
    library = Path(spec.origin)
    asked = subprocess.run(
        [tool("nm"), "-D", "--undefined-only", library], capture_output=True, text=True, check=True
    )
    names = [line.split()[-1] for line in asked.stdout.splitlines()]
    wanted = [name for name in names if name.startswith(("Py", "_Py"))]
    (folder / "python.c").write_text("".join(f"char {name}[512];\n" for name in wanted))
    subprocess.run([tool("gcc"), "-c", folder / "python.c", "-o", folder / "python.o"], check=True)
    return [
        f"-I{ROOT}/tests/support/mnn", str(folder / "python.o"), "-Wl,--export-dynamic",
        str(library), f"-Wl,-rpath,{library.parent}",
        f"-Wl,-rpath-link,{library.parent / 'mnn.libs'}",
    ]  # fmt: skip


def lines_of(found: Detections, width: int, height: int) -> list[list[float]]:
    """As the programs print them."""
    sides = np.array([width, height, width, height])
    rows = zip(found.labels, found.scores, found.boxes, strict=True)
    return sorted([int(a), float(b), *map(float, box * sides)] for a, b, box in rows)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("profile", ["ncnn", "mnn"])
def test_the_program_finds_what_the_embedded_engine_finds(
    profile: str, channels: int, tmp_path: Path
) -> None:
    pytest.importorskip("ncnn" if profile == "ncnn" else "MNN")
    compiler = tool("g++")
    known = with_ncnn() if profile == "ncnn" else with_mnn(tmp_path)
    net = write_detector(tmp_path, channels=channels)
    out, prepare = tmp_path / "out", PREPARE[channels]
    deploy(profile, *net, out, prepare)
    call = [compiler, "-std=c++11", "-Wall", "-Wno-unused-result", out / "example.cpp"]
    subprocess.run([*call, *known, "-o", out / "x"], check=True)
    value = np.random.default_rng(5).integers(0, 256, (64, 64, 1)).astype(np.uint8)
    picture = np.repeat(value, 3, 2)  # gray: each runtime turns colours gray in its own way
    if channels == 3:
        picture = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.ppm"), picture)
    call = [out / "x", tmp_path / "p.ppm"]
    done = subprocess.run(call, cwd=out, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    theirs = sorted([float(word) for word in row] for row in rows if len(row) == 6)
    given = picture[:, :, 0] if channels == 1 else picture
    (found,) = load_engine("torch", *net, device="cpu").detect(prepare.apply(given, (64, 64))[None])
    ours = lines_of(found, 64, 64)
    assert len(theirs) == len(ours) > 5
    off = np.abs(np.array(sorted(theirs)) - np.array(ours))
    assert (off[:, 0] == 0).all()
    assert off[:, 1].max() < 0.002
    assert np.median(off[:, 2:]) <= 0.5


@pytest.mark.parametrize("profile", ["ncnn", "mnn"])
def test_the_program_says_how_it_is_called(profile: str, tmp_path: Path) -> None:
    pytest.importorskip("ncnn" if profile == "ncnn" else "MNN")
    compiler = tool("g++")
    known = with_ncnn() if profile == "ncnn" else with_mnn(tmp_path)
    deploy(profile, *write_detector(tmp_path), tmp_path / "out", PREPARE[3])
    program = tmp_path / "out" / "x"
    call = [compiler, "-std=c++11", tmp_path / "out" / "example.cpp", *known, "-o", program]
    subprocess.run(call, check=True)
    for given in ([], [tmp_path / "none.ppm"], [tmp_path / "deploy.prototxt"]):
        done = subprocess.run([program, *given], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "usage: example picture.ppm" in done.stderr
