"""``build --on ray``: what a cluster builds is what one process builds, whoever is lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.clusters import HERE
from support.nodekills import SHARDS, node_kills

from ssd_data.data.build.sharding.whole import read_summary
from ssd_data.data.lmdb.shards import is_name

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HERE, reason="ray is not installed")]


def whole_in(part: Path) -> list[Path]:
    found = list(part.iterdir()) if part.is_dir() else []
    return [path for path in found if is_name(path.name) and read_summary(path) is not None]


def test_nodes_that_are_killed_and_a_head_that_is_lost(tmp_path: Path, run: Any) -> None:
    with node_kills(tmp_path, seed=1) as world:
        world.round(2)
        assert world.kills == 2

        out, part = tmp_path / "headless", tmp_path / ".headless.part"
        words = ["build", tmp_path / "raw", "--shards", SHARDS, "-o", out]

        def end_head() -> None:
            end = time.monotonic() + 120
            while len(whole_in(part)) < 3 and time.monotonic() < end:
                time.sleep(0.02)
            world.cluster.kill_head()

        thread = threading.Thread(target=end_head)
        thread.start()
        lost = run(*words, "--on", "ray")
        thread.join()
        assert lost.status == 1
        assert "the Ray cluster was lost" in lost.err
        assert "Run it again when the cluster is there" in lost.err
        assert not out.exists()

    kept = {path.name: (path / "data.mdb").stat().st_ino for path in whole_in(part)}
    assert len(kept) >= 3
    again = run(*words)
    assert (again.status, again.err) == (0, "")
    for name, inode in kept.items():
        (place,) = out.glob(f"*_lmdb/{name}/data.mdb")
        assert place.stat().st_ino == inode
    world.require_one_builds(out)
