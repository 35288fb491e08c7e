"""What docs/data-problems.md shows is what comes, on sets with just these problems."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image
from support import ROOT
from support.documents import blocks
from support.trees import Voc, jpeg, xml

PAGE = ROOT / "docs" / "data-problems.md"


def phone(root: Path) -> None:
    """Pictures held upright, stored lying, with the upright size in their annotations."""
    made = Voc(root, 3)
    for i in range(1, 4):
        exif = Image.Exif()
        exif[0x0112] = 6
        file = io.BytesIO()
        Image.open(io.BytesIO(jpeg(64, 48, seed=i))).save(file, "JPEG", exif=exif)
        made.picture(i).write_bytes(file.getvalue())
        made.annotation(i).write_text(xml([("cup", 5, 6, 30, 60)], (48, 64), f"{i}.jpg"))
    made.list(["1", "2"], "train")
    made.list(["3"], "val")
    (root / "ImageSets" / "Main" / "trainval.txt").unlink()


def stale(root: Path) -> None:
    made = Voc(root, 2)
    for i in (1, 2):
        made.annotation(i).write_text(xml([("cup", 5, 6, 60, 40)], (32, 24), f"{i}.jpg"))


def fractions(root: Path) -> None:
    made = Voc(root, 2)
    for i in (1, 2):
        made.annotation(i).write_text(xml([("cup", 0.1, 0.25, 0.5, 1)], None, f"{i}.jpg"))


def names(root: Path) -> None:
    made = Voc(root, 2)
    made.annotation(1).write_text(xml([("cup", 5, 6, 30, 40), ("Cup", 5, 6, 9, 40)]))
    made.list(["1"], "train")
    made.list(["2"], "val")
    (root / "ImageSets" / "Main" / "trainval.txt").unlink()


def test_the_page_shows_what_comes(tmp_path: Path) -> None:
    for make in (phone, stale, fractions, names):
        make(tmp_path / make.__name__)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = 0
    for block in blocks(PAGE, "console"):
        words = re.split(r"^\$ (.*)\n", block, flags=re.M)[1:]
        for command, shown in zip(words[::2], words[1::2], strict=True):
            done = subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                env={**os.environ, "PATH": path},
            )
            printed = done.stdout.replace(f"{tmp_path.resolve()}/", "/home/me/")
            assert printed.rstrip() == shown.rstrip(), command
            ran += 1
    assert ran >= 5
