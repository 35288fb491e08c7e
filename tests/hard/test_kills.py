"""Killed, stopped or met by a second process at any point, a command that writes leaves all of the
old or all of the new; the same command run again ends well, and nothing is left over.

These are a few points of a few scenes; ``hard.kills`` goes through all of them.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hard.kills import preload
from support.killing import killed_at_event, second_at_event, stopped_at_event
from support.stages import Stage
from support.writers import READERS, SCENES

from ssd_data.core.registry import COMMANDS

FEW = ["rebuild", "rebuild_here", "relink", "export_yolo", "labelmap", "download", "deploy_npu"]
FEW += ["shard", "merge", "merge_on", "build_shards"]
FEW += ["train_keep", "test_saving", "eval_more", "detect", "score_voc", "inspect"]
VIEWS = {"view"}  # serves what it reads until it is stopped


def test_there_is_a_scene_of_each_command() -> None:
    seen = {scene.words[0] for scene in [*SCENES.values(), *READERS.values()]}
    assert seen | VIEWS == {*COMMANDS.names()}


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    preload()


@pytest.mark.parametrize("name", FEW)
def test_some_points(name: str, tmp_path: Path) -> None:
    stage = Stage(name, SCENES[name], tmp_path)
    count = len(stage.events)
    assert count > 3
    assert killed_at_event(stage, count // 3)
    assert killed_at_event(stage, count - 2)
    assert stopped_at_event(stage, count // 2, signal.SIGTERM)
    assert second_at_event(stage, 3 * count // 4)


@pytest.mark.parametrize("name", ["check", "diff", "weights"])
def test_what_only_reads_changes_nothing(name: str, tmp_path: Path) -> None:
    stage = Stage(name, READERS[name], tmp_path)
    assert not stage.events
    assert stage.new == stage.old
