"""Every command of docs/weights.md is run; what it prints is what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from support import ROOT
from support.documents import blocks, run
from support.prototxts import a_model, detector
from support.pytorch_bodies import TimmV1, trained

from ssd_data.nets.caffemodel import to_bytes

PAGE = ROOT / "docs" / "weights.md"
DETECTOR = "sfd_mobilenetv2_mod11"
# Rounding, and which of two random inputs it was the largest with: not the same everywhere.
MEASURED = re.compile(r"\d\.\d+e[-+]\d+|(?<=values up to )[\d.]+")


def commands() -> list[tuple[str, str]]:
    found = []
    for block in blocks(PAGE, "console"):
        parts = re.split(r"^\$ (.*)\n", block, flags=re.M)[1:]
        found += list(zip(parts[::2], parts[1::2], strict=True))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for name in ("coco", "voc"):
        shutil.copy(ROOT / "labelmaps" / f"labelmap_{name}.prototxt", folder)
    model = a_model(detector(81))
    (folder / "coco.caffemodel").write_bytes(to_bytes(model.net, model.layers))
    (folder / "train.prototxt").write_text(detector(21, suffix="_new"))
    torch.save(trained(TimmV1()).state_dict(), folder / "mobilenetv1_100.pth")
    data = Path(os.environ.get("SSD_DATA_SHARED", ROOT.parent / "shared" / "data"))
    if (data / "models" / DETECTOR).is_dir():
        (folder / DETECTOR).symlink_to(data / "models" / DETECTOR)
    return folder


def test_there_are_commands() -> None:
    words = {tuple(shlex.split(command)[1:3]) for command, _ in commands()}
    assert {first for first, _ in words} >= {"merge-bn", "transfer", "weights", "import-backbone"}


@pytest.mark.parametrize("published", [False, True])
def test_what_the_page_shows(published: bool, folder: Path) -> None:
    """In the page's order: later commands use what earlier ones wrote."""
    if published and not (folder / DETECTOR).exists():
        pytest.skip("no published detector (set SSD_DATA_SHARED)")
    ran = 0
    for command, shown in commands():
        if (DETECTOR in command) != published:
            continue
        printed = MEASURED.sub("~", run(command, folder))
        position = 0
        for part in MEASURED.sub("~", shown).split("…\n"):
            assert part in printed[position:], (command, part)
            position = printed.index(part, position) + len(part)
        ran += 1
    assert ran >= (6 if published else 3)
