"""Paths that come from lists and annotations: hostile until checked."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ssd_data.errors import InputError


def below(root: Path, relative: str, where: object = "") -> Path:
    """``root / relative``, refused where it is absolute or climbs out of ``root``.

    Links below the root are followed: people keep their pictures on other disks.

    Raises:
        InputError: the path is empty, absolute, holds ``..`` that leaves the root, or a NUL.
    """
    fault = "is not a path below the root"
    if relative and "\0" not in relative and not relative.startswith("/"):
        if ".." not in relative or not _climbs_out(relative):
            return Path(root, relative)
        fault = "leaves the root"
    raise InputError(f'"{relative}" {fault}', where=where, hint=f"The root is {root}")


def _climbs_out(relative: str) -> bool:
    depth = 0
    for part in PurePosixPath(relative).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a UTF-8 text file, without line ends (LF or CRLF) and byte order mark.

    Raises:
        InputError: the file is absent, unreadable or not UTF-8 text.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"the {what} is not UTF-8 text ({error.reason})", where=path) from None
    except OSError as error:
        raise InputError(f"cannot read the {what}: {error.strerror}", where=path) from None
    return text.splitlines()
