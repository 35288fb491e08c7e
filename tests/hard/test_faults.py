"""A few of a few commands' calls to the system fail, or wait while an input changes;
``hard.faults`` goes through all of them."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hard.faults import HUNDREDTH, FaultsAttack, few
from support.attack import Row
from support.faulted import FaultedStage
from support.faults import WRITE, Fault, can_preload, preloaded, seeds_that_hit
from support.stages import Stage
from support.writers.scene import Scene

SEED = 1
# Scene → how many calls that fail or wait, and how many runs in which writes fail at random.
ONE_BY_ONE = {
    **dict.fromkeys(["export_yolo", "model", "labelmap", "relink_here", "check"], (6, 0)),
    "deploy_npu": (4, 0),
}
CHANGING = ["export_voc swap", "inspect cut_lmdb", "report remove_build", "build cut_picture"]
AT_RANDOM = {"rebuild": (2, 5), "train_keep": (1, 3), "eval_more": (1, 3)}

needs_a_compiler = pytest.mark.skipif(not can_preload(), reason="needs Linux and a C compiler")


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    scenes = {**ONE_BY_ONE, **dict.fromkeys(CHANGING, (3, 0)), **AT_RANDOM}
    return dict(preloaded("hard.faults", few.__name__, scenes=scenes, seed=SEED))


@needs_a_compiler
@pytest.mark.parametrize("name", [*ONE_BY_ONE, *CHANGING])
def test_one_call_fails(name: str, rows: dict[str, dict[str, Any]]) -> None:
    row = Row(**rows[name])
    assert not row.findings
    assert row.faults >= 3


@needs_a_compiler
@pytest.mark.parametrize("name", AT_RANDOM)
def test_one_write_in_a_hundred_fails(name: str, rows: dict[str, dict[str, Any]]) -> None:
    """A build, a training and an eval end whole, or with one sentence; then they end well."""
    row = Row(**rows[name])
    assert not row.findings
    assert row.faults >= sum(AT_RANDOM[name])


class Careless(Scene):
    """Writes in place, piece by piece, and says little of what went wrong."""

    def run(self) -> int:
        file = os.open("result", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for piece in (b"n", b"e", b"w"):
                os.write(file, piece)
        except OSError:
            os.write(2, b"error: result: it failed\n")
            return 1
        finally:
            os.close(file)
        return 0


def careless() -> list[str]:
    """What is found of it when its second write fails; of what is missing no cure need be said."""
    attack = FaultsAttack(random.Random(0))
    with tempfile.TemporaryDirectory() as folder:
        scene = Careless(lambda: Path("result").write_text("old") and None, ("nothing",))
        stage = FaultedStage(Stage("careless", scene, Path(folder)))
        assert stage.count(WRITE) == 3
        for fault in (Fault(WRITE, errno.EIO, 2), Fault(WRITE, errno.ENOENT, 2)):
            attack.take(lambda fault=fault: attack.failed(stage, fault))  # type: ignore[misc]
    return attack.row.findings


@needs_a_compiler
def test_what_breaks_the_promise_is_found() -> None:
    unsaid, mixed = preloaded("hard.test_faults", careless.__name__)
    assert "careless: EIO in write at call 2 (write result): it names no cure" in unsaid
    assert "careless: ENOENT in write at call 2 (write result): mixed" in mixed


def test_seeds_that_hit_do() -> None:
    dice = random.Random(0)
    assert list(islice(seeds_that_hit(1_000_000, 1, dice), 3))
    few_calls = list(islice(seeds_that_hit(HUNDREDTH, 50, dice), 20))
    assert len(set(few_calls)) == 20
