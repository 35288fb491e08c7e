"""What else lies in an out folder stays what and where it is, whoever writes into it meanwhile."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.kills import in_child, tree

from ssd_data.core.errors import OutputError
from ssd_data.core.files import exchange as exchanging
from ssd_data.core.files import publish
from ssd_data.core.files.exchange import CannotExchangeError, exchange, mirror
from ssd_data.core.files.moving import require_settled
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.whole import write_text

needs_nobody = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with an LMDB and a labelmap of ours, and what others have put there."""
    folder = tmp_path / "out"
    (folder / "lmdb").mkdir(parents=True)
    (folder / "lmdb" / "data.mdb").write_text("old")
    (folder / "labelmap").write_text("old")
    (folder / "kept_lmdb").mkdir()
    (folder / "kept_lmdb" / "data.mdb").write_text("kept")
    (folder / "kept_lmdb" / "lock.mdb").write_text("readers")
    (folder / "notes.txt").write_text("mine")
    (folder / "jobs" / "a" / "b").mkdir(parents=True)
    (folder / "jobs" / "a" / "run.log").write_text("1\n")
    (folder / "newest").symlink_to("kept_lmdb")
    (folder / "nowhere").symlink_to("/nonexistent")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def put(folder: Path, text: str = "new") -> None:
    """Replace what is ours."""
    with OutFolder(folder) as work:
        (work.staging / "lmdb").mkdir()
        (work.staging / "lmdb" / "data.mdb").write_text(text)
        write_text(work.staging / "labelmap", text)
        work.publish()


def is_new(out: Path, before: dict[str, str]) -> None:
    """Ours are new, all else is as it was, and nothing more."""
    ours = {"lmdb", "lmdb/data.mdb", "labelmap"}
    assert {(out / name).read_text() for name in ours - {"lmdb"}} == {"new"}
    left = {name: what for name, what in tree(out).items() if name not in ours}
    assert left == {name: what for name, what in before.items() if name not in ours}
    assert not [path for path in out.parent.iterdir() if path.name.startswith(".")]


def in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(a: Path, b: Path) -> None:
        raise CannotExchangeError("not here")

    monkeypatch.setattr(publish, "exchange", cannot)


def test_others_things_stay(out: Path) -> None:
    before, was = tree(out), {p: (out / p).stat().st_ino for p in ("notes.txt", "jobs/a/run.log")}
    with (
        (out / "jobs" / "a" / "run.log").open("a") as log,
        (out / "lmdb" / "data.mdb").open() as old,
    ):
        place = out.stat().st_ino
        put(out)
        assert out.stat().st_ino != place, "the folders were exchanged"
        assert old.read() == "old"
        is_new(out, before)
        log.write("2\n")
    assert (out / "jobs" / "a" / "run.log").read_text() == "1\n2\n"
    assert {path: (out / path).stat().st_ino for path in was} == was


def test_the_folder_keeps_its_looks(out: Path) -> None:
    out.chmod(0o2750)
    (out / "jobs").chmod(0o500)
    if os.getuid() == 0:
        os.chown(out, 1234, 4321)
    before = [(p.stat().st_mode, p.stat().st_uid, p.stat().st_gid) for p in (out, out / "jobs")]
    place = out.stat().st_ino
    put(out)
    assert out.stat().st_ino != place
    assert before == [
        (p.stat().st_mode, p.stat().st_uid, p.stat().st_gid) for p in (out, out / "jobs")
    ]
    assert not list(out.parent.glob(".*"))


@pytest.mark.parametrize("when", ["before", "after", "killed"])
def test_what_comes_at_the_last_moment_is_not_lost(
    when: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes into the old folder after all of it was linked."""

    def late(a: Path, b: Path) -> None:
        if when == "after":
            exchange(a, b)
        old = a if when == "after" else b
        (old / "jobs" / "c").mkdir()
        (old / "jobs" / "c" / "late").write_text("late")
        (old / "changed").write_text("changed")
        (old / "changed").replace(old / "notes.txt")
        (old / "lmdb" / "lock.mdb").write_text("a reader's")
        if when != "after":
            exchange(a, b)
        if when == "killed":
            os._exit(9)

    monkeypatch.setattr(publish, "exchange", late)
    if when == "killed":
        assert in_child(lambda: put(out) or 0) == 9
        assert (out / "labelmap").read_text() == "new"
        monkeypatch.undo()
        with OutFolder(out):
            pass
    else:
        put(out)
    assert (out / "jobs" / "c" / "late").read_text() == "late"
    assert (out / "notes.txt").read_text() == "changed"
    assert names(out / "lmdb") == ["data.mdb"]
    assert not list(out.parent.glob(".*"))


def test_what_was_changed_after_a_kill_is_not_undone(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(a: Path, b: Path) -> None:
        exchange(a, b)
        os._exit(9)

    monkeypatch.setattr(publish, "exchange", dies)
    assert in_child(lambda: put(out) or 0) == 9
    monkeypatch.undo()
    (out / "changed").write_text("days later")
    (out / "changed").replace(out / "notes.txt")
    shutil.rmtree(out / "jobs")
    (out / "newest").unlink()
    put(out, "newer")
    assert (out / "labelmap").read_text() == (out / "lmdb" / "data.mdb").read_text() == "newer"
    assert (out / "notes.txt").read_text() == "days later"
    assert names(out) == ["kept_lmdb", "labelmap", "lmdb", "notes.txt", "nowhere"]
    assert not list(out.parent.glob(".*"))


def test_a_journal_that_is_done_with_moves_nothing(out: Path) -> None:
    """As one has it that was killed just before it could remove its lock."""
    (out / ".lock").write_text('{"published": [], "kept": {}}')
    before = tree(out)
    del before[".lock"]
    with OutFolder(out) as work:
        write_text(work.staging / "other", "half")
    assert tree(out) == before


def works_in(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out / "jobs")


def no_exchange(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_steps(monkeypatch)


def no_links(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def is_mounted(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "is_mount", lambda folder: True)


def many_files(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanging, "MOST_KEPT", 5)


def not_ours(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out.parent / ".out.staging").mkdir()
    (out.parent / ".out.staging" / "mine").write_text("mine")


@pytest.mark.parametrize("why", [works_in, no_exchange, no_links, is_mounted, many_files, not_ours])
def test_where_folders_cannot_be_exchanged_the_folder_stays(
    why: Callable[[Path, pytest.MonkeyPatch], None], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, place = tree(out), out.stat().st_ino
    why(out, monkeypatch)
    put(out)
    assert out.stat().st_ino == place
    if why is not_ours:
        assert (out.parent / ".out.staging" / "mine").read_text() == "mine"
        shutil.rmtree(out.parent / ".out.staging")
    is_new(out, before)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="there is no /proc")
def test_a_folder_in_which_another_process_works_stays(out: Path) -> None:
    before, place = tree(out), out.stat().st_ino
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], cwd=out, stdin=subprocess.PIPE
    ) as other:
        put(out)
        other.communicate(b"\n")
    assert out.stat().st_ino == place
    is_new(out, before)


def test_a_copy_of_a_folder_between_two_is_finished_as_well(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy has other inodes, and another may have them."""
    in_steps(monkeypatch)
    before, moves, rename = tree(out), [0], os.rename

    def dies(source: Path, target: Path) -> None:
        moves[0] += 1
        if moves[0] == 4:
            os._exit(9)
        rename(source, target)

    monkeypatch.setattr(os, "rename", dies)
    assert in_child(lambda: put(out) or 0) == 9
    monkeypatch.setattr(os, "rename", rename)
    (tmp_path / "copies").mkdir()
    for copy in ("copies/a", "copies/b"):
        subprocess.run(["cp", "-a", str(out), str(tmp_path / copy)], check=True)
        assert (tmp_path / copy / "labelmap").read_text() == "new"
        assert not (tmp_path / copy / "lmdb").exists(), "between the two renames"
        with pytest.raises(Exception, match="was interrupted while it did"):
            require_settled(tmp_path / copy)
        with OutFolder(tmp_path / copy):
            pass
        is_new(tmp_path / copy, before)


@pytest.mark.parametrize("name", [".ready", ".staging"])
def test_planted_links_lead_nowhere(name: str, out: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "lmdb").mkdir(parents=True)
    (victim / "precious").write_text("precious")
    before, others = tree(out), tree(victim)
    (out / name).symlink_to(victim)
    put(out)
    is_new(out, before)
    assert tree(victim) == others
    (out / ".ready" / "lmdb").mkdir(parents=True)
    (out / ".ready" / ".old").symlink_to(victim)
    (out / ".ready" / ".lock").symlink_to(victim / "precious")
    with OutFolder(out):
        pass
    assert tree(victim) == others
    assert not (out / ".ready").exists()


@pytest.mark.parametrize("made", [True, False])
def test_a_living_process_keeps_others_out(made: bool, out: Path, tmp_path: Path) -> None:
    folder = out if made else tmp_path / "none"

    def second() -> int:
        try:
            put(folder)
        except OutputError as error:
            return 3 if "another ssd-data is writing" in str(error) else 4
        return 0

    with OutFolder(folder) as work:
        write_text(work.staging / "labelmap", "of the first")
        assert in_child(second) == 3
        assert (work.staging / "labelmap").read_text() == "of the first"
        work.publish()
    assert (folder / "labelmap").read_text() == "of the first"
    assert in_child(second) == 0
    assert not list(tmp_path.rglob(".*"))


def test_names_that_leave_no_room_for_a_longer_one(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 250)
    for _ in range(2):
        put(folder)
        assert names(folder) == ["labelmap", "lmdb"]
        assert names(tmp_path) == [folder.name]


def test_a_link_to_an_out_folder_stays_one(out: Path, tmp_path: Path) -> None:
    before = tree(out)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to("../out")
    put(link)
    assert str(link.readlink()) == "../out"
    is_new(out, before)
    assert names(link.parent) == ["link"]


def test_errors_name_the_folder_that_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "out"
    with pytest.raises(OutputError) as caught, OutFolder(folder) as work:
        (work.staging / "none" / "x").write_text("")
    assert caught.value.where == str(folder / "none" / "x")
    with pytest.raises(OutputError) as caught, OutFolder(folder) as work:
        raise OutputError("no", where=work.staging / "x")
    assert caught.value.where == str(folder / "x")
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot write: Not a directory"):
            put(place)
    assert names(tmp_path) == ["file"]


def test_a_folder_that_vanishes_meanwhile_comes_back_whole(out: Path, tmp_path: Path) -> None:
    with OutFolder(out) as work:
        write_text(work.staging / "labelmap", "new")
        shutil.rmtree(out)
        work.publish()
    assert names(out) == ["labelmap"]
    assert names(tmp_path) == ["out"]


@needs_nobody
def test_a_folder_above_that_is_not_ours(out: Path, tmp_path: Path) -> None:
    before = tree(out)
    for folder, _, _ in os.walk(out):
        os.chown(folder, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)

    def as_nobody() -> int:
        os.setuid(65534)
        put(out)
        return 0

    assert in_child(as_nobody) == 0
    is_new(out, before)


def test_what_cannot_be_linked_is_said(out: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    kept = mirror(out, tmp_path / "new", {"lmdb", "labelmap"})
    assert {name for name, what in kept.items() if not what} == {
        "jobs", "jobs/a", "jobs/a/b", "kept_lmdb"
    }  # fmt: skip
    assert tree(tmp_path / "new") == {n: w for n, w in tree(out).items() if n in kept}
    with pytest.raises(CannotExchangeError):
        mirror(out, tmp_path / "new", ())


def test_mounted_folders_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same disk that is mounted is told by the system's list alone."""
    assert exchanging.is_mount(Path("/"))
    assert not exchanging.is_mount(tmp_path)
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 98:0 /a {tmp_path}/my\\040data\\134x rw - ext4 /dev/vda rw\nbroken\n")
    (tmp_path / "my data\\x").mkdir()
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, **how: opened(table if path.name == "mountinfo" else path, **how)
    )
    assert exchanging.is_mount(tmp_path / "my data\\x")
    assert not exchanging.is_mount(tmp_path)


def test_what_a_folder_within_could_not_clear_up_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, unlink = tmp_path / "out", Path.unlink

    def fails(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == ".within.staging":
            raise OSError(errno.EIO, "broken")
        unlink(path, missing_ok)

    with OutFolder(out) as folder:
        monkeypatch.setattr(Path, "unlink", fails)
        with OutFolder(folder.staging / "within") as within:
            (within.staging / "a").write_text("new")
            within.publish()
        monkeypatch.setattr(Path, "unlink", unlink)
        assert (folder.staging / ".within.staging").is_dir()
        folder.publish()
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == [
        "within",
        "within/a",
    ]
