"""``eval --on``: whoever detects, the same is found, to the byte."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.clusters import HERE, ray_cluster
from support.nets import write_detector
from support.places import Mixed, mixed_workers

from ssd_data.core.errors import InputError
from ssd_data.core.tasks import Size
from ssd_data.data.build.builder import build
from ssd_data.data.find import find
from ssd_data.data.synthetic.sample import draw_sample
from ssd_data.evaluation import spread
from ssd_data.evaluation.pictures import RecordPictures
from ssd_data.evaluation.sources import EvalChoice, open_set

PICTURES = 11


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn data set, its build, and a tiny net."""
    folder = tmp_path_factory.mktemp("spread")
    draw_sample(folder / "sample", layouts=["voc"], train=1, test=PICTURES, size=96)
    build(find(folder / "sample/voc"), folder / "built", splits=["test"])
    write_detector(folder, classes=4)
    return folder


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Mixed:
    """Those that ``--on ray`` means; of two pictures a task, or one batch."""
    return mixed_workers(monkeypatch, spread)


def args(world: Path, what: str, *more: object) -> list[object]:
    net = ["--deploy", world / "deploy.prototxt", "--weights", world / "tiny.caffemodel"]
    return ["eval", world / what, *net, "--mean", "127.5", "--scale", "0.0078", *more]


def files(folder: Path, *without: str) -> dict[str, bytes]:
    """What lies below a folder; of the journal its lines, in whatever order they are."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    lines = found.pop("found.jsonl").splitlines()
    return {**found, "found.jsonl": b"\n".join(sorted(lines))}


@pytest.mark.parametrize("what", ["built/voc_test_lmdb", "sample/voc"])
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_the_same_is_found(
    world: Path, what: str, batch: int, workers: Mixed, run: Any, tmp_path: Path
) -> None:
    more = ["--batch", batch, "--draw-worst", "2", "-q"]
    assert run(*args(world, what, *more, "--out", tmp_path / "one")).status == 0
    assert workers.done == 0
    done = run(*args(world, what, *more, "--out", tmp_path / "many", "--on", "ray"))
    assert (done.status, done.err) == (0, "")
    assert workers.done > 1
    assert files(tmp_path / "many") == files(tmp_path / "one")


def test_only_some_pictures(world: Path, workers: Mixed, run: Any) -> None:
    more = ["--limit", "5", "--batch", "2", "--json"]
    one = run(*args(world, "sample/voc", *more)).json
    many = run(*args(world, "sample/voc", *more, "--on", "ray")).json
    assert workers.done == 3
    assert many.pop("speed")["detected"] == one.pop("speed")["detected"] == 5
    assert many == one


@pytest.mark.parametrize("missing", ["skip", "count"])
def test_pictures_that_cannot_be_read(
    world: Path, missing: str, workers: Mixed, run: Any, tmp_path: Path
) -> None:
    shutil.copytree(world / "sample/voc", tmp_path / "voc")
    for number in (2, 3, 7):
        (tmp_path / f"voc/JPEGImages/test00000{number}.jpg").write_bytes(b"no picture")
    more = ["--batch", "3", "--missing", missing, "-q"]
    given = args(world, "")
    given[1] = tmp_path / "voc"
    assert run(*given, *more, "--out", tmp_path / "one").status == 0
    assert run(*given, *more, "--out", tmp_path / "many", "--on", "ray").status == 0
    assert files(tmp_path / "many") == files(tmp_path / "one")
    failed = run(*given, "--on", "ray")
    assert failed.status == 1
    assert "no picture" not in failed.out
    assert "--missing skip" in failed.err


def test_stopped_and_gone_on_with_by_others(
    world: Path, workers: Mixed, run: Any, tmp_path: Path
) -> None:
    """What workers found is not looked for again in this process, and the other way round."""
    what, more = "built/voc_test_lmdb", ["--batch", "2", "-q"]
    assert run(*args(world, what, *more, "--out", tmp_path / "one")).status == 0
    workers.stop = 4
    out = ["--out", tmp_path / "many"]
    stopped = run(*args(world, what, *more, *out, "--on", "ray"))
    assert stopped.status == 130
    lines = (tmp_path / "many/found.jsonl").read_bytes().splitlines()
    assert len(lines) > 4
    workers.stop = workers.done + 1
    assert run(*args(world, what, *more, *out, "--on", "ray")).status == 130
    done = run(*args(world, what, "--batch", "2", *out, "--json")).json
    assert done["speed"]["resumed"] > len(lines) - 1
    assert done["speed"]["detected"] < PICTURES - 6
    assert files(tmp_path / "many") == {
        **files(tmp_path / "one"),
        **{name: data for name, data in files(tmp_path / "many").items() if "curves" in name},
    }


def test_another_lmdb_in_its_place(world: Path, tmp_path: Path) -> None:
    place = tmp_path / "x_lmdb"
    shutil.copytree(world / "built/voc_test_lmdb", place)
    shutil.copy(world / "built/labelmap.prototxt", tmp_path)
    whole = open_set(place, EvalChoice("voc"))
    assert isinstance(whole.read, RecordPictures)
    sent = pickle.dumps(whole.read.part([3, 1]))
    assert (pickle.loads(sent)(1) == whole.read(1)).all()
    draw_sample(tmp_path / "sample", layouts=["voc"], train=1, test=2, size=96)
    del whole
    other = build(find(tmp_path / "sample/voc"), tmp_path / "other", splits=["test"])
    shutil.rmtree(place)
    shutil.copytree(other.out / "voc_test_lmdb", place)
    with pytest.raises(InputError) as caught:
        pickle.loads(sent)
    assert caught.value.what == "it has 2 records here, and 11 elsewhere"
    assert caught.value.where == str(place)


def test_gpus_are_asked_for_where_there_are_some(world: Path) -> None:
    detector = spread.SentNet("torch", None, b"", None)  # type: ignore[arg-type]
    assert detector.needs(Size()).gpus == 0
    some = Size(gpus=2)
    assert detector.needs(some).gpus == 1
    assert replace(detector, device="cuda").needs(some).gpus == 1
    assert replace(detector, device="cpu").needs(some).gpus == 0
    assert replace(detector, engine="ncnn").needs(some).gpus == 0


@pytest.mark.skipif(not HERE, reason="ray is not installed")
def test_on_a_cluster(
    world: Path, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, more = "sample/voc", ["--batch", "4", "-q"]
    assert run(*args(world, what, *more, "--out", tmp_path / "one")).status == 0
    with ray_cluster(1, 1) as cluster:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        monkeypatch.chdir(world)
        done = run(*args(world, what, *more, "--out", tmp_path / "many", "--on", "ray"))
        assert (done.err, done.status) == ("", 0)
    assert files(tmp_path / "many") == files(tmp_path / "one")
