"""Every command over data sets, nets, labelmaps and paths with hostile names: what it prints is
short, and holds nothing that steers a terminal."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support import ROOT, hostile
from support.commands import Result

from ssd_data.cli.download import Bars
from ssd_data.cli.parts import shared
from ssd_data.core.labelmap import read_labelmap
from ssd_data.core.registry import COMMANDS

Run = Callable[..., Result]
MEAN = ("--mean", "127")
SHORT = 500  # letters of an error


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def walk(run: Run) -> Run:
    """Runs a command and looks at what it says; every command is run with ``--json`` as well."""

    def call(*words: object) -> Result:
        result = run(*words)
        assert result.status in (0, 1, 2)
        assert "please report it with what" not in result.err.lower()
        assert not hostile.faults(result.err)
        if "--json" in words:
            assert result.out.isascii()
            json.loads(result.out)
        elif words[0] == "labelmap":  # a file's content, which is not cut
            assert not [one for one in hostile.faults(result.out) if "letters" not in one]
        else:
            assert not hostile.faults(result.out)
        errors = re.split(r"^error: ", result.err, flags=re.M)[1:]
        assert not [one for one in errors if len(one) >= SHORT and one.count("\n") < 4]  # no lists
        return result

    return call


@pytest.mark.parametrize("kind", hostile.NAMES)
@pytest.mark.parametrize("make", hostile.RAW, ids=lambda make: make.__name__)
def test_raw_data(make: Callable[[str], None], kind: str, walk: Run) -> None:
    try:
        make(hostile.NAMES[kind])
    except UnicodeEncodeError:
        pytest.skip("its file cannot hold it")
    walk("build", "raw", "--dry-run")
    walk("build", "raw", "--dry-run", "--json")
    walk("check", "raw")
    if walk("build", "raw", "-o", "out").status == 0:
        walk("inspect", next(Path("out").glob("*_lmdb")), "--index", 0)
        walk("labelmap", "out")
    walk("labelmap", "raw", "-o", "names.prototxt")


def test_files_that_name_others(walk: Run) -> None:
    for name in hostile.SPOKEN.values():
        hostile.put("x/a.jpg", b"")
        hostile.labelmap("cat")
        hostile.put("list.txt", f"a.jpg a.xml\n{name} {name}\n{name}\n")
        said = json.dumps(name, ensure_ascii="\x7f" not in name)
        hostile.put("a.toml", f"name = {said}\nformat = {said}\n[splits.{said}]\nsources = [1]\n")
        text = f'name = "v"\nformat = "voc"\nlabelmap = {said}\n{said} = 1\n[splits.train]\n'
        hostile.put("b.toml", f"{text}sources = [{{ voc = {said}, {said} = 1 }}]\n")
        walk("build", "--list", "list.txt", "--root", "x", "--labelmap", "labelmap.prototxt")
        for recipe in ("a.toml", "b.toml"):
            walk("build", recipe)
            walk("download", recipe)


@pytest.mark.parametrize("kind", hostile.SPOKEN)
def test_nets(kind: str, walk: Run) -> None:
    name = hostile.NAMES[kind]
    hostile.net(name)
    hostile.labelmap(name)
    hostile.put("a.jpg", hostile.jpeg())
    hostile.put("s.py", "import sys, caffe\ncaffe.Net(sys.argv[1], caffe.TEST)\n")
    deploy, weights, names = "net.prototxt", "net.caffemodel", "labelmap.prototxt"
    for words in (
        ("weights", "show", weights), ("weights", "stats", weights),
        ("weights", "diff", weights, "plain.caffemodel"),
        ("model", "--summary", deploy), ("time", deploy, "--iterations", 1),
        ("merge-bn", deploy, weights, "-o", "merged"),
        ("merge-bn", deploy, "plain.caffemodel", "-o", "other"),
        ("detect", deploy, weights, "a.jpg", "--labelmap", names, *MEAN, "--draw", "drawn"),
        ("parity", deploy, weights, "--engines", "torch,opencv"), ("pycaffe", "s.py", deploy),
        ("transfer", weights, "--from", names, "--to", names, "--net", deploy, "-o", "t.caffe"),
        ("import-backbone", weights, "--net", deploy, "-o", "backbone.caffemodel"),
    ):  # fmt: skip
        walk(*words)
    for words in (("weights", "show", weights), ("detect", deploy, weights, "a.jpg", *MEAN)):
        walk(*words, "--json")


def test_broken_nets(walk: Run) -> None:
    hostile.net("x")
    plain = Path("plain.prototxt").read_text()
    for name in hostile.SPOKEN.values():
        said, word = hostile.in_prototxt(name), "".join(filter(str.isalnum, name))
        for old, new in (
            ('type: "ReLU"', f'type: "{said}"'),
            ('bottom: "conv2" top: "loc2"', f'bottom: "{said}" top: "loc2"'),
            ('type: "Concat"', f'type: "Concat" include {{ phase: {word} }}'),
            ("kernel_size: 1", f'kernel_size: "{said}"'),
            ("kernel_size: 1", f"kernel_size: {word}"),
            ('name: "tiny"', f'name: "tiny" {word}: 1'),
            ('name: "tiny"', name),
        ):
            hostile.put("broken.prototxt", plain.replace(old, new, 1))
            walk("model", "--summary", "broken.prototxt")
            walk("merge-bn", "broken.prototxt", "plain.caffemodel", "-o", "merged", "--redo")


@pytest.mark.parametrize("profile", ["caffe-ssd", "npu", "onnx"])
def test_a_shipped_folder(profile: str, walk: Run) -> None:
    """Its page is Markdown: names end no line, no cell and no code."""
    for kind in ("terminal", "page"):
        name = hostile.NAMES[kind]
        hostile.net(name)
        hostile.labelmap(name)
        options = ("--profile", profile, "-o", kind, *MEAN, "--labelmap", "labelmap.prototxt")
        if walk("deploy", "net.prototxt", "net.caffemodel", *options).status:
            assert profile == "caffe-ssd"  # OpenCV does not read each of them
            continue
        page = Path(kind, "README.md").read_text()
        assert not hostile.faults(page.replace("\n\n", "\n"))
        rows = [line for line in page.split("\n") if line.startswith("|")]
        assert len(rows) == 5
        assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
        outside = re.sub(r"(`+).*?(?<!`)\1(?!`)", "", page.replace(r"\`", ""))
        assert not re.search(r"(?<!\\)<|(?<!\\)\]\(", outside)
        assert not list(Path(kind).glob("*.csv"))


@pytest.mark.parametrize("kind", hostile.SPOKEN)
def test_lmdbs(kind: str, walk: Run) -> None:
    name = hostile.NAMES[kind]
    hostile.net(name)
    hostile.labelmap(name)
    hostile.lmdb(name, "a_lmdb")
    hostile.lmdb(name, "b_lmdb", 0.9)
    hostile.lmdb(name, "c_lmdb", broken=True)
    net = ("--deploy", "net.prototxt", "--weights", "net.caffemodel", *MEAN)
    more = ("--with", "confusion", "--with", "by-size", "--with", "errors")
    for words in (
        ("inspect", "a_lmdb"), ("inspect", "c_lmdb", "--draw", "drawn"), ("check", "c_lmdb"),
        ("inspect", "a_lmdb", "--index", 0), ("inspect", "c_lmdb", "--index", 2),
        ("diff", "a_lmdb", "b_lmdb"), ("diff", "a_lmdb", "c_lmdb"),
        *(("export", "a_lmdb", "--to", to, "-o", to) for to in ("voc", "coco", "yolo")),
        ("build", "coco", "-o", "again"), ("link", "again", "links"), ("diff", "voc", "a_lmdb"),
        ("shard", "a_lmdb", "-o", "cut", "--shards", 2), ("inspect", "cut"),
        ("merge", "cut", "-o", "merged"), ("build", "coco", "-o", "c", "--shards", 2),
        ("fit", "a_lmdb", "--net", "net.prototxt", "--overlap", 0.5),
        ("eval", "a_lmdb", *net, "--metric", "coco"),
        ("eval", "a_lmdb", *net, "--metric", "voc", "--out", "scores", *more),
        ("score", "voc", "--truth", "a_lmdb", "--detections", "scores/detections",
         "--plot", "curves", *more),
    ):  # fmt: skip
        walk(*words)
    for words in (("inspect", "c_lmdb"), ("check", "c_lmdb"), ("diff", "a_lmdb", "b_lmdb")):
        walk(*words, "--json")
    assert not [path for path in Path().rglob("*") if path.suffix in (".csv", ".tsv")]


@pytest.mark.parametrize("kind", hostile.SPOKEN)
def test_training(kind: str, walk: Run) -> None:
    name = hostile.NAMES[kind]
    said = hostile.in_prototxt(name)
    hostile.labelmap(name)
    for split in ("trainval", "test"):
        hostile.lmdb(name, f"{split}_lmdb")
    walk("model", "tiny_ssd", "--num-classes", 3, "-o", "ssd")
    for path in Path("ssd").glob("*.prototxt"):
        text = re.sub(r"(max_iter|display|test_iter|snapshot|test_interval): \d+", r"\1: 1",
                      path.read_text())  # fmt: skip
        for old in ("mbox_loss", "detection_eval"):
            text = text.replace(f'"{old}"', f'"{said}{old}"')
        path.write_text(text)
    solver = Path("ssd/solver.prototxt").read_text()
    done = walk("train", "ssd/solver.prototxt", "--device", "cpu")
    assert done.status == 0
    log = Path("ssd/tiny_ssd.log").read_text()
    assert not hostile.faults(log)
    assert all(
        re.match(r"I\d{4} [\d:.]{15} +\d+ \w+\.cpp:\d+\] ", line) for line in log.split("\n")[:-1]
    )
    walk("test", "ssd/solver.prototxt", "--weights", "ssd/tiny_ssd_iter_1.caffemodel")
    for old in ("snapshot_prefix", "lr_policy", "train_net"):
        new = re.sub(rf'{old}: ".*?"', lambda _, old=old: f'{old}: "{said}"', solver)  # type: ignore[misc]
        hostile.put("solver.prototxt", new)
        walk("train", "solver.prototxt", "--device", "cpu")
        walk("train", "solver.prototxt", "--device", "cpu", "--json")
    names = "ap_version eval_type regularization_type type".split()
    hostile.put("solver.prototxt", solver + "".join(f'{one}: "{said}"\n' for one in names))
    walk("train", "solver.prototxt", "--device", "cpu")
    table = Path("ssd/tiny_ssd.jsonl").read_text()
    assert table.isascii()
    assert all(json.loads(line)["event"] for line in table.splitlines())


def _with(name: str) -> list[Sequence[object]]:
    lmdb, net = "again/lmdb", ("net.prototxt", "net.caffemodel")
    return [
        (name,), ("build", name), ("build", "raw", f"--{name}"), ("build", "raw", "--split", name),
        ("build", "raw", "--map", f"{name}=a"), ("build", "raw", "--labelmap", name),
        ("build", "raw", "--format", name), ("build", "raw", "--size", name), ("check", name),
        ("check", lmdb, "--labelmap", name), ("inspect", name), ("inspect", lmdb, "--key", name),
        ("inspect", lmdb, "--index", name), ("export", lmdb, "--to", "voc", "-o", name),
        ("export", lmdb, "--to", name, "-o", "y"), ("export", lmdb, "--to", "voc", "--split", name),
        ("export", lmdb, "--to", "coco", "-o", "y", "--classes", name), ("labelmap", name),
        ("shard", name, "-o", "z", "--shards", 2), ("merge", name, "-o", "z"),
        ("labelmap", "--names", name), ("link", name, "z"), ("report", name, "-o", "p.html"),
        ("fit", lmdb, "--net", name), ("model", name), ("weights", name), ("weights", "show", name),
        ("model", "tiny_ssd", "--num-classes", name), ("train", name), ("sample", name),
        ("train", "--build", name, "--family", "tiny_ssd"), ("test", name, "--weights", name),
        ("eval", name, "--deploy", name, "--weights", name, *MEAN), ("download", name),
        ("score", "voc", "--truth", name, "--detections", name), ("score", name),
        ("diff", name, name), ("doctor", name), ("pycaffe", name),
        ("completion", name), ("recipe", name), ("tune", name, "--family", "tiny_ssd"),
        ("tune", "x", "--family", name), ("tune", "x", "--family", "tiny_ssd", "--over", name),
        ("train", "a", "--recipe", name),
        ("pycaffe", "--proto", name, "s.py"), ("pycaffe", "--model-libs", name, "s.py"),
        ("detect", *net, name, *MEAN), ("detect", *net, "a.jpg", "--mean", name), ("time", name),
        ("parity", *net, "--engines", f"{name},torch"), ("time", net[0], "--device", name),
        ("transfer", name, "--from", name, "--to", name, "--net", name, "-o", name),
        ("import-backbone", name, "--net", name, "-o", name), ("merge-bn", *net, "-o", f"{name}/x"),
        ("deploy", *net, "--profile", name, "-o", "o"),
        ("deploy", name, "--profile", "npu", "-o", "o"),
        ("view", name, "--no-browser"), ("view", lmdb, "--labelmap", name, "--no-browser"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in hostile.ARGUMENTS if kind != "long"])
def test_arguments(kind: str, walk: Run) -> None:
    hostile.net("x")
    hostile.Voc(Path("raw"), 1)
    hostile.lmdb("x", "again/lmdb")
    hostile.put("s.py", "import caffe\n")
    for words in _with(hostile.NAMES[kind]):
        walk(*words)


def test_a_hostile_folder(walk: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are names, too."""
    folder = Path("a\x1b[31m\nerror: forged\u202e\udcff")
    folder.mkdir()
    monkeypatch.chdir(folder)
    here = Path.cwd()
    hostile.net("x")
    hostile.labelmap("cat")
    hostile.Voc(Path("raw"), 2)
    hostile.lmdb("x", "x_lmdb")
    walk("build", here / "raw", "-o", here / "out", "--link", here / "links")
    walk("build", here / "raw", "-o", here / "out", "--size", 32)
    for words in (
        ("check", here / "out"), ("inspect", here / "x_lmdb"), ("build", here),
        ("link", here / "out", here / "links"), ("diff", here / "raw", here / "out"),
        ("report", here / "out", "-o", here / "page.html"), ("sample", here / "sample"),
        ("export", here / "x_lmdb", "--to", "voc", "-o", here / "voc"),
        ("model", "tiny_ssd", "--num-classes", 2, "-o", here / "ssd"),
        ("model", "tiny_ssd", "--num-classes", 3, "-o", "ssd"),
        ("train", here / "ssd/solver.prototxt", "--device", "cpu"),
        ("report", here / "ssd", "-o", "p.html"), ("build", "voc2007", "--root", here),
        ("merge-bn", here / "plain.prototxt", here / "plain.caffemodel", "-o", here / "merged"),
        ("deploy", here / "plain.prototxt", here / "plain.caffemodel", "--profile", "npu",
         "-o", here / "shipped", *MEAN),
        ("fit", here / "x_lmdb", "--net", here / "plain.prototxt", "--overlap", 0.5,
         "-o", here / "plots"),
        ("eval", here / "x_lmdb", "--deploy", here / "plain.prototxt", "--weights",
         here / "plain.caffemodel", *MEAN, "--metric", "coco", "--out", here / "scores"),
    ):  # fmt: skip
        walk(*words)
    shutil.rmtree(here / "out" / "raw_trainval_lmdb")
    walk("train", "--build", here / "out", "--family", "tiny_ssd")
    walk("train", "--build", here / "out", "--family", "tiny_ssd", "--json")


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in hostile.NAMES.values():
        monkeypatch.setattr("sys.stderr", screen := Terminal())
        assert list(shared.tracker(quiet=False)([1, 2], 2, name)) == [1, 2]
        bars = Bars(shown=True)
        bars.report(name, 1, 2)
        bars.close()
        shown = re.sub(r"[\r\n]|\x1b\[A", "", screen.getvalue())  # tqdm's own
        assert not {c for c in shown if not c.isprintable()}
        assert len(shown) < 1000


def test_a_printed_labelmap_is_the_same(walk: Run) -> None:
    """It is a file's content: no name loses a letter, though none is written as it is."""
    for name in hostile.SPOKEN.values():
        if len(name) < hostile.LONGEST:
            hostile.labelmap(name)
            hostile.put("again.prototxt", walk("labelmap", "labelmap.prototxt").out)
            again, once = map(read_labelmap, (Path("again.prototxt"), Path("labelmap.prototxt")))
            assert list(again) == list(once)
            assert list(once)[1].name == name


def test_every_command_is_walked() -> None:
    source = Path(__file__).read_text()
    assert all(re.search(rf'\("{name}"', source) for name in COMMANDS.names())


def test_commands_print_through_one_door() -> None:
    for path in sorted((ROOT / "ssd_data" / "cli").rglob("*.py")):
        if path.name == "shared.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                ends = "\\n" in ast.unparse(node) and called.endswith("say")
                assert not ends, (path, node.lineno)  # it is one line
                assert called not in ("click.echo", "click.secho", "print"), (path, node.lineno)
                assert not called.endswith(("stdout.write", "stderr.write")), (path, node.lineno)


def test_no_error_joins_its_lines_itself() -> None:
    """Line ends in one text are shown as such: several lines are a list."""
    for path in sorted((ROOT / "ssd_data").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Error"):
                continue
            texts = [*node.args, *(one.value for one in node.keywords if one.arg == "hint")]
            for text in texts:
                joins = isinstance(text, ast.Call) and ast.unparse(text.func).endswith(".join")
                parts = ast.walk(text) if joins or isinstance(text, ast.JoinedStr) else [text]
                held = [p.value for p in parts if isinstance(p, ast.Constant)]
                ends = [one for one in held if isinstance(one, str) and "\n" in one]
                assert not ends, (path, node.lineno)
