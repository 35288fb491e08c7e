"""``--keep``: what goes, and what one that was killed while it deleted has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssd_data.training.run_folder import SnapshotKeeper
from ssd_data.training.snapshots import BETWEEN, prune

ENDINGS = ("caffemodel", "ema.caffemodel", "resume.json", "solverstate")


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """Snapshots of iterations 1 to 4, of which a stop has asked for the third."""
    for iteration in range(1, 5):
        for ending in ENDINGS:
            text = json.dumps({BETWEEN: iteration == 3}) if ending == "resume.json" else ""
            (tmp_path / f"net_iter_{iteration}.{ending}").write_text(text)
    return str(tmp_path / "net")


def left(prefix: str) -> list[str]:
    return sorted(path.name.removeprefix("net_iter_") for path in Path(prefix).parent.iterdir())


def of(*iterations: int) -> list[str]:
    return sorted(f"{n}.{ending}" for n in iterations for ending in ENDINGS)


def test_the_newest_and_the_best_stay(prefix: str) -> None:
    prune(prefix, 1, [Path(f"{prefix}_iter_1.solverstate")])
    assert left(prefix) == of(1, 4)


def test_killed_at_any_moment_and_pruned_again(
    prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half a snapshot is none: it goes, and none stays less because of it."""
    unlink = Path.unlink
    for moment in range(13):
        folder = tmp_path / str(moment)
        folder.mkdir()
        here = str(folder / "net")
        for name in of(1, 2, 3, 4):
            (folder / f"net_iter_{name}").write_text(Path(f"{prefix}_iter_{name}").read_text())
        steps = iter(range(moment))

        def killed(path: Path, steps: Any = steps) -> None:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            unlink(path)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", killed)
            if moment < 8:
                with pytest.raises(KeyboardInterrupt):
                    prune(here, 2)
            else:
                prune(here, 2)
        prune(here, 2)
        assert left(here) == of(2, 4), moment


def test_what_a_killed_run_was_to_delete_is_deleted_when_it_goes_on(prefix: str) -> None:
    keeper = SnapshotKeeper(prefix, 1)
    keeper.go_on(Path(f"{prefix}.jsonl"), 2)  # from an older one: nothing is lost by the start
    assert left(prefix) == of(1, 2, 3, 4)
    table = [{"event": "test", "iteration": n, "net": 0, "outputs": {"m": 1 / n}} for n in (1, 2)]
    Path(f"{prefix}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    keeper.go_on(Path(f"{prefix}.jsonl"), 4)
    Path(f"{prefix}.jsonl").unlink()
    assert left(prefix) == of(1, 4)


def test_without_keep_all_stay(prefix: str) -> None:
    SnapshotKeeper(prefix, None).go_on(Path(f"{prefix}.jsonl"), 4)
    assert left(prefix) == of(1, 2, 3, 4)
