"""Actions that are killed where they touch the disk, in a process of their own.

Two ways to find the moment: an audit hook counts what Python is about to change (it works
everywhere), or ``strace`` counts the system's calls and kills at the n-th of a kind (all of them,
also those of libraries).
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lmdb

CHANGING = {
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "fcntl.flock"),
}
EXCHANGES = {"renameat2", "renamex_np"}
CALLS = (
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown"),
    *("openat", "creat", "write", "pwrite64", "writev", "pwritev", "ftruncate", "truncate"),
    *("fsync", "fdatasync", "msync", "sync", "utimensat", "setxattr", "sendfile"),
    *("copy_file_range", "exit_group"),
)
KILLED = -signal.SIGKILL
PATIENCE = 120.0  # seconds
CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
Action = Callable[[], int]
Hook = Callable[[], None]
Start = Callable[[Hook], int]  # a forked process's number, given what it does before
Call = tuple[str, int]  # a system call's name, and the how manieth of that name
Tree = dict[str, str]  # path below a folder → what lies there
_NO_CHANGE = re.compile(
    r"openat\((?!.*O_(WRONLY|RDWR|CREAT))"
    r"|\w+\([^\"]*\"/(dev|proc|sys)/"
    r"|\w+\(\d+<(/dev/|/proc/|pipe:|socket:|anon_inode:|TCP|UNIX)"
)


def in_child(action: Action, before: Hook | None = None, to: Path | None = None) -> int:
    """Run in a forked process; its exit status, negative for a signal."""
    return wait(fork(action, before, to))


def wait(pid: int) -> int:
    """Its exit status, negative for a signal.

    Raises:
        TimeoutError: it does not end.
    """
    if not _ends(pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise TimeoutError(f"no end within {PATIENCE} s")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _ends(pid: int) -> bool:
    if not hasattr(os, "pidfd_open"):
        return True
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], PATIENCE)[0])
    finally:
        os.close(descriptor)


def fork(action: Action, before: Hook | None = None, to: Path | None = None) -> int:
    """Run in a forked process, which prints nothing.

    Args:
        before: is called in it before.
        to: a file for its standard error.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        if not os.environ.get("SSD_DATA_LOUD"):
            os.dup2(null if to is None else os.open(to, NEW_FILE, 0o666), 2)
        sys.stdout, sys.stderr = (open(n, "w", 1, closefd=False) for n in (1, 2))  # noqa: SIM115
        if before is not None:
            before()
        status = action()
    finally:
        sys.stdout.flush()
        os._exit(status)


def at_event(event: int, number: int = signal.SIGKILL) -> Hook:
    """A signal as the process is about to change something for the ``event``-th time."""
    count = 0

    def act() -> None:
        nonlocal count
        count += 1
        if count == event:
            os.kill(os.getpid(), number)

    return lambda: at_events(act)


def killed_at(event: int) -> Hook:
    """Dies without warning when it is about to change something for the ``event``-th time."""
    return at_event(event)


def at_events(act: Callable[[], None]) -> None:
    """Act whenever this process's main thread is about to change something."""
    main = threading.get_ident()

    def watch(name: str, args: tuple[object, ...]) -> None:
        changes = name in CHANGING or (name == "ctypes.dlsym" and args[1] in EXCHANGES)
        changes |= name == "open" and _writes(args)
        if changes and threading.get_ident() == main:
            act()

    sync = os.fsync

    def fsync(descriptor: int) -> None:
        watch("os.rename", ())
        sync(descriptor)

    os.fsync = fsync
    sys.addaudithook(watch)


def _writes(args: tuple[object, ...]) -> bool:
    """Whether a file is opened to be changed."""
    path, _, flags = args
    return isinstance(flags, int) and bool(flags & CHANGES) and not str(path).startswith("/dev/")


def can_trace() -> bool:
    """Whether ``strace`` is there and may follow a process."""
    if shutil.which("strace") is None:
        return False
    return not subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False).returncode


def traced(start: Start, *options: str) -> int:
    """Run in a forked process that ``strace`` follows from its first step."""
    ours, theirs = os.pipe()
    pid = start(lambda: (os.close(theirs), os.read(ours, 1), None)[-1])
    os.close(ours)
    command = ["strace", "-f", "-p", str(pid), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        os.close(theirs)
        status = wait(pid)
        tracer.stderr.read()
    assert "attached" in line, line
    return status


def calls_of(start: Start, log: Path, status: int = 0) -> list[Call]:
    """What is called that changes something, each with the number by which its thread calls it.

    What only reads, prints, or goes to another process counts, but is left out.
    """
    options = ("-y", "-e", f"trace={','.join(CALLS)}", "-e", "signal=none")
    assert traced(start, "-o", str(log), *options) == status
    lines = log.read_text(errors="replace").splitlines()
    made = [match for line in lines if (match := re.match(r"(\d+) +(\w+)\((.*)", line))]
    numbers: Counter[tuple[str, str]] = Counter()
    found: dict[Call, None] = {}
    for match in made:
        thread, call, rest = match.groups()
        numbers[thread, call] += 1
        if not _NO_CHANGE.match(f"{call}({rest}"):
            found[call, numbers[thread, call]] = None
    return [*found]


def killed_by(call: str, number: int, start: Start) -> int:
    """Run, killed as a thread enters its ``number``-th call of that name."""
    kill = f"inject={call}:signal=KILL:when={number}"
    return traced(start, "-o", os.devnull, "-e", f"trace={call}", "-e", kill)


# What only we use, and may be left by a process that was killed.
HIDDEN = re.compile(
    r"(^|/)(\.ssd-data-\w+|\.lock|\.staging|\.ready|\.[^/]*\.(staging|part)(\.\w+)?)(/|$)"
)


def tree(folder: Path, *, hidden: bool = True) -> Tree:
    """What lies in a folder: a file's digest, where a link leads; without what only we use."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not hidden and HIDDEN.search(name):
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            data = _records(path) if path.name == "data.mdb" else path.read_bytes()
            found[name] = hashlib.sha256(data).hexdigest()[:8]
    return found


def _records(path: Path) -> bytes:
    """An LMDB's, whose pages have gaps with whatever was in memory."""
    try:
        with lmdb.open(str(path.parent), readonly=True, lock=False) as opened:
            return repr(list(opened.begin().cursor())).encode()
    except lmdb.Error:
        return path.read_bytes()
