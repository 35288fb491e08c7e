"""How threads wait is chosen by what else runs, and never over the user's word."""

import os
from pathlib import Path

import pytest

from ssd_data.engines.torch.waiting import choose_waiting, is_taken


def stat(folder: Path, running: int) -> Path:
    path = folder / "stat"
    path.write_text(f"cpu  1 2 3\nprocs_running {running}\nprocs_blocked 0\n")
    return path


@pytest.mark.parametrize(("more", "taken"), [(0, False), (-1, False), (1, True), (6, True)])
def test_a_machine_is_taken_by_as_many_as_it_has_processors(
    more: int, taken: bool, tmp_path: Path
) -> None:
    running = (os.cpu_count() or 1) + more
    assert is_taken(stat(tmp_path, running)) is taken


def test_where_nobody_can_say_it_is_not_taken(tmp_path: Path) -> None:
    assert not is_taken(tmp_path / "nothing")
    (tmp_path / "stat").write_text("procs_running many\n")
    assert not is_taken(tmp_path / "stat")


@pytest.mark.parametrize(
    ("running", "said", "spins"),
    [(1, {}, "5000"), (99, {}, "0"), (99, {"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_threads_spin_where_the_machine_is_free(
    running: int,
    said: dict[str, str],
    spins: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", dict(said))
    choose_waiting(stat(tmp_path, running))
    assert os.environ == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": spins}


def test_the_users_word_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": "ACTIVE"})
    choose_waiting(stat(tmp_path, 99))
    assert os.environ == {"OMP_WAIT_POLICY": "ACTIVE"}
