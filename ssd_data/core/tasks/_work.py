"""What a worker of a cluster does with a task, and what it says of it.

Function, tasks and answers are pickles: who gives them out does not look into them.
"""

from __future__ import annotations

import pickle
import platform
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ssd_data.core.errors import OutputError, SsdDataWarning, UsageError, said_by_system
from ssd_data.core.installed import version
from ssd_data.core.tasks import Rank

_held: dict[str, Callable[..., Any]] = {}  # the last function, by its digest


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a task.

    Attributes:
        value: what the function gave. error: or what it raised.
        trace: where it did, as text.
        warned: the warnings that a user would have seen.
    """

    value: Any = None
    error: Exception | None = None
    trace: str = ""
    warned: tuple[str, ...] = ()


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of distributions as they are installed here; "none" where one is not."""
    return {package: version(package) or "none" for package in packages}


def work(
    digest: str,
    fetch: Callable[[], bytes],
    wanted: Mapping[str, str],
    driver: str,
    task: bytes,
    member: Rank | None = None,
) -> bytes:
    """The pickled :class:`Answer` to a task.

    Args:
        digest: of the pickled function. fetch: brings it.
        wanted: the versions that packages have where the task comes from.
        driver: that machine's name.
        task: pickled. member: who it is, of those that work together.
    """
    here = platform.node()
    try:
        _require_versions(wanted, here)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SsdDataWarning)
            function, given = _function(digest, fetch), pickle.loads(task)
            value = function(given) if member is None else function(given, member)
        said = [str(one.message) for one in caught if issubclass(one.category, SsdDataWarning)]
        return pickle.dumps(Answer(value, warned=tuple(said)))
    except Exception as error:
        return _failed(error, here if here != driver else "")


def _function(digest: str, fetch: Callable[[], bytes]) -> Callable[..., Any]:
    if digest not in _held:
        _held.clear()
        _held[digest] = pickle.loads(fetch())
    return _held[digest]


def _require_versions(wanted: Mapping[str, str], here: str) -> None:
    """Refuse to work with other packages than those of who gives out the tasks.

    Raises:
        UsageError: a version differs; both are named.
    """
    for package, theirs in versions_of(tuple(wanted)).items():
        if theirs != wanted[package]:
            raise other_version(package, here, theirs, wanted[package])


def other_version(package: str, where: str, theirs: str, ours: str) -> UsageError:
    """The error about a worker with another version than the process that gives out the tasks."""
    has = f"has {package} {theirs}" if theirs != "none" else f"has no {package}"
    return UsageError(
        f"a worker {has}, this process has {ours}",
        where=where,
        hint=f"Install {package} {ours} on all machines of the cluster",
    )


def _failed(error: Exception, machine: str) -> bytes:
    """What was raised, such that it can be raised again: elsewhere, and by whom it is not known.

    Args:
        machine: where it was, if that is another.
    """
    trace = traceback.format_exc()
    if isinstance(error, OSError) and machine:
        error = said_by_system(error)
        error.where = f"{error.where} on {machine}" if error.where else machine
    elif isinstance(error, OutputError) and machine:
        error.where = f"{error.where} on {machine}"
    error.__traceback__ = None
    error.__cause__ = error.__context__ = None
    try:
        made = pickle.dumps(Answer(error=error, trace=trace))
        pickle.loads(made)
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
        made = pickle.dumps(Answer(error=error, trace=trace))
    return made
