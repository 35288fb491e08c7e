"""Caffe's logs: all numbers of the original's own runs, and logs that are cut, joined or odd."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, strategies
from support import GOLDEN

from ssd_data.core.errors import InputError
from ssd_data.training.caffe.log import LogParser, parse_log
from ssd_data.training.log import Displayed, Event, RunLog, Snapshotted
from ssd_data.training.log import Tested as Scores  # pytest takes Test… for tests

FOLDER = GOLDEN / "training"
KINDS = ("rmsprop", "sgd")


def parse(text: str) -> list[Event]:
    parser = LogParser()
    return parser.feed(text) + parser.close()


def log(*lines: str, day: str = "20261121") -> str:
    return "".join(f"I{day} 10:00:00.123456  3905 solver.cpp:1] {line}\n" for line in lines)


def displayed(events: list[Event]) -> list[Displayed]:
    return [event for event in events if isinstance(event, Displayed)]


def scores(events: list[Event]) -> list[Scores]:
    return [event for event in events if isinstance(event, Scores)]


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_the_original_runs(kind: str) -> None:
    shown = displayed(parse_log(FOLDER / f"caffe_{kind}.log"))
    rows = [line.split() for line in (FOLDER / f"{kind}_loss.txt").read_text().splitlines()]
    assert [(d.iteration, d.loss) for d in shown] == [(int(i), float(loss)) for i, loss in rows]
    assert len(shown) == 121


@pytest.mark.parametrize("kind", KINDS)
def test_scores_snapshots_and_their_order(kind: str) -> None:
    events = parse_log(FOLDER / f"caffe_{kind}.log")
    line = (FOLDER / f"{kind}_map.txt").read_text().splitlines()[0]
    assert scores(events) == [Scores(120, 0, [("detection_eval", float(line.split()[-1]))])]
    assert [e for e in events if isinstance(e, Snapshotted)] == [
        Snapshotted(n, Path(f"{kind}_iter_{n}.caffemodel"), Path(f"{kind}_iter_{n}.solverstate"))
        for n in (60, 120)
    ]
    last = [type(event).__name__ for event in events[-4:]]
    assert last == ["Displayed", "Snapshotted", "Displayed", "Tested"]
    assert [e.iteration for e in events] == sorted(e.iteration for e in events)


def test_rates_and_outputs() -> None:
    rmsprop = displayed(parse_log(FOLDER / "caffe_rmsprop.log"))
    rates = [d.rate for d in rmsprop]
    assert rates == [0.002] * 60 + [0.001] * 40 + [0.0005] * 21
    assert rmsprop[119].outputs == [("mbox_loss", 1.0, [4.51326])]
    assert rmsprop[120].outputs == []
    rates = [d.rate for d in displayed(parse_log(FOLDER / "caffe_sgd.log"))]
    assert rates == [0.01] * 60 + [0.001] * 61


@pytest.mark.parametrize("kind", KINDS)
def test_days_without_a_year(kind: str) -> None:
    text = (FOLDER / f"caffe_{kind}.log").read_text()
    assert parse(text.replace("I20261120 ", "I1120 ")) == parse(text)
    assert parse(text.replace("\n", "\r\n")) == parse(text)


@given(strategies.lists(strategies.integers(1, 4000), min_size=1, max_size=40))
def test_pieces_of_any_size_give_the_same(sizes: list[int]) -> None:
    text = (FOLDER / "caffe_sgd.log").read_text()[-40000:]
    parser, events, place = LogParser(), [], 0
    while place < len(text):
        for size in sizes:
            events += parser.feed(text[place : place + size])
            place += size
    assert events + parser.close() == parse(text)


@given(strategies.integers(0, 30000))
def test_a_cut_log_gives_the_first_events_and_nothing_else(cut: int) -> None:
    text = (FOLDER / "caffe_sgd.log").read_text()
    whole, events = parse(text), parse(text[:-cut] if cut else text)
    if events and isinstance(events[-1], Displayed):
        last = events.pop()  # its rate or outputs may be cut, its loss is not
        assert isinstance(last, Displayed)
        assert (last.iteration, last.loss) in {(d.iteration, d.loss) for d in displayed(whole)}
    assert events == whole[: len(events)]


def test_a_half_line_is_no_line() -> None:
    text = log("Iteration 5, loss = 4.25")
    assert parse(text[:-1]) == []
    assert [d.loss for d in displayed(parse(text))] == [4.25]


def test_a_resumed_log_behind_a_killed_one() -> None:
    killed = log("Iteration 60, loss = 3.5", "Iteration 61, loss = 3.25")[:-2]
    resumed = log("Solving tiny", "Iteration 60, loss = 3.5", "Iteration 60, lr = 0.5", day="1122")
    events = parse(killed + resumed)
    assert [(d.iteration, d.loss) for d in displayed(events)] == [(60, 3.5), (60, 3.5)]
    assert math.isnan(displayed(events)[0].rate)
    assert displayed(events)[1].rate == 0.5


def test_what_stands_between_a_loss_and_its_rate() -> None:
    events = parse(
        log(
            "Iteration 60, loss = 4.5",
            "    Train net output #0: loss_a = 4 (* 0.5 = 2 loss)",
            "    Train net output #1: scores = 1",
            "    Train net output #2: scores = -2e-05",
            "MultiStep Status: Iteration 60, step = 1",
            "Iteration 60, lr = 1e-05",
            "Gradient clipping: scaling down gradients (L2 norm 40 > 10) by scale factor 0.25",
        )
    )
    outputs = [("loss_a", 0.5, [4.0]), ("scores", 0.0, [1.0, -2e-05])]
    assert events == [Displayed(60, 4.5, 1e-05, outputs)]


def test_scores_by_class_and_the_losses_of_a_test() -> None:
    events = parse(
        log(
            "Iteration 100, Testing net (#0)",
            "Ignoring source layer mbox_loss",
            "Test loss: 2.5",
            "class1: 0.75",
            "class2: nan",
            "    Test net output #0: detection_eval = 0.5",
            "Iteration 100, Testing net (#1)",
            "    Test net output #0: accuracy = 0.25",
            "    Test net output #1: loss = 3 (* 1 = 3 loss)",
            "Iteration 100, loss = nan",
        )
    )
    first, second = scores(events)
    assert (first.net, first.outputs, first.loss) == (0, [("detection_eval", 0.5)], 2.5)
    assert first.per_class[1] == 0.75
    assert math.isnan(first.per_class[2])
    assert second == Scores(100, 1, [("accuracy", 0.25), ("loss", 3.0)])
    assert math.isnan(displayed(events)[0].loss)


def test_our_own_log_is_read_as_well(tmp_path: Path) -> None:
    events: list[Event] = [
        Displayed(0, 24.817501, 0.002, [("mbox_loss", 1.0, [4.5]), ("scores", 0.0, [1.0, 2.0])]),
        Snapshotted(60, Path("x_iter_60.caffemodel"), Path("x_iter_60.solverstate")),
        Scores(60, 0, [("detection_eval", 0.625)], {1: 0.5, 2: 0.75}, 3.5, shows_classes=True),
        Scores(60, 1, [("accuracy", 0.25)]),
    ]
    own = RunLog(str(tmp_path / "run"))
    own.begin("tiny", "fixed", {})
    for event in events:
        own(event)
    own.end(done=True)
    assert parse_log(own.log_path) == events


def test_newer_caffes_say_how_fast_they_are() -> None:
    events = parse(log("Iteration 50 (2.5 iter/s, 8s/20 iters), loss = 0.5"))
    assert [(d.iteration, d.loss) for d in displayed(events)] == [(50, 0.5)]


def test_a_snapshot_counts_when_the_log_goes_on() -> None:
    written = (
        "Snapshotting to binary proto file a b/x_iter_7.caffemodel",
        "Snapshotting solver state to binary proto file a b/x_iter_7.solverstate",
    )
    parser = LogParser()
    assert parser.feed(log(*written)) == []
    expected = Snapshotted(7, Path("a b/x_iter_7.caffemodel"), Path("a b/x_iter_7.solverstate"))
    assert parser.feed(log("Optimization Done.")) == [expected]
    fatal = log("Check failed: proto.SerializeToOstream(&output)").replace("I2026", "F2026")
    assert parse(log(*written) + fatal) == []


def test_an_interrupted_test_gives_none() -> None:
    parser = LogParser()
    text = log("Iteration 9, Testing net (#0)", "Test interrupted.", "Optimization stopped early.")
    assert parser.feed(text) + parser.close() == []


@given(strategies.text())
def test_no_text_breaks_it(text: str) -> None:
    parse(text)
    parse(log(text))


@pytest.mark.parametrize(
    "line",
    [
        "Iteration {}, loss = 0.5",
        "Iteration {}, Testing net (#0)",
        "Iteration 7, Testing net (#{})",
        "class{}: 0.5",
        "Snapshotting solver state to binary proto file x_iter_{}.solverstate",
    ],
)
def test_numbers_that_no_run_has_are_passed_over(line: str) -> None:
    model = "Snapshotting to binary proto file x.caffemodel"
    tested = ("Iteration 6, Testing net (#0)", "    Test net output #0: mAP = 0.5")
    text = log(model, line.format("9" * 5000), *tested, "Optimization Done.")
    assert parse(text) == [Scores(6, 0, [("mAP", 0.5)])]


def test_a_missing_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        parse_log(tmp_path / "none.log")
