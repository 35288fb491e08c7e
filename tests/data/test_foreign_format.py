"""A format of one's own is a package of one file that names itself as an entry point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from support.trees import jpeg

PLUGIN = '''
"""NAME.boxes beside NAME.jpg: lines of class;xmin;ymin;xmax;ymax."""

import msgspec
import numpy as np

from ssd_data import AnnotatedImage, InputError
from ssd_data.data.formats import Confidence, Format, Recognised


class BoxesSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str = "."


def recognise(tree):
    if ".boxes" in tree.endings:
        return Recognised({"train": [BoxesSource()]}, "it has .boxes", Confidence.CONTENT)


def read(root, source, notes):
    for path in sorted((root / source.folder).glob("*.boxes")):
        rows = [line.split(";") for line in path.read_text().splitlines()]
        yield AnnotatedImage(
            image=f"{path.stem}.jpg",
            annotation=path.name,
            classes=tuple(row[0] for row in rows),
            boxes=np.array([row[1:] for row in rows], np.float32),
            difficult=np.zeros(len(rows), bool),
            places=tuple(range(1, len(rows) + 1)),
        )


FORMAT = Format(BoxesSource, read, needs=lambda source: [source.folder], layout="NAME.boxes",
                recognise=recognise)
'''


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder into which a package was installed, as pip leaves it."""
    info = tmp_path / "site" / "company_boxes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: company-boxes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ssd_data.formats]\nboxes = company_boxes\n")
    (info.parent / "company_boxes.py").write_text(PLUGIN)
    return info.parent


def ssd_data(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
    command = [sys.executable, "-c", "from ssd_data.cli import main; raise SystemExit(main())"]
    return subprocess.run(
        [*command, *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_recognised_and_built(site: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "1.jpg").write_bytes(jpeg())
    (data / "1.boxes").write_text("cat;1;2;30;40\ndog;5;6;20;20\n")
    done = ssd_data(site, "build", data, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:3] == ["train", "1", "2"]
    named = ssd_data(site, "build", data, "--dry-run", "--format", "boxes")
    assert f"boxes: {data} (it has .boxes)" in named.stdout
    assert "voc, " in ssd_data(site, "build", data, "--format", "none").stderr


def test_one_that_is_broken_is_named(site: Path, tmp_path: Path) -> None:
    (site / "company_boxes.py").write_text("import nothing_of_that_name")
    done = ssd_data(site, "build", tmp_path, "--dry-run")
    assert done.returncode == 1
    assert '"boxes" of company-boxes cannot be loaded: ModuleNotFoundError' in done.stderr
    assert "Traceback" not in done.stderr
