"""The Dockerfile, without Docker: what it copies makes the wheel, what it installs is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

from support import ROOT

TEXT = (ROOT / "Dockerfile").read_text("utf-8")


def steps() -> list[tuple[str, str]]:
    """Each instruction's word and the rest of it, in one line."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def copied() -> list[str]:
    """What comes from this folder."""
    rows = [rest.split()[:-1] for word, rest in steps() if word == "COPY" and "--from" not in rest]
    return [name for row in rows for name in row]


def argument(name: str) -> str:
    (value,) = [rest for word, rest in steps() if word == "ARG" and rest.startswith(f"{name}=")]
    return value.partition("=")[2]


def test_the_extras_are_those_of_setup_cfg() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    given = argument("EXTRAS").split(",")
    assert {"report", "view"} <= set(given) <= extras.keys() - {"all", "dev", "torch"}
    assert argument("CUDA") == ""
    (line,) = [rest for word, rest in steps() if word == "RUN" and "pip install" in rest]
    assert line.endswith('".[${EXTRAS}${CUDA:+,torch}]"')
    made = ["sh", "-c", f"EXTRAS={argument('EXTRAS')}; CUDA=$1; echo {line.split()[-1]}", "sh"]
    for cuda, wanted in (("", given), ("1", [*given, "torch"])):
        done = subprocess.run([*made, cuda], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == f".[{','.join(wanted)}]"
    needed = [line for name in given for line in extras[name].split("\n") if line]
    assert not [line for line in needed if line.startswith(("torch", "nvidia"))]


def test_it_is_from_debian_and_pypi_alone() -> None:
    froms = [rest.split()[0] for word, rest in steps() if word == "FROM"]
    assert froms == ["debian:${DEBIAN}-slim"] * 2
    assert "://" not in TEXT
    assert not re.search(r"curl|wget|git |--index-url|ADD ", TEXT)


def test_who_runs_it_is_not_root() -> None:
    last = [(word, rest) for word, rest in steps()][-5:]
    assert ("USER", "ssd") in last
    (entry,) = [rest for word, rest in steps() if word == "ENTRYPOINT"]
    assert json.loads(entry) == ["ssd-data"]
    assert "useradd --uid 1000" in TEXT


def test_what_it_copies_is_what_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    assert kept == copied()
    assert all((ROOT / name).exists() for name in kept)


def test_what_it_copies_makes_the_whole_wheel(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    held = {name.removeprefix("ssd_data/") for name in zipfile.ZipFile(wheel).namelist()}
    files = (ROOT / "ssd_data").rglob("*")
    wanted = {path.relative_to(ROOT / "ssd_data").as_posix() for path in files if path.is_file()}
    assert {name for name in wanted if "__pycache__" not in name} <= held
    assert {"datasets/voc0712.toml", "labelmaps/labelmap_voc.prototxt"} <= held
