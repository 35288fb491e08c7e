"""The command line's manners: help, JSON, exit status, errors without traceback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.trees import Voc, xml

COMMANDS = sorted(
    p.stem.replace("_", "-")
    for p in (ROOT / "ssd_data" / "cli").glob("*.py")
    if p.stem != "__init__"
)


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    voc = Voc(tmp_path / "raw")
    voc.held_back("4")
    return voc


def test_all_commands_are_shown_and_described(run: Any, tmp_path: Path) -> None:
    shown = run("--help").out
    assert all(f"\n  {command} " in shown for command in COMMANDS)
    script = ROOT / "docs" / "make_commands.py"
    subprocess.run([sys.executable, script, tmp_path / "made.md"], check=True)
    made = (tmp_path / "made.md").read_text("utf-8")
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == made, "make docs"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, run: Any) -> None:
    done = run(command, "--help")
    assert done.status == 0
    assert "Example" in done.out
    assert f"ssd-data {command}" in done.out
    assert "--json" in done.out
    assert "-q, --quiet" in done.out


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom ssd_data.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'numpy', 'lxml', 'lmdb', 'PIL', 'google', 'msgspec', 'tqdm'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


def test_module_and_script_are_the_same() -> None:
    for start in (["-m", "ssd_data"], [str(Path(sys.executable).parent / "ssd-data")]):
        command = [sys.executable, *start] if start[0] == "-m" else start
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("ssd-data, version ")


@pytest.mark.parametrize(
    "args",
    [
        ["bild"],
        ["build"],
        ["build", "--nothing"],
        ["build", "voc0713"],
        ["build", "voc0712", "--size", "big"],
        ["build", "voc0712", "--map", "x"],
        ["build", "voc0712", "--quality", "101"],
        ["build", "voc0712", "--list", "x"],
        ["build", "--list", "x"],
        ["build", "voc0712", "--workers", "0"],
        ["labelmap"],
        ["labelmap", "voc0712", "--names", "a"],
        ["labelmap", "--names", "a", "--check", "x"],
    ],
)
def test_wrong_usage_is_2(args: list[str], run: Any, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    done = run(*args)
    assert (done.status, done.out) == (2, "")
    assert done.err


def test_a_build(run: Any, voc: Voc, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("build", voc.root, "-o", out, "--link", tmp_path / "links")
    assert done.status == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0].split() == "split records boxes difficult without boxes MB".split()
    assert lines[1].split() == ["trainval", "3", "3", "0", "0", "0.0", "built"]
    assert lines[3] == f"done: {out}"
    assert lines[4] == f"linked: {tmp_path / 'links' / 'trainval_lmdb'}"
    assert f"up to date: {out}" in run("build", voc.root, "-o", out).out
    assert run("build", voc.root, "-o", out, "-q").out == ""
    failed = run("build", voc.root, "-o", out, "--size", "32x24")
    assert failed.status == 1
    assert "--redo" in failed.err


def test_build_json(run: Any, voc: Voc, tmp_path: Path) -> None:
    done = run("build", voc.root, "-o", tmp_path / "out", "--json")
    assert done.json["built"] == ["trainval", "test"]
    assert done.json["splits"]["trainval"]["classes"] == {"cat": 3}
    assert done.err == ""


def test_errors_as_json(run: Any, voc: Voc, tmp_path: Path) -> None:
    voc.annotation(2).write_text(xml([("cat", 1, 2, "three", 4)]))  # type: ignore[list-item]
    done = run("build", voc.root, "-o", tmp_path / "out", "--json")
    assert done.status == 1
    assert "Annotations/2.xml:6" in done.json["error"]["what"]
    assert done.json["error"]["hint"]
    assert "error: " in done.err


def test_the_drop_in_for_create_annoset(run: Any, golden: Path, tmp_path: Path) -> None:
    folder = golden / "lmdb"
    labelmap = folder / "voc" / "labelmap.prototxt"
    args = ["--list", folder / "list.txt", "--labelmap", labelmap, "--root", folder / "voc"]
    done = run("build", *args, "-o", tmp_path / "out", "--link", tmp_path / "examples")
    assert done.status == 0
    assert (tmp_path / "examples" / "list_lmdb").resolve() == tmp_path / "out" / "list_lmdb"
    assert "24" in done.out


def test_a_list_beside_its_own_result(run: Any, golden: Path, tmp_path: Path) -> None:
    """As people have it: list and labelmap lie where the result goes; both stay as they are."""
    folder = golden / "lmdb"
    for name, source in (("list.txt", folder), ("labelmap.prototxt", folder / "voc")):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    args = ["--list", tmp_path / "list.txt", "--labelmap", tmp_path / "labelmap.prototxt"]
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    done = run("build", *args, "--root", folder / "voc", "-o", tmp_path)
    assert done.status == 0, done.err
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert run("build", *args, "--root", folder / "voc", "-o", tmp_path).status == 0


def test_labelmaps(run: Any, voc: Voc, tmp_path: Path) -> None:
    out = tmp_path / "labelmap.prototxt"
    assert run("labelmap", "--names", "cat,dog", "-o", out).status == 0
    assert run("labelmap", "--names", "cat,dog", "-o", out).status == 0  # it is there already
    assert run("labelmap", "--names", "cat,cow", "-o", out).status == 1
    assert 'name: "face"' in run("labelmap", "widerface").out
    assert run("labelmap", voc.root, "--json").json["items"][1]["name"] == "cat"
    done = run("labelmap", "--check", out, voc.root)
    assert (done.status, done.out) == (0, f"{out} fits {voc.root}\n")
    voc.annotation(2).write_text(xml([("cow", 1, 2, 3, 4)]))
    done = run("labelmap", "--check", out, voc.root)
    assert done.status == 1
    assert '"cow": 1 box' in done.out
    names = tmp_path / "names.txt"
    names.write_text("cow\n\n")
    other = tmp_path / "other.prototxt"
    run("labelmap", "--names-file", names, "-o", other)
    done = run("labelmap", "--check", out, other, "--json")
    assert len(done.json["differences"]) == 2
    run("build", voc.root, "-o", tmp_path / "out")
    done = run("labelmap", "--check", other, tmp_path / "out" / "raw_trainval_lmdb")
    assert done.status == 1
    assert "label 2, used by 1 boxes" in done.out


def test_links(run: Any, voc: Voc, tmp_path: Path) -> None:
    run("build", voc.root, "-o", tmp_path / "out")
    done = run("link", tmp_path / "out", tmp_path / "links")
    assert "test_lmdb -> ../out/raw_test_lmdb" in done.out
    done = run("link", tmp_path / "out", tmp_path / "links", "--json")
    assert len(done.json["links"]) == 3
    assert run("link", tmp_path, tmp_path / "links").status == 1
