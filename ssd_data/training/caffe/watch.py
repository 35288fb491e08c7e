"""A Caffe ends when the process that started it does, however that ends.

A shell waits at a pipe. What comes through it is the process group of Caffe, and a word when all is
done; where the pipe closes without it, whoever held it was killed, and the shell kills the group.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

_SHELL = "/bin/sh"
_SCRIPT = 'read -r group || exit 0; read -r word || kill -s KILL -- "-$group"'


class Watch:
    """The shell that waits; it is started before what it watches."""

    def __init__(self) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        self._watches = False
        with suppress(OSError):  # without a shell nobody watches
            self._shell = subprocess.Popen(
                [_SHELL, "-c", _SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )

    def watch(self, group: int) -> None:
        """From here on that process group dies with this process."""
        self._watches = True
        self._say(f"{group}\n")

    def done(self) -> None:
        """The group has ended, or never began."""
        if self._shell is None:
            return
        if self._watches:
            self._say("done\n")
        with suppress(OSError):
            assert self._shell.stdin is not None
            self._shell.stdin.close()
        self._shell.wait()

    def _say(self, text: str) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            with suppress(OSError):
                os.write(self._shell.stdin.fileno(), text.encode())
