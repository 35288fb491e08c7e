"""Ctrl-C and SIGTERM end every command alike, and leave no traceback, whenever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.viewed import ordinary

from ssd_data.cli import main, root
from ssd_data.cli.parts import stops
from ssd_data.core.registry import COMMANDS
from ssd_data.data.synthetic.sample import draw_sample

SAID = "interrupted; nothing is half-written\n"
# A module whose import sends the process a signal, twice where it is named twice.
PROGRAM = """
import os, signal, sys

class Sender:
    def find_spec(self, name, path=None, target=None):
        while name in self.names:
            self.names.remove(name)
            os.kill(os.getpid(), self.number)

sender = Sender()
number, names, *args = sys.argv[1:]
sender.number, sender.names = int(number), names.split(",")
sys.meta_path.insert(0, sender)
sys.argv[1:] = args
from ssd_data.__main__ import start
start()
"""


def stopped_at(module: str, *args: str, number: int = signal.SIGINT) -> tuple[int, str]:
    command = [sys.executable, "-c", PROGRAM, str(int(number)), module, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["ssd_data.cli", "click"])
def test_before_the_command_begins(module: str, number: int) -> None:
    assert stopped_at(module, "check", "nowhere", number=number) == (130, SAID)


@pytest.mark.parametrize("module", ["ssd_data.cli.check", "lmdb"])
def test_while_the_command_imports_what_it_needs(module: str) -> None:
    """It may be done before the import is; a second one ends it at once."""
    status, err = stopped_at(module, "check", "nowhere")
    assert (status, err.endswith(SAID)) in ((130, True), (2, False))
    said = err.removesuffix(SAID).strip()  # click begins a new line behind a terminal's ^C
    assert not said or said.startswith("error: no recipe")
    assert stopped_at(f"{module},{module}", "check", "nowhere") == (130, "")


AT_THE_END = """
import os, signal, sys, threading
from ssd_data.__main__ import start

class Late:
    kill = staticmethod(os.kill)
    def __init__(self, number):
        self.number, self.pid = number, os.getpid()
    def __del__(self):
        self.kill(self.pid, self.number)

late = Late(int(sys.argv.pop(1)))
start()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_all_is_done(number: int) -> None:
    """Python has given up its handlers by then; what the command has come to stands."""
    for args, status in ((["--version"], 0), (["check", "--no-such-option"], 2)):
        command = [sys.executable, "-c", AT_THE_END, str(int(number)), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 2])
def test_while_workers_start(
    number: int, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    draw_sample(tmp_path / "sample", train=5, test=5, size=64)
    submit, begun = ThreadPoolExecutor.submit, []

    def stop(*args: Any) -> Any:
        begun.append(args)
        if len(begun) == at:
            os.kill(os.getpid(), number)
        return submit(*args)

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", stop)
        args = ("build", tmp_path / "sample" / "voc", "-o", tmp_path / "out", "--workers", "3")
        done = run(*args)
    assert (done.status, done.err.strip()) == (130, SAID.strip())
    assert not (tmp_path / "out").exists()
    assert run(*args).status == 0


@pytest.mark.parametrize("module", ["cv2", "waitress", "ssd_data.pages.viewer.server"])
def test_while_a_server_starts(module: str, tmp_path: Path) -> None:
    lmdb = ordinary(tmp_path / "x_lmdb", 3)
    status, err = stopped_at(module, "view", str(lmdb), "--no-browser")
    assert (status, err.strip()) in ((130, SAID.strip()), (0, ""))  # 0: it has served by then


@pytest.mark.parametrize("name", sorted(COMMANDS.names()))
def test_every_command(name: str, monkeypatch: pytest.MonkeyPatch, capfd: object) -> None:
    command = root.commands.get(name) or COMMANDS.load(name).command
    for number in (signal.SIGINT, signal.SIGTERM):
        monkeypatch.setattr(command, "invoke", lambda context, n=number: os.kill(os.getpid(), n))
        monkeypatch.setattr(command, "parse_args", lambda context, args: args)
        with pytest.raises(SystemExit) as caught:
            main([name])
        assert caught.value.code == 130
        assert capfd.readouterr().err.strip() == SAID.strip()  # type: ignore[attr-defined]


def test_the_signals_are_as_before_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    with stops.stops():
        assert all(isinstance(signal.getsignal(n), stops._Handler) for n in numbers)
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stops.stops():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_import_is_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        """Of a module that sends a signal while it is made."""

        def find_spec(self, name: str, *_: object) -> object:
            if name != "slow_to_import":
                return None
            from importlib.util import spec_from_loader

            return spec_from_loader(name, self)  # type: ignore[arg-type]

        def create_module(self, spec: object) -> None:
            return None

        def exec_module(self, module: ModuleType) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(2.5 * stops._AGAIN)
            module.whole = True  # type: ignore[attr-defined]

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    caught = False
    with stops.stops():
        try:
            __import__("slow_to_import")
            threading.Event().wait(1000 * stops._AGAIN)  # until the signal is raised after all
        except KeyboardInterrupt:
            caught = True
    assert caught
    assert sys.modules.pop("slow_to_import").whole


def test_a_second_one_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", sys.exit)
    with stops.stops():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(SystemExit) as caught:
            os.kill(os.getpid(), signal.SIGINT)
    assert caught.value.code == 130
