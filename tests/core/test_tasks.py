"""One function over many tasks: in this process and on a Ray cluster it gives the same."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from support import taskwork
from support.clusters import HERE, RayCluster, ray_cluster
from support.places import Mixed

from ssd_data.core.errors import InputError, SsdDataError, SsdDataWarning, UsageError
from ssd_data.core.tasks import Needs, Pool, _ray_driver, _work, connect, run
from ssd_data.core.version import __version__

needs_ray = pytest.mark.skipif(not HERE, reason="ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(1, 1) as made:
        yield made


@pytest.fixture
def on(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return "ray"


def await_lines(mark: Path, count: int) -> None:
    end = time.monotonic() + 60
    while not mark.exists() or len(mark.read_text().splitlines()) < count:
        assert time.monotonic() < end
        time.sleep(0.05)


def await_end(pid: int) -> None:
    """Until a process has ended; who should take note of it may not."""
    status, end = Path(f"/proc/{pid}/stat"), time.monotonic() + 60
    with suppress(FileNotFoundError, ProcessLookupError):
        while status.read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < end
            time.sleep(0.05)


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


def answer_of(function: Callable[[Any], Any], task: object, driver: str) -> _work.Answer:
    given = pickle.dumps(function), pickle.dumps(task)
    answer = _work.work(str(function), lambda: given[0], {}, driver, given[1])
    return cast("_work.Answer", pickle.loads(answer))


def test_an_error_of_another_machine_names_it() -> None:
    here = platform.node()
    for function, where in (
        (taskwork.fill, "/data/shard"),
        (taskwork.full, "/data/x"),
    ):
        ours = answer_of(function, 0, here).error
        theirs = answer_of(function, 0, "head").error
        assert isinstance(theirs, SsdDataError)
        assert theirs.where == f"{where} on {here}"
        assert theirs.what == "No space left on device"
        assert theirs.hint == "Free space, and try again"
        assert here not in str(ours)


def test_any_error_comes_back() -> None:
    assert isinstance(answer_of(taskwork.fault, 0, "head").error, ZeroDivisionError)
    odd = answer_of(taskwork.odd, 0, "head")
    assert repr(odd.error) == "RuntimeError('OddError: 1 and 2')"
    assert "in odd" in odd.trace
    unsent = answer_of(taskwork.generator, 0, "head").error
    assert "cannot pickle 'generator' object" in str(unsent)


def test_other_versions_of_packages_are_refused() -> None:
    have = _work.versions_of(("numpy", "no-such-package"))
    assert have == {"numpy": metadata.version("numpy"), "no-such-package": "none"}
    wanted = {"numpy": "0.9", "no-such-package": "none"}
    answer = pickle.loads(_work.work("", bytes, wanted, "head", b""))
    assert answer.error.what == f"a worker has numpy {have['numpy']}, this process has 0.9"
    assert answer.error.where == platform.node()
    assert answer.error.hint == "Install numpy 0.9 on all machines of the cluster"


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
    await_lines(mark, 3)  # two that take a minute
    done.close()  # type: ignore[attr-defined]
    for line in mark.read_text().split():
        await_end(int(line))


@needs_ray
def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, address in (("ray", "127.0.0.1:9"), ("ray://127.0.0.1:9", "")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(SsdDataError) as caught:
            list(run(taskwork.square, [1], place))
        assert caught.value.what == "Ray cannot be reached: Connection refused"
        assert caught.value.where == (address or place)


@needs_ray
def test_which_cluster_of_this_machine_is_joined(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That of ``ray start``, if it lives; none that another program has for itself."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    kept = tmp_path / "ray/ray_current_cluster"
    assert _ray_driver._on_this_machine() == ""
    kept.parent.mkdir()
    kept.write_text("127.0.0.1:9")
    assert _ray_driver._on_this_machine() == ""
    kept.write_text(cluster.address)
    said: list[str] = []
    with connect("ray", said.append) as workers:
        assert list(workers.run(taskwork.square, [3])) == [(0, 9)]
    begun = ", which ray start has begun on this machine: 3 machines, 2 CPUs"
    assert said == [f"Ray at {cluster.address}{begun}"]


def test_errors_of_a_lost_cluster_are_one_sentence() -> None:
    """Whatever Ray raises when nobody answers any more, the process ends without a word."""
    ours, theirs = multiprocessing.Pipe()
    with pytest.MonkeyPatch.context() as patch:
        gone = ModuleType("ray")
        patch.setitem(sys.modules, "ray", gone)
        patch.setattr(_ray_driver, "_connect", lambda *_: (False, "127.0.0.1:9", False, 1, 1, 0))
        patch.setattr(_ray_driver.signal, "signal", lambda *_: None)
        ours.send(("", 1))
        ours.send(("run", b"", {}, "", Needs()))  # there is no ray.remote
        _ray_driver.main(os.dup(theirs.fileno()))
    theirs.close()
    assert ours.recv()[1] == "127.0.0.1:9"
    with pytest.raises(EOFError):
        ours.recv()


@needs_ray
def test_a_cluster_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    said: list[str] = []
    with connect("ray", said.append) as workers:
        assert said[0].startswith("started Ray on this machine, ")
        assert list(workers.run(taskwork.square, [3])) == [(0, 9)]


@needs_ray
def test_interrupted(on: str, tmp_path: Path) -> None:
    program = (
        "import sys; from support import taskwork; from ssd_data.core.tasks import run\n"
        f"list(run(taskwork.mark, [({str(tmp_path / 'mark')!r}, 60.0)], 'ray'))"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **path},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    await_lines(tmp_path / "mark", 1)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    _, err = child.communicate()
    assert err.strip().endswith(b"KeyboardInterrupt")
    await_end(int((tmp_path / "mark").read_text()))


@needs_ray
@pytest.mark.slow
def test_lost_nodes_another_version_and_a_lost_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_cluster(1, 1, client=True) as cluster:
        assert list(run(taskwork.square, [7], cluster.client)) == [(0, 49)]
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        said: list[str] = []
        mark = tmp_path / "mark"
        done = run(
            taskwork.mark, [(str(mark), 0.0)] + [(str(mark), 3.0)] * 2, "ray", say=said.append
        )
        assert next(done)[0] == 0
        await_lines(mark, 3)
        cluster.kill(0)
        assert sorted(number for number, _ in done) == [1, 2]
        assert said[-1] == "a worker was lost; its task is run again (1 so far)"

        done = run(taskwork.square, [5], "ray")
        cluster.kill(1)
        stub = tmp_path / "stub/ssd_data/core"
        stub.mkdir(parents=True)
        for package in (stub.parent, stub):
            (package / "__init__.py").touch()
        (stub / "version.py").write_text('__version__ = "0.0.7"\n')
        cluster.add(1, PYTHONPATH=os.pathsep.join([str(tmp_path / "stub"), *sys.path]))
        with pytest.raises(SsdDataError) as other:
            list(done)
        assert other.value.what == f"a worker has ssd-data 0.0.7, this process has {__version__}"
        assert other.value.where == platform.node()

        cluster.kill(2)
        cluster.add(1, PYTHONPATH=os.pathsep.join(sys.path))
        mark.unlink()
        done = run(taskwork.mark, [(str(mark), 0.0), (str(mark), 60.0)], "ray")
        next(done)
        await_lines(mark, 2)
        cluster.kill_head()
        with pytest.raises(SsdDataError, match="the Ray cluster was lost"):
            next(done)


def test_a_cluster_that_takes_not_anyone() -> None:
    """A token is asked for by one that ``ray.init`` has started."""
    cause = type("AuthenticationError", (Exception,), {})("InvalidAuthToken")
    error = ConnectionError("Failed to connect to Ray cluster at 10.0.0.7:6379")
    error.__cause__ = cause
    failed = _ray_driver._refused(error, "10.0.0.7:6379")
    assert failed.args == (
        "Ray: the cluster asks for a token",
        "10.0.0.7:6379",
        "RAY_AUTH_MODE=token, and its token in RAY_AUTH_TOKEN or ~/.ray/auth_token",
    )
    failed = _ray_driver._refused(RuntimeError("Version mismatch:\n Ray: 2.9"), "head:6379")
    assert failed.args == (
        "Ray: Version mismatch: Ray: 2.9",
        "head:6379",
        "Install the same versions of Ray and Python here as in the cluster",
    )


def test_a_pool_is_connected_to_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    @contextmanager
    def connected(on: str, say: object) -> Iterator[Mixed]:
        begun.append(on)
        yield Mixed()
        begun.append("end")

    monkeypatch.setattr("ssd_data.core.tasks.connect", connected)
    with Pool("ray") as pool:
        assert not begun
        assert pool.size.cpus == 3
        assert sorted(pool.run(taskwork.square, [2, 3])) == [(0, 4), (1, 9)]
        assert begun == ["ray"]
    assert begun == ["ray", "end"]


def test_this_process_is_alone() -> None:
    with pytest.raises(UsageError, match="this process is alone"), Pool() as alone:
        alone.together(taskwork.meet, ["a", "b"], Needs(), print)


@needs_ray
def test_rounds_that_are_left_early(on: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with Pool(on) as pool:
        for count in range(2):
            done = pool.run(taskwork.mark, [(str(mark), 0.0)] + [(str(mark), 60.0)] * 3)
            next(done)
            await_lines(mark, 3 * (count + 1))
            done.close()  # type: ignore[attr-defined]
        done = pool.run(taskwork.square, [1, 2])
        assert {next(done), next(done)} == {(0, 1), (1, 4)}
        done.close()  # type: ignore[attr-defined]
        assert sorted(pool.run(taskwork.square, range(20))) == [(n, n * n) for n in range(20)]


@needs_ray
def test_tasks_that_run_together(on: str) -> None:
    told: list[str] = []
    with Pool(on) as pool:
        found = pool.together(taskwork.meet, ["a", "b"], Needs(), told.append)
        assert found == [("a", 0, 2), ("b", 1, 2)]
        assert sorted(told) == ["a is 0", "b is 1"]
        # Together means at the same time, and there is room for two.
        assert pool.together(taskwork.meet, ["c"], Needs(), told.append) == [("c", 0, 1)]
