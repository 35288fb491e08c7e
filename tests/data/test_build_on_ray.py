"""``build --on ray``: what a cluster builds is what one process builds, whoever is lost."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support.clusters import HERE
from support.nodekills import SHARDS, node_kills

from ssd_data.data.build.sharding import driver
from ssd_data.data.build.sharding.task import build_shard

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HERE, reason="ray is not installed")]


def test_nodes_that_are_killed_and_a_head_that_is_lost(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with node_kills(tmp_path) as world:
        world.dice = random.Random(1)
        world.round(2)
        assert world.kills == 2

        out = tmp_path / "headless"
        words = ["build", tmp_path / "raw", "--shards", SHARDS, "--on", "ray", "-o", out]
        build, built = driver.ShardInputs.name, []

        def counting(*given: Any) -> Any:
            built.append(given)
            return build(*given)

        monkeypatch.setattr(driver.ShardInputs, "name", counting)
        world.cluster.kill_head_when(tmp_path / ".headless.part")
        lost = run(*words)
        assert lost.status == 1
        assert "the Ray cluster was lost" in lost.err
        assert "Run it again when the cluster is there" in lost.err
        assert not out.exists()
    assert driver.build_shard is build_shard
