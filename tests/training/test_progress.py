"""What a run shows while it goes: the bar on a terminal, the lines beside it, the curves."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from pathlib import Path

import pytest

from ssd_data.cli.train import ProgressBar
from ssd_data.training.curves import draw_run
from ssd_data.training.log import Displayed, RunLog, Screen, Stepped
from ssd_data.training.run_folder import read_events, read_rows


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """Its lines, each as it stands when the cursor leaves it."""
        lines = []
        for line in self.getvalue().split("\n"):
            text = ""
            for part in line.split("\r"):
                text = part + text[len(part) :]
            lines.append(text.rstrip())
        return lines


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()  # not in a fixture: pytest sets its own for each phase of a test
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def go(bar: ProgressBar, start: int, count: int) -> None:
    screen = Screen()
    for iteration in range(start, start + count):
        event = Displayed(iteration, 3.0, 0.001, [], speed=56.0, waiting=0.25)
        screen(event)
        bar(event)
        bar(Stepped(iteration + 1, 3.0))


def test_lines_stand_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with ProgressBar(100, quiet=False) as bar:
        bar.bar.mininterval = 0
        go(bar, 0, 3)
        print("half", end="", file=sys.stderr)
        print(" a line", file=sys.stderr)
    assert sys.stderr is terminal
    lines = terminal.shown()
    losses = [line for line in lines if "loss =" in line]
    assert losses == [f"Iteration {n}, loss = 3" for n in range(3)]
    assert "half a line" in lines
    bars = [line for line in lines if "it/s" in line or "s/it" in line]
    assert len(bars) == 1
    assert "lr 0.001, 56.0 pictures/s, 25% waiting" in bars[0]
    assert "3/100" in bars[0]
    assert "loss 3" in bars[0]


def test_a_run_that_goes_on_begins_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    with ProgressBar(100, quiet=False) as bar:
        go(bar, 60, 2)
        assert (bar.bar.initial, bar.bar.n) == (60, 62)


@pytest.mark.parametrize("quiet", [True, False])
def test_elsewhere_there_are_the_lines_alone(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    if not quiet:
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    with ProgressBar(100, quiet) as bar:
        go(bar, 0, 2)
    assert re.findall("Iteration .*", terminal.getvalue()) == [
        "Iteration 0, loss = 3", "Iteration 0, lr = 0.001",
        "Iteration 1, loss = 3", "Iteration 1, lr = 0.001",
    ]  # fmt: skip
    assert "\r" not in terminal.getvalue()


# ---- the curves ----


def row(event: str, iteration: int | None = None, **more: object) -> str:
    table = {"event": event, "iteration": iteration, "loss": 1.0, "lr": 0.1, **more}
    return json.dumps({k: v for k, v in table.items() if v is not None}) + "\n"


def test_what_a_killed_run_did_after_its_snapshot_is_not_drawn(tmp_path: Path) -> None:
    table = tmp_path / "x.jsonl"
    first = [row("begin"), *(row("train", n) for n in (0, 10, 20, 30)), '{"event": "tra\n']
    again = [row("begin"), row("test", 20, outputs={"map": 0.5}), row("train", 20, loss=2.0)]
    table.write_text("".join([*first, *again]))
    read = [(r["event"], r.get("iteration"), r["loss"]) for r in read_events(table)[0]]
    assert read == [
        ("begin", None, 1.0), ("train", 0, 1.0), ("train", 10, 1.0),
        ("begin", None, 1.0), ("test", 20, 1.0), ("train", 20, 2.0),
    ]  # fmt: skip
    assert draw_run(table) == tmp_path / "x_curves.png"
    table.write_text("".join([*first, *again, row("begin"), row("snapshot", 15)]))
    kept = [r.get("iteration") for r in read_events(table)[0] if r["event"] != "begin"]
    assert kept == [0, 10, 15]


def test_a_training_that_diverged(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path / "run"))
    log(Displayed(1, math.nan, 0.1, [("loss", 1.0, [math.inf])]))
    log.end(done=False)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    row = json.loads((tmp_path / "run.jsonl").read_text(), parse_constant=refuse)
    assert not isinstance(row["loss"], float)
    (read,), broken = read_rows(tmp_path / "run.jsonl")
    assert (read, broken) == (row, 0)
    assert "loss = nan" in (tmp_path / "run.log").read_text()
