"""One function over many tasks: in this process and on a Ray cluster it gives the same."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import taskwork
from support.clusters import HERE, RayCluster, ray_cluster

from ssd_data.core.errors import InputError, OutputError, SsdDataError, SsdDataWarning, UsageError
from ssd_data.core.tasks import Needs, connect, run

needs_ray = pytest.mark.skipif(not HERE, reason="ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(1, 1) as made:
        yield made


@pytest.fixture
def on(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return "ray"


def test_local_runs_here_one_after_another() -> None:
    asked = []

    def tasks() -> Iterator[int]:
        for number in range(3):
            asked.append(number)
            yield number

    done = run(lambda number: (number, list(asked)), tasks())
    assert list(done) == [(0, (0, [0])), (1, (1, [0, 1])), (2, (2, [0, 1, 2]))]
    assert list(run(taskwork.process, [0])) == [(0, os.getpid())]
    assert "ray" not in sys.modules


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("lokal", 'there is no place "lokal" for work'),
        ("local://here", '"local://here" is no place'),
        ("ray://", '"ray://" names no host and port'),
        ("ray://head", '"ray://head" names no host and port'),
        ("ray://head:x", '"ray://head:x" names no host and port'),
    ],
)
def test_a_place_that_is_none(place: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        list(run(taskwork.square, [1], place))


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssd_data.core.optional.find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        list(run(taskwork.square, [1], "ray"))
    assert str(caught.value) == "--on: this needs ray\n  Install it: pip install 'ssd-data[ray]'"


@needs_ray
def test_a_cluster_gives_what_this_process_gives(on: str) -> None:
    said: list[str] = []
    found = sorted(run(taskwork.square, range(50), on, say=said.append))
    assert found == list(run(taskwork.square, range(50)))
    assert len(said) == 1
    assert said[0].endswith("3 machines, 2 CPUs"), said
    assert "ray" not in sys.modules


@needs_ray
def test_tasks_are_asked_for_when_there_is_room(on: str) -> None:
    asked: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    done = run(taskwork.square, tasks(), on, Needs(ahead=3))
    next(done)
    assert len(asked) <= 4
    assert len(list(done)) == 19


@needs_ray
def test_a_function_keeps_what_it_made(on: str) -> None:
    with connect(on) as workers:
        assert workers.size.cpus == 2
        for _ in range(2):  # another round begins anew
            counts: dict[int, int] = {}
            for _, (pid, count) in workers.run(taskwork.Counter(), range(12)):
                counts[pid] = max(count, counts.get(pid, 0))
            assert sum(counts.values()) >= 12
            assert os.getpid() not in counts
        assert list(workers.run(taskwork.square, [])) == []


@needs_ray
def test_an_error_comes_back_as_itself(on: str) -> None:
    with pytest.raises(InputError) as here:
        list(run(taskwork.refuse, range(5)))
    with pytest.raises(InputError) as there:
        list(run(taskwork.refuse, range(5), on))
    assert str(there.value) == str(here.value) == "list.txt:4: two\n  lines\n  Mend it"
    assert "in refuse" in str(there.value.__cause__)
    with pytest.raises(ZeroDivisionError):
        list(run(taskwork.fault, [0], on))
    with pytest.raises(RuntimeError, match="OddError: 1 and 2"):
        list(run(taskwork.odd, [0], on))
    with pytest.raises(OutputError) as full:
        list(run(taskwork.fill, [0], on))
    assert full.value.where == "/data/shard"


@needs_ray
def test_a_warning_is_given_here(on: str) -> None:
    with pytest.warns(SsdDataWarning, match="picture 7 is odd"):
        assert list(run(taskwork.warn, [7], on)) == [(0, 7)]


@needs_ray
def test_a_lost_process_costs_its_task_one_more_try(on: str, tmp_path: Path) -> None:
    said: list[str] = []
    tasks = [str(tmp_path / name) for name in "abc"]
    found = sorted(run(taskwork.die_once, tasks, on, say=said.append))
    assert found == [(0, "a"), (1, "b"), (2, "c")]
    assert said[-1] == "a worker was lost; its task is run again (3 so far)"


@needs_ray
def test_a_task_that_ends_its_process_ends_the_run(on: str) -> None:
    said: list[str] = []
    with pytest.raises(SsdDataError, match="a worker was lost, and so was each other that had"):
        list(run(taskwork.die, [0], on, say=said.append))
    assert said[1:] == [f"a worker was lost; its task is run again ({n} so far)" for n in (1, 2, 3)]


@needs_ray
def test_tasks_that_nobody_wants_any_more_end(on: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = run(taskwork.mark, [(str(mark), 0.0)] + [(str(mark), 60.0)] * 3, on)
    next(done)
    while len(mark.read_text().splitlines()) < 3:  # two that take a minute
        time.sleep(0.05)
    done.close()  # type: ignore[attr-defined]
    for pid in {int(line) for line in mark.read_text().split()}:
        end = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


@needs_ray
def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, address in (("ray", "127.0.0.1:9"), ("ray://127.0.0.1:9", "")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(SsdDataError) as caught:
            list(run(taskwork.square, [1], place))
        assert caught.value.what == "Ray cannot be reached: Connection refused"
        assert caught.value.where == (address or place)
