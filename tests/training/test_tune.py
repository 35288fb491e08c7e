"""``ssd-data tune``: what is drawn, how it is halved, that it goes on; how the winner trains."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import commands

from ssd_data import LmdbReader
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.data.lmdb.manifest import read_manifest
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training import run as training_run
from ssd_data.training.display import DivergedError
from ssd_data.training.tune import search
from ssd_data.training.tune.held import hold_out
from ssd_data.training.tune.options import TuneOptions
from ssd_data.training.tune.search import lengths_of, tune
from ssd_data.training.tune.space import OWN, Space, read_space, recipe_table, told
from ssd_data.training.tune.trial import TrialResult, read_result

Run = Callable[..., commands.Result]


# ---- what is drawn ----


def test_the_first_trial_is_the_family_as_it_is() -> None:
    space = read_space(["rate", "priors", "recipe", "matching"])
    first, *others = space.draw(13, 3)
    assert first == {"rate": 1.0, "priors": OWN, "recipe": "original", "matching": OWN}
    assert told(first) == "as it is"
    assert len({json.dumps(one, sort_keys=True) for one in others}) == 12
    assert space.draw(13, 3) == [first, *others]
    assert space.draw(13, 4) != [first, *others]


def test_values_are_spread() -> None:
    configs = read_space(["rate=0.1,10", "recipe=original,faces", "boxes=giou"]).draw(41, 0)
    counts = Counter(one["recipe"] for one in configs[1:])
    assert min(counts.values()) >= 18
    rates = [math.log10(float(one["rate"])) for one in configs[1:]]
    assert -1 <= min(rates) < -0.9
    assert 0.9 < max(rates) <= 1
    assert sum(rate < 0 for rate in rates) in (19, 20, 21)


@given(st.integers(2, 40), st.integers(0, 5))
def test_there_are_no_more_trials_than_values(count: int, seed: int) -> None:
    configs = Space(None, {"boxes": ("-", "giou"), "matching": ("-", "atss")}).draw(count, seed)
    assert len({tuple(sorted(one.items())) for one in configs}) == len(configs) <= min(count, 4)


@pytest.mark.parametrize(
    ("over", "what"),
    [
        ("rat", "Did you mean rate"),
        ("rate=1", "no range of factors"),
        ("rate=2,1", "no range of factors"),
        ("rate=nan,1", "no range of factors"),
        ("rate=a,b", "no range of factors"),
        ("rate=", "names no value"),
        ("batch", "batch=8,16,32"),
        ("batch=0", "no number of pictures"),
        ("priors=a", "neither - nor fit"),
        ("recipe=face", 'Did you mean "faces"'),
        ("matching=ats", "atss"),
        ("average=1", "no decay below 1"),
        ("augmentation=x", "is no element"),
    ],
)
def test_what_cannot_be_tried(over: str, what: str) -> None:
    with pytest.raises(UsageError) as error:
        read_space([over])
    assert what in str(error.value)


def test_a_trials_recipe() -> None:
    config = {"rate": 0.5, "recipe": "from-scratch", "boxes": "giou", "augmentation": "square"}
    table = recipe_table({**config, "matching": OWN, "average": "0.9"}, 0.1)
    assert table["boxes"] == {"kind": "giou", "weight": 2.0}
    assert table["matching"]["kind"] == "atss"
    assert table["average"] == {"decay": 0.9}
    assert {"mosaic", "square"} <= set(table["augmentation"])
    assert table["schedule"]["warm_up"] == 50
    assert recipe_table({"rate": 2.0, "priors": "fit"}, 0.1) == {}
    assert told({"rate": 2.0, "priors": "fit"}) == "rate x2, priors fit"


def test_lengths() -> None:
    assert lengths_of(9, 3, 900) == [100, 300, 900]
    assert lengths_of(10, 3, 900) == [33, 100, 300, 900]
    assert lengths_of(2, 2, 1) == [1]
    assert lengths_of(1, 3, 50) == [50]


@pytest.mark.parametrize("test", ["0", "1", "nan", "x", "-1"])
def test_no_share(test: str) -> None:
    with pytest.raises(UsageError, match="no share"):
        TuneOptions(test=test)


# ---- what is held out ----


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    sample = ("sample", folder / "s", "--layout", "voc", "--train", 20, "--test", 4, "--size", 64)
    assert commands.run(*sample, "-q") == 0
    assert commands.run("build", folder / "s/voc", "-o", folder / "SHAPES", "-q") == 0
    return folder / "SHAPES"


def test_pictures_are_held_out(shapes: Path, tmp_path: Path) -> None:
    hold_out(shapes, tmp_path / "held", 0.25, 7)
    manifest = read_manifest(tmp_path / "held")
    assert manifest is not None
    whole = read_manifest(shapes)
    assert whole is not None
    source = shapes / whole.splits[whole.links["trainval_lmdb"]].lmdb
    parts = {}
    for split, count in (("train", 15), ("held", 5)):
        made = manifest.splits[split]
        with LmdbReader(tmp_path / "held" / made.lmdb) as reader:
            parts[split] = dict(reader.items())
            assert len(reader) == made.records == count
            assert made.boxes == sum(len(record.boxes) for record in reader)
        assert len((tmp_path / "held" / made.name_size).read_text().splitlines()) == count
    with LmdbReader(source) as reader:
        assert {**parts["train"], **parts["held"]} == dict(reader.items())
    hold_out(shapes, tmp_path / "again", 0.25, 7)
    hold_out(shapes, tmp_path / "other", 0.25, 8)
    bytes_of = [(tmp_path / n / "held_lmdb/data.mdb").read_bytes() for n in ("held", "again")]
    assert bytes_of[0] == bytes_of[1] != (tmp_path / "other/held_lmdb/data.mdb").read_bytes()


def test_no_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"build\.json is missing"):
        tune(tmp_path, "tiny_ssd", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- the search ----

FEW = TuneOptions(over=("rate", "recipe=original,faces"), trials=4, keep=2, iterations=4,
                  device="cpu", workers=0)  # fmt: skip


@pytest.fixture(scope="module")
def searched(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that has come to its end."""
    out = tmp_path_factory.mktemp("searched") / "out"
    tune(shapes, "tiny_ssd", out, FEW)
    return out


def test_halving(shapes: Path, searched: Path) -> None:
    found = tune(shapes, "tiny_ssd", searched, FEW)
    assert found.finished
    assert found.lengths == [1, 2, 4]
    assert [len(one.rungs) for one in found.trials] == [3, 2, 1, 1]
    first = {one.number: one.rungs[0].score for one in found.trials}
    best = sorted(first, key=lambda n: -(first[n] or 0))[:2]
    assert {one.number for one in found.trials if len(one.rungs) > 1} == set(best)
    for one in found.trials:
        for length, folder, rung in zip(found.lengths, one.folders, one.rungs, strict=False):
            assert read_result(folder) == rung
            solver = read_prototxt(folder / "solver.prototxt", caffe_pb2.SolverParameter).message
            assert solver.max_iter == length
            assert (folder / f"tiny_ssd_iter_{length}.solverstate").is_file()
            assert (folder / "recipe.toml").is_file() == (one.config["recipe"] == "faces")


def test_nothing_is_made_twice(
    shapes: Path, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "train", None)
    assert tune(shapes, "tiny_ssd", searched, FEW).finished


def test_a_run_that_was_cut_short_goes_on(
    shapes: Path, searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    seen: list[Any] = []
    real = training_run.train

    def train(*args: Any, **options: Any) -> Any:
        result = real(*args, **options)
        seen.append(result.resumed)
        if len(seen) == 3:
            result.finished = False
        return result

    monkeypatch.setattr(training_run, "train", train)
    stopped = tune(shapes, "tiny_ssd", out, FEW)
    assert not stopped.finished
    assert len(stopped.trials) == 2
    found = tune(shapes, "tiny_ssd", out, FEW)
    assert found.finished
    assert [path is not None for path in seen[:5]] == [False, False, False, True, False]
    whole = tune(shapes, "tiny_ssd", searched, FEW)
    assert [one.last.score for one in found.trials] == [one.last.score for one in whole.trials]


def test_another_search_is_refused(shapes: Path, searched: Path) -> None:
    other = TuneOptions(over=FEW.over, trials=5, keep=2, iterations=4, device="cpu", workers=0)
    with pytest.raises(OutputError, match="another search lies here, of other trials"):
        tune(shapes, "tiny_ssd", searched, other)
    with pytest.raises(OutputError, match="of other family"):
        tune(shapes, "mobilenet_ssd", searched, FEW)


def test_what_cannot_be_trained_has_no_score(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TuneOptions(over=("classification=varifocal",), trials=2, keep=2, iterations=2,
                          device="cpu", workers=0)  # fmt: skip
    found = tune(shapes, "tiny_ssd", tmp_path / "a", options)
    assert found.trials[1].last.score is None
    assert "varifocal needs a net whose classes have a sigmoid each" in found.trials[1].last.why
    assert found.notes == ["nothing that was tried is better than the family as it is"]

    def diverge(*_: object, **__: object) -> None:
        raise DivergedError("the loss is nan")

    monkeypatch.setattr(training_run, "train", diverge)
    found = tune(shapes, "tiny_ssd", tmp_path / "b", options)
    assert {one.last.why for one in found.trials} >= {"the loss is nan"}
    assert found.command == ""


def test_batches_see_as_many_pictures(shapes: Path, tmp_path: Path, monkeypatch: Any) -> None:
    made: list[tuple[int, int]] = []

    def run_trial(nets: Any, folder: Path, config: Any, share: float, say: Any) -> TrialResult:
        solver = read_prototxt(nets.write(folder, config, share), caffe_pb2.SolverParameter).message
        net = read_prototxt(folder / "train.prototxt", caffe_pb2.NetParameter).message
        batch = net.layer[0].data_param.batch_size
        assert Path(net.layer[0].data_param.source).is_dir()
        made.append((batch, solver.max_iter))
        return TrialResult(batch / 100)

    monkeypatch.setattr(search, "run_trial", run_trial)
    options = TuneOptions(over=("batch=8,64",), trials=3, iterations=64, test="test", device="cpu")
    found = tune(shapes, "tiny_ssd", tmp_path / "out", options)
    own = made[0][0]
    assert {batch: own * most for batch, most in made if most * batch == own * made[0][1]}
    assert {batch for batch, _ in made} == {8, own, 64}
    assert found.trials[0].config == {"batch": "64"}
    assert not (tmp_path / "out/held").exists()


def test_the_winner_is_trained_by_what_is_said(
    shapes: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("tune", shapes, "--family", "tiny_ssd", "--over", "priors", "--over", "rate=2,3",
             "--trials", 2, "--iterations", 2, "--device", "cpu", "--workers", 0)  # fmt: skip
    done = run(*words)
    assert done.status == 0
    assert "train the winner for its full time" in done.out
    said = json.loads(run(*words, "--json").out)
    assert said["command"] in done.out
    program, *rest = shlex.split(said["command"])
    assert program == "ssd-data"
    assert run(*rest, "--max-iter", 1, "--device", "cpu").status == 0
    solver = read_prototxt(Path(rest[1]), caffe_pb2.SolverParameter).message
    assert solver.max_iter > 1000
    assert Path(said["page"]).read_text().count("<section")
    shutil.rmtree("tune_tiny_ssd")
    assert run(*words[:3], "tiny", *words[4:]).status == 2
