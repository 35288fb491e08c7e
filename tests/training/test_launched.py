"""``train --on ray``: the processes are torchrun's, whoever starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.clusters import HERE, RayCluster, ray_cluster

from ssd_data.cli.parts.launched import ERR, OUT, Launch, run_member
from ssd_data.cli.train import without
from ssd_data.core.tasks import Rank
from ssd_data.data.build.builder import build
from ssd_data.data.find import find
from ssd_data.data.synthetic.sample import draw_sample

TRAIN = ["train", "--build", "../built", "--family", "tiny_ssd", "--sync-bn"]
on_ray = pytest.mark.skipif(not HERE, reason="ray is not installed")


def test_words_without_some() -> None:
    words = ["a.prototxt", "--on", "ray", "--num-workers=2", "--ema", "0.9", "--on=ray://h:1"]
    assert without(words, "--on", "--num-workers") == ["a.prototxt", "--ema", "0.9"]


@pytest.mark.parametrize(
    "words", [["--on", "ray"], ["--num-workers", "2"], ["--on", "local", "--num-workers", "2"]]
)
def test_one_without_the_other(words: list[str], run: Any) -> None:
    done = run("train", "solver.prototxt", *words)
    assert done.status == 2
    assert "--on ray and --num-workers N go together" in done.err


def test_a_member_is_what_torchrun_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, bytes]] = []
    member = Rank(3, 4, 1, 2, "10.0.0.7", 4321, told.append)
    before, argv, folder = dict(os.environ), sys.argv, Path.cwd()
    try:
        launch = Launch(("inspect", "nö"), str(tmp_path), gpu=False)
        assert run_member(launch, member) == 1
        said = {name: os.environ[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR")}
        ports = [os.environ[name] for name in ("MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE")]
        assert Path.cwd() == tmp_path
        run_member(Launch(("--version",), str(tmp_path), gpu=True), member)
        assert os.environ["LOCAL_RANK"] == "0"
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.argv = argv
        os.chdir(folder)
    assert said == {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.7"}
    assert ports == ["4321", "1", "2"]
    err = b"".join(data for number, data in told if number == ERR).decode()
    assert err.startswith("error: nö")
    assert b"".join(data for number, data in told if number == OUT).startswith(b"ssd-data")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launched")
    draw_sample(folder / "sample", layouts=["voc"], train=8, test=2, size=96)
    build(find(folder / "sample/voc"), folder / "built")
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(1, 1) as made:
        yield made


def started(folder: Path, *words: str, address: str = "") -> subprocess.Popen[bytes]:
    folder.mkdir()
    path = os.pathsep.join([str(ROOT), *sys.path])
    more = {"PYTHONPATH": path, "RAY_ADDRESS": address, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def launched(world: Path, cluster: RayCluster, name: str, *words: str) -> subprocess.Popen[bytes]:
    more = ["-m", "ssd_data", *TRAIN, *words, "--on", "ray", "--num-workers", "2"]
    return started(world / name, *more, address=cluster.address)


def losses(folder: Path) -> list[float]:
    lines = (folder / "tiny_ssd/tiny_ssd.jsonl").read_text().splitlines()
    return [row["loss"] for row in map(json.loads, lines) if row["event"] == "train"]


@on_ray
@pytest.mark.slow
def test_the_same_as_torchrun(world: Path, cluster: RayCluster) -> None:
    words = ["--max-iter", "4", "--json"]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ssd_data"]
    by_torchrun = started(world / "torchrun", *torchrun, *TRAIN, *words)
    out, err = by_torchrun.communicate()
    assert by_torchrun.returncode == 0, err
    by_ray = launched(world, cluster, "ray", *words)
    out_ray, err_ray = by_ray.communicate()
    assert by_ray.returncode == 0, err_ray
    assert out_ray == out
    assert err_ray.decode().startswith("note: Ray at ")
    assert err_ray.count(b"Iteration 0, loss") == 1  # process 0 alone prints
    assert losses(world / "ray") == losses(world / "torchrun")
    name = "tiny_ssd/tiny_ssd_iter_4.caffemodel"
    assert (world / "ray" / name).read_bytes() == (world / "torchrun" / name).read_bytes()


@on_ray
@pytest.mark.slow
def test_stopped_and_a_worker_lost(world: Path, cluster: RayCluster) -> None:
    child = launched(world, cluster, "stopped", "--max-iter", "100000")
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith(b"Iteration 0, loss"):
            break
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate()
    assert child.returncode == 130, err
    assert b"stopping: " in err
    assert b"stopped at iteration" in out
    assert list((world / "stopped/tiny_ssd").glob("*.solverstate"))

    child = launched(world, cluster, "lost", "--max-iter", "100000")
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith(b"Iteration 0, loss"):
            break
    cluster.kill(cluster.nodes[1])
    out, err = child.communicate()
    assert child.returncode == 1
    assert b"Traceback" not in err
    assert (
        b"another process of this run has ended" in err or b"a worker was lost, and with it" in err
    )
