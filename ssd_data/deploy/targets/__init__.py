"""Whom a trained net is deployed for. One file a target; its name registers it (with ``-`` for
``_``).

Each has ``BRIEF``, what it gives, for ``ssd-data deploy --help``; ``SUMMARY``, the same for the
README; ``OPTIONS``, a dataclass of the options of its own, whose fields are annotated with an
:class:`Option`, and which the command line has from there; and

- ``write(net, options, folder) -> WrittenNet``: write a prepared net into a folder;
- ``prove(written, options, folder, proof) -> list[Difference]``: read it back, run it and compare
  it with the embedded engine (:class:`ssd_data.deploy.proof.Proof`); raises OutputError where it is
  not the same. ``preprocess.json`` is there by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ssd_data.core.errors import UsageError
from ssd_data.core.registry import TARGETS
from ssd_data.nets.prepare import PreparedNet


@dataclass(slots=True)
class WrittenNet:
    """What a target wrote into a folder.

    Attributes:
        net: the net as it was written.
        facts: its files, under ``files``, and more that is to be known, for ``preprocess.json``.
        outputs: name → its shape and what it holds.
        detection: the post-processing's settings, where some of it is left to do; None where the
            net gives detections.
        notes: what to know of it.
        losses: name → numbers that say what was given up (half precision, whole numbers).
    """

    net: PreparedNet
    facts: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    detection: dict[str, Any] | None
    notes: list[str] = field(default_factory=list)
    losses: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a target: what annotates a field of its ``OPTIONS``.

    Attributes:
        text: what it does, as ``--help`` says after the names of the targets that have it.
        of: the option without which it means nothing.
        metavar, least: what stands for its value, and the least whole number that it takes.
        default: what is said of its value where none is given; by default the field's own.
        name, kind, targets: of the field, its type, and who has it: :func:`known_options` knows.
    """

    text: str
    of: str = ""
    metavar: str | None = None
    least: int | None = None
    default: object = None
    name: str = ""
    kind: Any = None
    targets: tuple[str, ...] = ()


def known_options() -> list[Option]:
    """The options of all targets, as they declare them; one of several targets is listed once."""
    found: dict[str, Option] = {}
    for target in TARGETS.names():
        for one in _options(target):
            before = found[one.name].targets if one.name in found else ()
            found[one.name] = replace(one, targets=(*before, target))
    return list(found.values())


def _options(target: str) -> Iterator[Option]:
    own = TARGETS.load(target).OPTIONS
    hints = get_type_hints(own, include_extras=True)
    for one in fields(own):
        kind, option = get_args(hints[one.name])
        default = one.default if option.default is None else option.default
        yield replace(option, name=one.name, kind=kind, default=default)


def choose(profile: str, given: Mapping[str, Any]) -> Any:
    """A target's options: its ``OPTIONS`` with what is given, and its own values for the rest.

    Raises:
        UsageError: there is no such target, it has no such option, or not that value.
    """
    known = {one.name: one.kind for one in _options(profile)}
    for name, value in given.items():
        where = f"--{name.replace('_', '-')}"
        if name not in known:
            raise UsageError(f"the profile {profile} knows no such option", where=where)
        words = get_args(known[name]) if get_origin(known[name]) is Literal else ()
        if words and value not in words:
            raise UsageError(f"a {name} is one of {', '.join(words)}", where=where)
    return TARGETS.load(profile).OPTIONS(**given)
