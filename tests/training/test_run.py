"""``ssd_data.train`` and ``ssd_data.test`` do what the commands do, and fail as they do."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support import commands
from support.golden_run import TRAINED
from support.standin import write_standin
from support.trees import Voc

import ssd_data
from ssd_data.core.errors import InputError, UsageError
from ssd_data.training import loop, snapshots
from ssd_data.training.log import Displayed, Event, Snapshotted
from ssd_data.training.options import Extras, ExtrasTold, TrainOptions
from ssd_data.training.processes import FirstProcessError, PeerError

Run = Callable[..., commands.Result]
BASE = {"weights": "initial.caffemodel", "device": "cpu", "max_iter": 6}


def test_the_function_takes_what_the_options_are() -> None:
    given = inspect.signature(ssd_data.train).parameters
    for one in fields(TrainOptions):
        if one.name != "extras":
            assert given[one.name].default == one.default, one.name
    others = {"solver", "listeners", "say", "show", "quiet", "extras"}
    assert set(given) - {one.name for one in fields(TrainOptions)} == others - {"extras"}
    kinds = {one.name: one.type for one in fields(Extras)}
    assert ExtrasTold.__annotations__.keys() == kinds.keys()
    for name, told in ExtrasTold.__annotations__.items():
        assert told.__forward_arg__ == kinds[name]


def test_the_solvers_own_weights_are_the_ones_told(solver_file: Path, run: Run) -> None:
    """As BVLC's Caffe reads them; what is told goes first, and so does a snapshot."""
    told = {"device": "cpu", "max_iter": 1}
    first = ssd_data.train("short.prototxt", **told, weights="initial.caffemodel")
    plain = ssd_data.train("short.prototxt", **told)
    solver_file.write_text(solver_file.read_text() + '\nweights: "initial.caffemodel"\n')
    own = ssd_data.train("short.prototxt", **told)
    assert own.loss == first.loss != plain.loss
    assert [matching.kept for matching in own.matchings] == [first.matchings[0].kept]
    resumed = ssd_data.train("short.prototxt", device="cpu", max_iter=2, resume="auto")
    assert (resumed.iteration, resumed.matchings) == (2, [])


def test_function_and_command_write_the_same(solver_file: Path, run: Run) -> None:
    done = run(
        *("train", "short.prototxt", "--weights", "initial.caffemodel", "--device", "cpu"),
        *("--max-iter", "6", "--ema", "0.5", "--warm-up", "3", "--json"),
    )
    names = [p.name for p in Path().glob("short_iter_*") if p.suffix != ".png"]
    assert len(names) == 8  # of each snapshot weights, state, resume state, average
    written = {name: Path(name).read_bytes() for name in names}
    for name in names:
        Path(name).unlink()
    events: list[Event] = []
    said: list[str] = []
    result = ssd_data.train(
        "short.prototxt", **BASE, ema=0.5, warm_up=3, listeners=[events.append], say=said.append
    )
    assert {name: Path(name).read_bytes() for name in names} == written
    assert (result.iteration, result.finished) == (6, True)
    assert result.loss == done.json["loss"]
    assert result.scores == done.json["test"]
    assert result.extras == done.json["extras"] == {"warm_up": 3, "ema": 0.5}
    assert [str(one.model) for one in result.snapshots] == [
        one["model"] for one in done.json["snapshots"]
    ]
    assert [e.iteration for e in events if isinstance(e, Displayed)] == list(range(7))
    assert [e for e in events if isinstance(e, Snapshotted)] == result.snapshots
    assert all(f"\n{line}\n" in done.err for line in said)
    assert "layers kept" in said[0]


def test_it_prints_nothing_by_itself(solver_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ssd_data.train(solver_file, **{**BASE, "max_iter": 1})
    assert capfd.readouterr() == ("", "")


def test_a_real_caffe_goes_the_same_way(folder: Path, run: Run) -> None:
    binary = write_standin(Path("bin/caffe"))
    call = ["train", "solver_sgd.prototxt", "--engine", "caffe", "--caffe", binary, "--json"]
    table = run(*call).json
    result = ssd_data.train("solver_sgd.prototxt", engine="caffe", caffe=binary)
    assert (result.iteration, result.finished, result.loss) == (120, True, table["loss"])
    assert result.scores == table["test"]
    assert [str(one.state) for one in result.snapshots] == [
        one["state"] for one in table["snapshots"]
    ]
    assert Path("sgd.log").read_text().splitlines()[-1].endswith("Optimization Done.")


def test_the_log_of_a_caffe_that_crashed_does_not_say_done(folder: Path) -> None:
    binary = write_standin(Path("bin/caffe"), crash_at=70)
    with pytest.raises(ssd_data.SsdDataError, match="was ended by SIGABRT"):
        ssd_data.train("solver_sgd.prototxt", engine="caffe", caffe=binary)
    assert Path("sgd.log").read_text().splitlines()[-1].endswith("stopped early.")


def test_it_goes_on_from_a_snapshot(solver_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssd_data.train(solver_file, **{**BASE, "max_iter": 4}, ema=0.5)
    read: list[Path] = []

    def recorded(state: Path) -> dict[str, Any]:
        read.append(state)
        return snapshots.recorded_extras(state)

    monkeypatch.setattr(loop, "recorded_extras", recorded)
    said: list[str] = []
    again: dict[str, Any] = {**BASE, "resume": "auto", "say": said.append}
    result = ssd_data.train(solver_file, **again)
    assert read == [Path("short_iter_4.solverstate")]  # settled once
    assert said == [
        "--ema 0.5: as the snapshot records",
        "resuming from short_iter_4.solverstate",
    ]
    assert (result.resumed, result.iteration) == (read[0], 6)


# ---- what is wrong ----


def test_what_the_preflight_finds_is_all_said_and_nothing_started(
    solver_file: Path, run: Run
) -> None:
    text = solver_file.read_text().replace("fixed", "fixd").replace("11point", "12point")
    solver_file.write_text(text)
    done = run("train", "short.prototxt", "--device", "cpu", "--json")
    with pytest.raises(InputError) as error:
        ssd_data.train("short.prototxt", device="cpu")
    assert {"where": error.value.where, "what": error.value.what, "hint": ""} == done.json["error"]
    assert error.value.what == "2 errors; nothing was started"
    for line in error.value.hint.splitlines():
        assert line.strip() in done.err
    for word in ("fixd", "12point"):
        assert word in error.value.hint
    shown: list[int] = []
    with pytest.raises(InputError) as error:
        ssd_data.train(
            "short.prototxt", device="cpu", show=lambda _, found: shown.append(len(found.errors))
        )
    assert (error.value.hint, shown) == ("", [2])  # whoever was shown them need not be told
    assert not Path("short.log").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give a solver, or a build with a family"),
        ({"build": "SHAPES"}, "give a solver, or a build with a family"),
        ({"solver": "short.prototxt", "family": "tiny_ssd"}, "give a solver"),
        ({"solver": "short.prototxt", "engine": "tensorflow"}, "no engine is called"),
        ({"solver": "short.prototxt", "ema": 1.5}, "1.5 is not in 0 … 1, 1 excluded"),
        ({"solver": "short.prototxt", "engine": "caffe", "ema": 0.5}, "does not have this"),
        ({"solver": "short.prototxt", "device": "cuda:99"}, "no device"),
    ],
)
def test_wrong_calls(options: dict[str, Any], said: str, solver_file: Path) -> None:
    with pytest.raises(UsageError, match=said):
        ssd_data.train(**options)
    assert not Path("short.log").exists()


def test_a_follower_is_told_what_to_train(
    solver_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(loop.Processes):
        rank, world = 1, 2

        def broadcast_object(self, value: Any) -> Any:
            raise PeerError("it has ended")

    monkeypatch.setattr("ssd_data.training.group.join", lambda device: Gone())
    with pytest.raises(FirstProcessError):
        ssd_data.train(solver_file)
    assert commands.run("train", solver_file) == 1  # process 0 says why


# ---- nets for a build; the test phase ----


def test_nets_are_written_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    voc = Voc(tmp_path / "raw")
    voc.held_back("4")
    ssd_data.build(ssd_data.find(str(voc.root)), "BUILD")
    result = ssd_data.train(build="BUILD", family="tiny_ssd", out="nets", max_iter=1, device="cpu")
    assert result.iteration == 1
    assert Path("nets/solver.prototxt").is_file()
    assert Path("trainval_lmdb").is_symlink()


def test_scores_are_the_commands(folder: Path, run: Run) -> None:
    table = run("test", "solver_sgd.prototxt", "--weights", TRAINED, "--json").json["nets"][0]
    (scores,) = ssd_data.test("solver_sgd.prototxt", TRAINED)
    assert (scores.outputs, scores.ap_version) == (table["outputs"], table["ap_version"])
    assert [ap for _, ap in scores.classes] == list(table["per_class"].values())
    lines = run("test", "solver_sgd.prototxt", "--weights", TRAINED).out
    assert [name for name, _ in scores.classes] == re.findall(r"^(\S+) +[\d.]+$", lines, re.M)
    (other,) = ssd_data.test("test.prototxt", TRAINED, iterations=1, ap_version="Integral")
    assert other.ap_version == "Integral"
    with pytest.raises(InputError, match="missing"):
        ssd_data.test("solver_sgd.prototxt", "none.caffemodel")


# ---- the files, as they are to be read ----


def test_each_file_uses_only_those_before_it() -> None:
    import ssd_data.training as room

    order = re.findall(r"^- ``(\w+)(?:\.py|/)``", room.__doc__ or "", re.M)
    folder = Path(room.__file__).parent
    there = {p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert sorted(order) == sorted(there - {"__init__"})
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(room.__name__):
                _, _, rest = (node.module or "").partition(f"{room.__name__}.")
                names = [rest.split(".")[0]] if rest else [alias.name for alias in node.names]
                for name in names:
                    before = order.index(name) <= order.index(own) if own in order else True
                    assert before, f"{own} imports {name}"
