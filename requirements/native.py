"""ncnn with its headers, from its source on PyPI, for the examples in C++: ``make native``.

Its wheel brings no headers and hides what is within. Built are the layers of the tests' nets alone,
in half a minute on two cores; a program of yours wants a release of ncnn's own.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
# fmt: off
LAYERS = {
    "input", "convolution", "convolutiondepthwise", "permute", "flatten", "reshape", "concat",
    "softmax", "memorydata", "detectionoutput", "binaryop", "unaryop", "slice", "crop", "relu",
    "sigmoid", "clip", "split", "packing", "padding", "cast", "innerproduct", "scale", "bias",
}
OFF = [
    "VULKAN", "PYTHON", "RUNTIME_CPU", "AVX", "AVX2", "AVX512", "XOP", "INT8", "BF16",
    "BUILD_TOOLS", "BUILD_EXAMPLES", "BUILD_TESTS", "BUILD_BENCHMARK", "PIXEL_ROTATE",
    "PIXEL_AFFINE", "PIXEL_DRAWING", "C_API", "PLATFORM_API",
]
# fmt: on
# Its setup.py takes today for its version, which pip does not find in the file's name.
THAT_DAY = """import time
given = time.strftime
time.strftime = lambda form, *at: "{day}" if form == "%Y%m%d" else given(form, *at)
"""


def main(place: Path) -> None:
    """Build it into a folder."""
    missing = [name for name in ("g++", "cmake") if shutil.which(name) is None]
    if missing:
        print(f"ncnn is not built: no {' and no '.join(missing)}")
        return
    with TemporaryDirectory() as name:
        work = Path(name)
        build(fetch(work), work, place)


def fetch(work: Path) -> Path:
    """The source of the version that dev.txt has, by its hash."""
    found = re.search(r"(?m)^ncnn==\S+( \\\n +--hash=\S+)+", (HERE / "dev.txt").read_text())
    assert found, "dev.txt has no ncnn"
    (work / "ncnn.txt").write_text(found[0] + "\n")
    day = found[0].split()[0].rpartition(".")[2]
    (work / "sitecustomize.py").write_text(THAT_DAY.format(day=day))
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
         "--no-deps", "--no-build-isolation", "--no-binary=ncnn", "--require-hashes",
         f"--requirement={work / 'ncnn.txt'}", f"--dest={work}"],
        check=True, env={**os.environ, "PYTHONPATH": str(work)},
    )  # fmt: skip
    with tarfile.open(next(work.glob("ncnn-*.tar.gz"))) as archive:
        archive.extractall(work, filter="data")
    return next(work.glob("ncnn-*/"))


def build(source: Path, work: Path, place: Path) -> None:
    """Those layers, for any processor of this kind."""
    every = (path.stem for path in (source / "src" / "layer").glob("*.cpp"))
    less = [f"-DWITH_LAYER_{name}=OFF" for name in every if name not in LAYERS]
    less += [f"-DNCNN_{name}=OFF" for name in OFF]
    flags = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1", *less]
    made, cmake = work / "made", ["cmake", "--log-level=ERROR"]
    subprocess.run(
        [*cmake, "-Wno-dev", "-S", source, "-B", made, f"-DCMAKE_INSTALL_PREFIX={place}", *flags],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    cores = str(os.cpu_count())
    subprocess.run(
        ["cmake", "--build", made, "--parallel", cores, "--target", "install"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
