"""Every command and program in the README and the docs is run; shown output is what comes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from support.documents import blocks, run

from ssd_data.training.recipe.read import read_recipe

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
AS_VOC = {"circle": "person", "square": "car", "triangle": "dog"}
AS_COCO = {"circle": "person", "square": "car", "triangle": "dog"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with VOCdevkit, WIDER_FACE, coco and a folder of one's own, all drawn."""
    folder = tmp_path_factory.mktemp("world")
    run("ssd-data sample sample --train 12 --test 5 --size 96", folder)
    sample = folder / "sample"
    for year in ("VOC2007", "VOC2012"):
        shutil.copytree(sample / "voc", folder / "VOCdevkit" / year)
    for path in (folder / "VOCdevkit").rglob("*.xml"):
        text = path.read_text()
        for shape, name in AS_VOC.items():
            text = text.replace(f"<name>{shape}<", f"<name>{name}<")
        path.write_text(text)
    lines = (folder / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "trainval.txt").read_text()
    pairs = [f"VOC2007/JPEGImages/{n}.jpg VOC2007/Annotations/{n}.xml" for n in lines.split()]
    (folder / "trainval.txt").write_text("\n".join(pairs) + "\n")
    (sample / "widerface").rename(folder / "WIDER_FACE")
    (sample / "coco").rename(folder / "coco")
    for split in ("train", "val"):
        (folder / "coco" / split).rename(folder / "coco" / f"{split}2017")
        json = folder / "coco" / "annotations" / f"instances_{split}.json"
        json.rename(json.with_name(f"instances_{split}2017.json"))
    (sample / "voc").rename(folder / "my_pictures")
    shutil.rmtree(sample)
    return folder


def test_the_commands_of_the_tour_and_of_the_readme(world: Path) -> None:
    """The README's are the tour's first ones, so that they cost nothing."""
    ran: list[str] = []
    for page in ("docs/tour.md", "README.md"):
        for line in "".join(blocks(ROOT / page, "sh")).splitlines():
            command = line.split("#")[0].strip()
            if command.startswith("ssd-data") and command not in ran:
                run(command, world)
                ran.append(command)
    assert len(ran) >= 20
    for name in ("trainval_lmdb", "test_lmdb", "MobileNet-SSD/labelmap.prototxt"):
        assert (world / name).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_programs(page: Path, world: Path) -> None:
    if not (world / "VOC0712").exists():
        run("ssd-data build voc0712 --root VOCdevkit", world)
    for index, program in enumerate(blocks(page, "python")):
        (world / f"program{index}.py").write_text(program)
        run(f"{sys.executable} program{index}.py", world)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_programs_find_all_they_need_on_the_packages_face(page: Path) -> None:
    for program in blocks(page, "python"):
        assert not re.findall(r"(?:from|import) ssd_data\.\S+", program)


def test_the_commands_of_the_tutorial(tmp_path: Path) -> None:
    run("ssd-data sample sample --layout voc --train 24 --test 6 --size 96", tmp_path)
    (tmp_path / "sample" / "voc").rename(tmp_path / "my_pictures")
    commands = [
        line for block in blocks(ROOT / "docs" / "tutorial.md", "sh") for line in block.splitlines()
    ]
    for command in commands:
        short = " --max-iter 2" if command.startswith("ssd-data train") else ""
        run(command.replace("_iter_6000", "_iter_2") + short, tmp_path)
    assert len(commands) > 10
    assert (tmp_path / "for_onnx" / "net.onnx").exists()


def test_recipes(tmp_path: Path) -> None:
    from ssd_data.data.recipes import parse

    (recipe,) = blocks(ROOT / "docs" / "data-sets.md", "toml")
    (tmp_path / "blood.toml").write_text(recipe)
    assert parse(tmp_path / "blood.toml").name == "BLOOD"


def same(printed: str, shown: str) -> bool:
    """Whether a command printed what the page shows; … stands for what follows."""
    if shown.endswith("…"):
        return printed.startswith(shown[:-1].rstrip())
    return printed.rstrip() == shown


def without_numbers(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.,e+-]*|\b[0-9a-f]{16}\b", "#", text))


def demo() -> list[tuple[str, str]]:
    """The demo's commands in the README, and what it shows of each."""
    (block,) = blocks(ROOT / "README.md", "console")
    parts = re.split(r"^\$ (.*)\n", block, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_make_demo_runs_what_the_readme_shows_and_demo_long_the_same_without_a_recipe() -> None:
    def steps(target: str) -> list[str]:
        command = ["make", "-n", target, "--assume-old", ".venv/.run"]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        (line,) = [line for line in made.splitlines() if "set -ex; " in line]
        return [step.strip() for step in line.partition("set -ex; ")[2].split(";")]

    shown = [command for command, _ in demo()]
    assert steps("demo") == shown
    (train,) = [command for command in shown if " train " in command]
    plain, _, told = train.partition(" --recipe ")
    assert told.split() == ["demo.toml", "--max-iter", "2000"]
    other = [c.replace("iter_2000", "iter_6000") for c in shown]
    other[shown.index(train)] = plain
    assert steps("demo-long") == other


def test_the_recipe_of_the_demo_is_one() -> None:
    recipe = read_recipe(ROOT / "docs" / "demo.toml")
    assert recipe.schedule is not None
    assert recipe.matching is not None


@pytest.mark.slow
def test_the_demo_shows_what_the_readme_shows(tmp_path: Path) -> None:
    """All of it runs, training too; what depends on learned weights is compared but for numbers."""
    shutil.copy(ROOT / "docs" / "demo.toml", tmp_path)
    learned = False
    for command, expected in demo():
        printed, shown = run(command, tmp_path), expected.rstrip()
        learned = learned or command.startswith("ssd-data train")
        if learned:
            printed, shown = without_numbers(printed), without_numbers(shown)
        assert same(printed, shown), (command, printed)
    table = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert table["ap"]["MaxIntegral"] > 0.8  # it detects well, in pictures it has not seen
    for picture in ("scores/curves", "scores/worst", "found", "pictures"):
        assert any((tmp_path / picture).iterdir())


def test_the_files_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for name in re.findall(r"`([\w/]+\.(?:py|toml|proto))`", text):
        assert any((ROOT / base / name).exists() for base in ("", "ssd_data")), name
