"""The versions and hashes that ``make`` installs: ``make lock``, and its ``UPGRADE=--upgrade``.

``uv`` solves setup.cfg for every Python and platform at once; a version that a file has is kept
until it is told to upgrade. torch is left out, with all that only its CUDA builds need: one version
of it has a build for each accelerator, each in an index of its own, so that no list of hashes fits
all of them. torch.txt names its version.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUILDS = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
BUILDER = "setuptools>=70.1\n"  # pyproject.toml's, since nothing is built apart


def main(options: list[str]) -> None:
    """Makes the four files."""
    solve("dev.txt", ["setup.cfg", "-", "--extra=dev"], "torch.txt", options)
    run = ["setup.cfg", "-", "--extra=torch", "--extra=score", "--extra=report"]
    solve("run.txt", run, "dev.txt", options)
    solve("docs.txt", ["setup.cfg", "-", "--extra=docs"], "dev.txt", options)
    solve("supply.txt", ["requirements/supply.in"], "dev.txt", options)


def solve(name: str, wanted: list[str], agreeing: str, options: list[str]) -> None:
    """One file, in agreement with another."""
    file = HERE / name
    subprocess.run(
        ["uv", "pip", "compile", *wanted, "--universal", "--python-version=3.10",
         "--generate-hashes", "--no-header", "--quiet",
         f"--constraints={HERE / 'torch.txt'}", f"--constraints={HERE / agreeing}",
         f"--output-file={file}", *options],
        input=BUILDER, text=True, check=True, cwd=HERE.parent, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    file.write_text("# Made by: make lock\n" + without_builds(file.read_text()))


def without_builds(text: str) -> str:
    """The list less what comes with a build of torch; a package is its line and those set in."""
    parts = re.split(r"(?m)^(?=\S)", text)
    return "".join(part for part in parts if not BUILDS.match(part))


if __name__ == "__main__":
    main(sys.argv[1:])
