"""Ways to end a scene's command from outside, each with what must hold then.

Each returns whether it came to that: a command may be done before.

Raises, each of them:
    Broken: the promise was broken.
"""

from __future__ import annotations

import os
import re
import signal
import time

from support.kills import HIDDEN, KILLED, Call, at_event, killed_by, tree, wait
from support.stages import Stage

STOPPED = 130
# Ctrl-C in the midst of clearing up may leave it to the next one.
RESUMED = re.compile(r"(^|/)\.[^/]+\.part(/|$)")
STAGED = re.compile(r"(^|/)\.lock$|(^|/)\.([^/]*\.)?staging(/|$)")


def killed_at_call(stage: Stage, call: Call) -> bool:
    """Killed as it enters a system call."""
    stage.set_up()
    status = killed_by(*call, stage.start)
    return _check_killed(stage, status, f"killed at {call[0]} {call[1]}")


def killed_at_event(stage: Stage, event: int) -> bool:
    """Killed where Python changes something for the ``event``-th time."""
    stage.set_up()
    return _check_killed(stage, stage.run(at_event(event)), f"killed at event {event}")


def killed_after(stage: Stage, seconds: float) -> bool:
    """Killed some time after it began."""
    stage.set_up()
    pid = stage.start()
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return _check_killed(stage, wait(pid), f"killed after {seconds:.4f} s")


def _check_killed(stage: Stage, status: int, what: str) -> bool:
    stage.require(status in (KILLED, stage.scene.status), what, "ended with", status, stage.said)
    stage.check(what)
    return status == KILLED


def stopped_at_event(stage: Stage, event: int, number: int = signal.SIGINT) -> bool:
    """Told to stop, by Ctrl-C or SIGTERM: it says so, and leaves nothing of its own."""
    stage.set_up()
    status, what = stage.run(at_event(event, number)), f"signal {number} at event {event}"
    fine = status in (STOPPED, stage.scene.status) and "Traceback" not in stage.said
    stage.require(fine, what, "ended with", status, stage.said)
    left = [name for name in stage.tree() if HIDDEN.search(name) and not STAGED.search(name)]
    if stage.scene.resumes:
        left = [name for name in left if not RESUMED.search(name)]
    left += [*tree(stage.temp)]
    stage.require(not left, what, "left", left)
    was_stopped = status == STOPPED
    stage.check(what)
    return was_stopped


def second_at_event(stage: Stage, event: int) -> bool:
    """Paused, while a second one runs: neither harms the other, and one of them does it all."""
    stage.set_up()
    what, first_said = f"a second process at event {event}", stage.said_to.with_name("said_first")
    pid = stage.start(at_event(event, signal.SIGSTOP), to=first_said)
    if not _pauses(pid):
        stage.require(wait(pid) == stage.scene.status, what, first_said.read_text())
        return False
    second = stage.run()
    os.kill(pid, signal.SIGCONT)
    first, said = wait(pid), f"{first_said.read_text(errors='replace')}; second: {stage.said}"
    ended = {first, second}
    stage.require(ended <= {stage.scene.status, 1}, what, first, second, said)
    stage.require(stage.scene.status in ended, what, "neither did it", said)
    stage.require("Traceback" not in said, what, said)
    stage.check_new(f"{what} ({first}, {second})")
    return True


def _pauses(pid: int) -> bool:
    """Whether it was paused; False when it ends instead."""
    found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED
