"""Changed inputs, a few of them each time: what once broke something is read again, every reader
has a target, and the harness notices what it is for."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hard.fuzz import attack
from support import ROOT
from support.attack import Clock
from support.fuzz.campaign import CORPUS, Campaign, corpus
from support.fuzz.judge import CONTROL, LONG
from support.fuzz.lines import Tracer, lines_of
from support.fuzz.mutate import MUTATORS, mutated
from support.fuzz.pool import made_apart, outcome
from support.fuzz.shrink import shrunk
from support.fuzz.target import Case, Target
from support.fuzz.targets import all_targets

from ssd_data import InputError
from ssd_data.core.registry import FORMATS, LAYERS, METRICS

TARGETS = {target.name: target for target in all_targets()}
KEPT = sorted((folder.name, one.name) for folder in CORPUS.iterdir() for one in folder.iterdir())
# Modules that read, and why none of them is attacked by itself.
NO_READERS = {
    "core.files.abilities": "reads what the system says",
    "core.files.inside": "asks before others read",
    "core.files.together": "compares",
    "core.files.resumable": "reads what the system says",
    "core.files.spill": "reads back what it wrote",
    "core.tasks._work": "unpickles what another process of this package has sent",
    "core.tasks.ray": "unpickles what another process of this package has sent",
    "core.machine": "reads what the system says",
    "data.formats": "reads as each format does",
    "data.formats.csvrows": "is read by formats of CSV",
    "data.lmdb.merge": "reads back what it wrote",
    "data.lmdb.split": "copies a labelmap",
    "deploy.extras_files": "copies a file of ours",
    "deploy.examples": "copies files of ours",
    "deploy.examples.litert_example": "is shipped with a net, and reads what lies beside it",
    "deploy.examples.mnn_example": "is shipped with a net, and reads what lies beside it",
    "deploy.examples.ncnn_example": "is shipped with a net, and reads what lies beside it",
    "deploy.examples.onnx_example": "is shipped with a net, and reads what lies beside it",
    "deploy.examples.openvino_example": "is shipped with a net, and reads what lies beside it",
    "deploy.examples.rknn_example": "is shipped with a net, and reads what lies beside it",
    "deploy.examples.sophgo_example": "is shipped with a net, and reads what lies beside it",
    "deploy.mnn_files": "reads back what it wrote",
    "deploy.sophgo_model": "reads back what the compiler wrote",
    "deploy.targets.ascend": "reads back what it wrote",
    "deploy.targets.litert": "reads back what it wrote",
    "deploy.targets.onnx": "reads back what it wrote",
    "engines._children.for_rknn": "reads what its parent wrote",
    "engines._children.serve": "reads what its parent wrote",
    "engines._foreign": "reads what its own child wrote",
    "engines.torch.waiting": "reads what the system says",
    "evaluation.run": "only digests",
    "nets.postprocess": "is shipped with a net, and reads what lies beside it",
    "pages.report.groups": "reads a net as nets.prototxt does",
    "pages.report.render": "reads a file of ours",
    "proto.caffe_pb2": "reads a file of ours",
    "training.tune.search": "reads back what it wrote",
    "training.tune.trial": "reads back what it wrote",
}
READING = {
    *(
        "read_bytes",
        "read_head",
        "read_start",
        "read_text",
        "read_lines",
        "open_regular",
        "read_yaml",
        "parse_yaml",
    ),
    *("parse_message", "ParseFromString", "FromString", "loads", "read_prototxt", "parse_prototxt"),
}


# ---- what is attacked ----


def test_every_format_metric_and_layer_type_is_attacked() -> None:
    assert {f"format.{name}" for name in FORMATS.names()} <= TARGETS.keys()
    assert {f"score.{name}" for name in METRICS.names()} <= TARGETS.keys()
    nets = [case for name in ("layers", "layers.files", "preflight")
            for case in made_apart(TARGETS[name].make)]  # fmt: skip
    text = b"".join(data for case in nets for data in case.values()).decode("latin-1").lower()
    unseen = [name for name in LAYERS.names() if f'type: "{name}"' not in text]
    assert unseen in ([], ["data", "imagedata"])  # they need files of their own


def test_every_module_that_reads_a_file_is_attacked() -> None:
    attacked = {name for target in TARGETS.values() for name in target.modules}
    unread = {}
    for path in sorted((ROOT / "ssd_data").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "ssd_data").with_suffix("").parts)
        name = name.removesuffix(".__init__")
        calls = {_called(node) for node in ast.walk(ast.parse(path.read_text()))} & READING
        if calls and f"ssd_data.{name}" not in attacked and name.split(".")[0] != "cli":
            unread[name] = calls
    assert unread.keys() == NO_READERS.keys(), unread


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


# ---- what once broke something ----


@pytest.mark.parametrize(("target", "name"), KEPT)
def test_what_once_broke_something(target: str, name: str) -> None:
    one = TARGETS[target]
    _ = one.modules
    cases = dict(zip(sorted(p.name for p in (CORPUS / target).iterdir()),
                     corpus(target, made_apart(one.make)), strict=True))  # fmt: skip
    fault = outcome(one, cases[name])
    assert fault is None or fault.is_text, f"{fault}\n{fault.stack}"


# ---- a short attack ----


def test_a_short_attack_finds_nothing(tmp_path: Path) -> None:
    own = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    call = [sys.executable, "-m", "support.fuzz.short", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=own)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- the harness ----


def reader(read: Callable[[bytes], object]) -> Target:
    return Target("x", lambda: [{"a": b"good"}], lambda f: read((f / "a").read_bytes()), ())


def raises(error: BaseException) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        if data.startswith(b"bad"):
            raise error

    return read


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (raises(KeyError("x")), "KeyError"),
        (raises(KeyboardInterrupt()), "KeyboardInterrupt"),
        (lambda data: ["a" * 5000], LONG),
        (raises(InputError("a", hint="b" * 2000)), ""),
        (raises(InputError("\x1b[31m", where="a")), ""),
        (raises(InputError("a\nb")), ""),
        (lambda data: ["\x07"], CONTROL),
        (lambda data: os.abort(), "SIGABRT"),
        (lambda data: os._exit(3), "exit status 3"),
        (lambda data: bytearray(2 << 30), "MemoryError"),
        (lambda data: _spin(), "more than 2 s"),
        (lambda data: None, ""),
    ],
)
def test_what_is_a_fault(read: Callable[[bytes], object], kind: str) -> None:
    fault = outcome(reader(read), {"a": b"bad"})
    assert (fault.kind if fault else "") == kind


def _spin() -> None:
    while True:
        pass


def test_the_least_input(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        if b"b" in data and b"d" in data:
            raise ValueError(data)

    target, case = reader(read), {"a": b"aaaabccccdeeee", "other": b"x"}
    fault = outcome(target, case)
    assert fault is not None
    small, again = shrunk(target, [{"a": b"good"}], fault, case, 60)
    assert again
    assert small == {"a": b"bd"}


def test_an_input_that_reaches_new_lines_is_kept() -> None:
    def read(data: bytes) -> None:
        from ssd_data.core.files.plain_yaml import parse_yaml

        parse_yaml(data.decode("latin-1"), "x")

    target = Target("x", lambda: [{"a": b"a: 1"}], lambda f: read((f / "a").read_bytes()),
                    ("core.files.plain_yaml",), batch=400, kinds={"*": "text"})  # fmt: skip
    campaign = Campaign([target], seed=1)
    first = campaign.subjects[0].coverage[0]
    for _ in range(3):
        campaign.round(Clock(60))
    reached, lines = campaign.subjects[0].coverage
    assert first == 0
    assert len(campaign.subjects[0].kept) > 3
    assert 0.5 * lines < reached <= lines


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    def seen(seed: int) -> bytes:
        log = tmp_path / "log"
        log.write_bytes(b"")

        def read(folder: Path) -> None:
            with log.open("ab") as file:
                file.write((folder / "a").read_bytes() + b"|")

        target = Target(
            "x", lambda: [{"a": b"a 1 b 2\n" * 3}], read, (), kinds={"*": "text"}, batch=40
        )
        Campaign([target], seed).round(Clock(60))
        return log.read_bytes()

    assert seen(3) == seen(3)
    assert seen(3) != seen(4)


@pytest.mark.parametrize("kind", MUTATORS)
def test_changes_keep_to_their_kind(kind: str) -> None:
    """Whatever they are given, they change it."""
    one = random.Random(1)
    for data in (b"", b"x", b"\xff\xd8\xff", bytes(200), _good(kind)):
        made = [mutated(data, one, MUTATORS[kind]) for _ in range(30)]
        assert sum(piece != data for piece in made) > 10


def _good(kind: str) -> bytes:
    found: list[Case] = []
    for name in {"record": ["record"], "picture": ["picture"], "net bytes": ["caffemodel"]}.get(
        kind, []
    ):
        found += made_apart(TARGETS[name].make)
    return next((data for case in found for data in case.values()), b"a 1\n")


def test_lines_that_run_are_seen() -> None:
    from ssd_data.core.options import flag

    with Tracer() as tracer:
        flag("warm_up")
    lines = lines_of({"ssd_data.core.options"})
    assert tracer.seen
    assert tracer.seen <= lines


def test_the_attack_tells_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSD_DATA_FUZZ", "yaml")
    begun = time.monotonic()
    row = attack(1.0, seed=0)
    assert row.part == "fuzz"
    assert row.executions > 0
    assert "1 readers" in row.reached
    assert time.monotonic() - begun < 60
