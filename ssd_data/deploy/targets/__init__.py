"""Whom a trained net is deployed for. One file a target; its name registers it (with ``-`` for
``_``).

Each has ``BRIEF``, what it gives, for ``ssd-data deploy --help``; ``SUMMARY``, the same for the
README; ``OPTIONS``, a dataclass of the options of its own, whose fields :func:`option` makes, and
which the command line has from there; and

- ``write(net, options, folder) -> WrittenNet``: write a prepared net into a folder;
- ``prove(written, options, folder, proof) -> list[Difference]``: read it back, run it and compare
  it with the embedded engine (:class:`ssd_data.deploy.proof.Proof`); raises OutputError where it is
  not the same. ``preprocess.json`` is there by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

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
class TargetOption:
    """An option that one target has, or several.

    Attributes:
        name: of the field; the command line has ``-`` for ``_``.
        kind: its type: bool for a flag, int, float, Path, or str.
        default: what is said of its value where none is given; None or False for nothing.
        targets: who has it.
        text, choices, of, metavar, least: see :func:`option`.
    """

    name: str
    kind: Any
    default: object
    targets: tuple[str, ...]
    text: str
    choices: tuple[str, ...] = ()
    of: str = ""
    metavar: str | None = None
    least: int | None = None


def option(text: str, **more: Any) -> dict[str, Any]:
    """What is known of an option: the metadata of its field in a target's ``OPTIONS``.

    Args:
        text: what it does, as ``--help`` says after the names of the targets that have it.
        more: ``choices``, the words that it takes; ``of``, the option without which it means
            nothing; ``metavar``, what stands for its value; ``least``, the least whole number that
            it takes; ``default``, what is said of its default, if that is not the field's own.
    """
    return {"text": text, **more}


def known_options() -> list[TargetOption]:
    """The options of all targets, as they declare them; one of several targets is listed once."""
    found: dict[str, TargetOption] = {}
    for target in TARGETS.names():
        own = TARGETS.load(target).OPTIONS
        kinds = get_type_hints(own)
        for one in fields(own):
            targets = (*found[one.name].targets, target) if one.name in found else (target,)
            more = {"default": one.default, **one.metadata}
            found[one.name] = TargetOption(one.name, kinds[one.name], targets=targets, **more)
    return list(found.values())


def choose(profile: str, given: Mapping[str, Any]) -> Any:
    """A target's options: its ``OPTIONS`` with what is given, and its own values for the rest.

    Raises:
        UsageError: there is no such target, it has no such option, or not that value.
    """
    own = TARGETS.load(profile).OPTIONS
    known = {one.name: one.metadata.get("choices", ()) for one in fields(own)}
    for name, value in given.items():
        where = f"--{name.replace('_', '-')}"
        if name not in known:
            raise UsageError(f"the profile {profile} knows no such option", where=where)
        if known[name] and value not in known[name]:
            raise UsageError(f"a {name} is one of {', '.join(known[name])}", where=where)
    return own(**given)
