"""Commands on the pages of docs: each is one that is taken, and those that can be run cheaply are.

Other pages' have tests of their own: the README's and the tour's, the tutorial's, those of weights,
of what goes wrong with data, and of many machines.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
from support import ROOT, commands
from support.documents import blocks
from support.yolo import pictures, tree

import ssd_data
from ssd_data.cli import root

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^```+(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
SHELL = ("sh", "bash", "console", "")
PLACE = re.compile(r"…|\b[A-Z]+\b")  # what stands for something else


def in_blocks(page: Path) -> list[str]:
    """The commands of a page's blocks, which are whole."""
    texts = [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind in SHELL]
    return re.findall(r"^(?:\$ )?ssd-data (.+)$", "\n".join(texts).replace("\\\n", ""), re.M)


def in_text(page: Path) -> list[str]:
    """Those of its sentences and tables, which may be named in part."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    return [" ".join(line.split()) for line in re.findall(r"`ssd-data ([^`]+)`", text)]


def taken(line: str) -> None:
    """Parse a command's options and arguments; nothing runs."""
    name, *args = shlex.split(line, comments=True)
    command = root.get_command(click.Context(root), name)
    if name.startswith("-"):
        command, args = root, [name, *args]
    assert command is not None, line
    if args and "--help" not in args and "--version" not in args:
        command.make_context(name, args)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_blocks_are_taken(page: Path) -> None:
    for line in in_blocks(page):
        taken(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_are_taken_as_far_as_they_go(page: Path) -> None:
    for line in in_text(page):
        try:
            taken(line)
        except click.NoSuchOption:
            raise
        except (click.MissingParameter, click.BadOptionUsage):
            pass  # the sentence says the rest
        except click.UsageError:
            assert PLACE.search(line), line


def test_the_search_finds_commands() -> None:
    assert sum(len(in_blocks(page)) for page in PAGES) > 100
    assert sum(len(in_text(page)) for page in PAGES) > 100


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build, a net with random weights beside it, and some photos."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in "".join(blocks(DOCS / "api.md", "sh")).splitlines():
            assert commands.run(*shlex.split(line)[1:], "-q") == 0
        shutil.copytree("SHAPES", "VOC0712")
        shutil.copytree("sample/voc/JPEGImages", "photos")
        for picture in sorted(Path("photos").iterdir())[2:]:
            picture.unlink()
        shutil.copy("tiny_ssd/deploy.prototxt", "deploy.prototxt")
        shutil.copy("tiny_ssd/train.prototxt", "train.prototxt")
        ssd_data.write_random_weights("deploy.prototxt", "net.caffemodel")
    return folder


def done(lines: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    for line in lines:
        status = commands.run(*shlex.split(line, comments=True))
        assert status == 0, f"{line}: {capfd.readouterr().err}"


def test_families(
    world: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(world)
    done(in_blocks(DOCS / "families.md"), capfd)
    assert Path("nets/lite/deploy.prototxt").is_file()


def test_engines(
    world: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ncnn")
    monkeypatch.chdir(world)
    for line in in_blocks(DOCS / "engines.md")[:6]:  # those of the first block
        command = line.split("#")[0]
        done([command + " --iterations 1" * command.startswith("time")], capfd)
    assert len(list(Path("out").iterdir())) == 2


def test_coming_from_yolo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The whole way of somebody with a data.yaml; two iterations in place of 6,000."""
    for package in ("torch", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    lines = {"a": "0 0.5 0.25 0.5 0.25\n", "b": "1 0.25 0.5 0.25 0.5\n"}
    files = pictures("my_yolo/images/train", "my_yolo/labels/train", **lines)
    files |= pictures("my_yolo/images/val", "my_yolo/labels/val", c=lines["a"], d=lines["b"])
    files["my_yolo/data.yaml"] = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    tree(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    for line in in_blocks(DOCS / "coming-from-yolo.md"):
        command = line.split("#")[0].replace("_iter_6000", "_iter_2")
        done([command + " --max-iter 2" * command.startswith("train")], capfd)
    assert Path("for_onnx/net.onnx").is_file()
    assert Path("found").is_dir()


def test_installing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    done(in_blocks(DOCS / "installing.md"), capfd)
    assert next(tmp_path.rglob("*.fish")).is_file()


def test_the_api_s_page_has_the_commands_of_the_package_s_docstring() -> None:
    for line in "".join(blocks(DOCS / "api.md", "sh")).splitlines():
        assert line in (ssd_data.__doc__ or "")
