"""Actions that are killed where they touch the disk, in a process of their own.

Two ways to find the moment: an audit hook counts what Python is about to change (it works
everywhere), or ``strace`` counts the system's calls and kills at the n-th of a kind (all of them,
also those of libraries).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lmdb

CHANGING = {
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "ctypes.dlsym", "fcntl.flock"),
}
CALLS = (
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown"),
    *("openat", "creat", "write", "pwrite64", "writev", "pwritev", "ftruncate", "truncate"),
    *("fsync", "fdatasync", "msync", "sync", "utimensat", "setxattr", "sendfile"),
    *("copy_file_range", "exit_group"),
)
Action = Callable[[], int]
Hook = Callable[[], None]


def in_child(action: Action, before: Hook | None = None) -> int:
    """Run in a forked process, which prints nothing; its exit status, negative for a signal."""
    pid = fork(action, before)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork(action: Action, before: Hook | None = None) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        if not os.environ.get("SSD_DATA_LOUD"):
            os.dup2(null, 2)
        if before is not None:
            before()
        status = action()
    finally:
        sys.stdout.flush()
        os._exit(status)


def killed_at(event: int, counted: list[int] | None = None) -> Hook:
    """Dies without warning when it is about to change something for the ``event``-th time."""

    def arm() -> None:
        count = 0

        def watch(name: str, args: tuple[object, ...]) -> None:
            nonlocal count
            writes = name == "open" and isinstance(args[2], int) and args[2] & 0o103
            count += bool(writes) or name in CHANGING or name == "os.fsync"
            if count == event:
                count += 1  # the call itself is told to this hook
                os.kill(os.getpid(), signal.SIGKILL)

        sync = os.fsync

        def fsync(descriptor: int) -> None:
            watch("os.fsync", ())
            sync(descriptor)

        os.fsync = fsync
        sys.addaudithook(watch)

    return arm


def can_trace() -> bool:
    """Whether ``strace`` is there and may follow a process."""
    if shutil.which("strace") is None:
        return False
    return not subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False).returncode


def traced(action: Action, *options: str) -> int:
    """Run in a forked process that ``strace`` follows from its first step."""
    ours, theirs = os.pipe()
    pid = fork(action, lambda: (os.close(theirs), os.read(ours, 1), None)[-1])
    os.close(ours)
    command = ["strace", "-f", "-p", str(pid), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        assert "attached" in line, line
        os.close(theirs)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        tracer.stderr.read()
    return status


def calls_of(action: Action, log: Path) -> list[tuple[str, int]]:
    """What the main thread calls that changes something, each with the number by which it is
    called: an ``openat`` that only reads counts, but is left out."""
    assert traced(action, "-o", str(log), "-e", f"trace={','.join(CALLS)}") == 0
    lines = log.read_text(errors="replace").splitlines()
    made = [match for line in lines if (match := re.match(r"(\d+) +(\w+)\((.*)", line))]
    numbers: Counter[str] = Counter()
    found = []
    for match in made:
        thread, call, rest = match.groups()
        if thread != made[0][1]:
            continue
        numbers[call] += 1
        if call != "openat" or re.search("O_(WRONLY|RDWR|CREAT)", rest):
            found.append((call, numbers[call]))
    return found


def killed_by(call: str, number: int, action: Action) -> int:
    """Run, killed as it enters the ``number``-th call of that name."""
    kill = f"inject={call}:signal=KILL:when={number}"
    return traced(action, "-o", os.devnull, "-e", f"trace={call}", "-e", kill)


HIDDEN = re.compile(r"(^|/)(\.lock|\.staging|\.ready|\.[^/]*\.(staging|part))(/|$)")


def tree(folder: Path, *, hidden: bool = True) -> dict[str, str]:
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
            found[name] = hashlib.sha256(data).hexdigest()
    return found


def _records(path: Path) -> bytes:
    """An LMDB's, whose pages have gaps with whatever was in memory."""
    try:
        with lmdb.open(str(path.parent), readonly=True, lock=False) as opened:
            return repr(list(opened.begin().cursor())).encode()
    except lmdb.Error:
        return path.read_bytes()
