"""The handful of errors that this package raises.

Each says *where* (``file:line``, key, option), *what* is wrong and *what to do*, so that the
command line can print it without a traceback and a program can read its parts. Whatever they quote,
they are short and hold no character that is not seen (see ``core/legible.py``).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ssd_data.core.files.hidden import where_seen
from ssd_data.core.legible import legible, legible_lines

_FULL = "Free space, and try again"
_OTHER = "Something else came there meanwhile: try again"
_LOST = "The connection to its disk was lost: try again when it is back"
_CURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Mend the permissions, or choose another place"),
    errno.ENOENT: "A file or folder has vanished: look whether all is there, and try again",
    errno.ENOTDIR: "A file lies where a folder should be: move it, or choose another place",
    **dict.fromkeys((errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR), _OTHER),
    **dict.fromkeys((errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN), _LOST),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Let more files be open (ulimit -n)"),
    errno.EFBIG: "Let files be larger (ulimit -f), or choose another disk",
    errno.EROFS: "It can only be read: choose another place",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ELOOP: "Its links lead in a circle: mend them",
    errno.ENOMEM: "Free memory, and try again",
    errno.EIO: "The disk may be failing: see the system's log (dmesg), and try again",
}
# What the system says of itself, its disks and its limits, and not of the file that was asked for.
_FAILURES = {errno.EIO, errno.ENXIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_FAILURES |= {errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN}
_FAILURES |= {errno.EACCES, errno.EPERM}
# How long a part may be, and how much is left of a longer one. Paths and cures may be long.
_WHERE, _WHAT, _HINT = (300, 120), (500, 200), (500, 160)


class SsdDataError(Exception):
    r"""Base of all errors a user can cause and cure.

    >>> print(SsdDataError("unknown class", where="1.xml:7", hint="Add it to the labelmap"))
    1.xml:7: unknown class
      Add it to the labelmap

    >>> print(SsdDataError("holds \x1b[2J", where="a\n.xml"))
    a\n.xml: holds \x1b[2J

    Args:
        what: one sentence that says what is wrong; or that and further lines.
        where: ``file:line``, a key, an option; empty where there is no such place.
        hint: one sentence that says what to do about it; or several lines.
    """

    def __init__(
        self, what: str | Iterable[str], *, where: object = "", hint: str | Iterable[str] = ""
    ) -> None:
        self.what: str = legible_lines(what, *_WHAT)
        self.where = where
        self.hint: str = legible_lines(hint, *_HINT)
        super().__init__(self.what)

    @property
    def where(self) -> str:
        """The place, as it is shown."""
        return self._where

    @where.setter
    def where(self, place: object) -> None:
        self._where: str = legible(where_seen(str(place)), *_WHERE)

    @property
    def sentence(self) -> str:
        """Where and what, without the hint."""
        return f"{self.where}: {self.what}" if self.where else self.what

    def __str__(self) -> str:
        return f"{self.sentence}\n  {self.hint}" if self.hint else self.sentence


class InputError(SsdDataError):
    """A raw data set, labelmap, recipe, picture or LMDB is not what it should be.

    >>> from ssd_data import find
    >>> try:
    ...     find("sample/voc/Annotations")
    ... except InputError as error:
    ...     print(error.where)
    sample/voc/Annotations
    """


class OutputError(SsdDataError):
    """The result cannot be written: it exists, is locked, the disk is full, no permission.

    >>> from ssd_data import LabelMap, write_labelmap
    >>> try:
    ...     write_labelmap(LabelMap.from_names(["face"]), "labelmap.prototxt")
    ... except OutputError as error:
    ...     print(error.hint)
    --redo replaces it; another -o keeps it
    """


class UsageError(SsdDataError):
    """The call itself is wrong: options that exclude each other, an unknown name.

    >>> from ssd_data import BuildOptions
    >>> try:
    ...     BuildOptions(quality=0)
    ... except UsageError as error:
    ...     print(error)
    --quality: 0 is not between 1 and 100
    """


class SsdDataWarning(UserWarning):
    """Something that is not as it should be, with which one can go on; the command line says it."""


def cure(error: OSError | ValueError) -> str:
    """What to do about what the system says; nothing where Python did not even ask it.

    >>> cure(OSError(errno.ENOSPC, "No space left on device"))
    'Free space, and try again'
    """
    if isinstance(error, ValueError):
        return ""
    return _CURES.get(error.errno or 0, "Try again, or choose another place")


def is_failure(error: OSError) -> bool:
    """Whether the system fails or refuses, so that nothing is known of the file.

    >>> is_failure(OSError(errno.EIO, "")), is_failure(OSError(errno.ENOENT, ""))
    (True, False)
    """
    return error.errno in _FAILURES


@contextmanager
def as_input_error() -> Iterator[None]:
    """What the system does not let be read is an InputError: for who lists them and goes on.

    Raises:
        InputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        said = said_by_system(error)
        raise InputError(said.what, where=said.where, hint=said.hint) from None


class CannotReadError(OSError):
    """A file that is there and that the system does not let be read; see :func:`is_failure`."""


def said_by_system(error: OSError) -> SsdDataError:
    """An error of the system that nobody foresaw, as one of this package."""
    where = error.filename2 or error.filename or ""
    kind = InputError if isinstance(error, CannotReadError) else SsdDataError
    return kind(error.strerror or str(error), where=where, hint=cure(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Python's own error, or the RuntimeErrors that PyTorch raises for the CPU and for GPUs."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in text for words in ("allocate memory", "out of memory", "enough memory"))
    )
