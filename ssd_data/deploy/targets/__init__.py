"""Whom a trained net is deployed for. One file a target; its name registers it (with ``-`` for
``_``).

Each has ``BRIEF``, what it gives, for ``ssd-data deploy --help``; ``SUMMARY``, the same for the
README; ``OPTIONS``, a dataclass of the options of its own, each offered to the command line (see
``core/options.py``); and

- ``write(net, options, folder) -> WrittenNet``: write a prepared net into a folder;
- ``prove(written, options, folder, proof) -> list[Difference]``: read it back, run it and compare
  it with the embedded engine (:class:`ssd_data.deploy.proof.Proof`, which sees what is shipped and
  scores it); raises OutputError where it is not the same. ``preprocess.json`` is there by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ssd_data.core.errors import UsageError
from ssd_data.core.options import flag
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
        input_name: the input's, where the target does not take the net's own.
        losses: name → numbers that say what was given up (half precision, whole numbers).
        given: what ``preprocess.json`` says of the input where it is not the usual: its ``layout``,
            ``shape``, ``type``; of whole numbers, ``scale_of_one`` and ``zero`` (a value is
            ``(number - zero) * scale_of_one``).
        session: what runs it, where that cannot be had of the files.
    """

    net: PreparedNet
    facts: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    detection: dict[str, Any] | None
    notes: list[str] = field(default_factory=list)
    losses: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    input_name: str = ""
    session: Any = None

    @property
    def input(self) -> str:
        """The input's name."""
        return self.input_name or self.net.given.graph.inputs[0]


def known_options() -> dict[str, tuple[type, list[str]]]:
    """The options of all targets: name → the dataclass that offers it, and who has it."""
    found: dict[str, tuple[type, list[str]]] = {}
    for target in TARGETS.names():
        kind = TARGETS.load(target).OPTIONS
        for one in fields(kind):
            found.setdefault(one.name, (kind, []))[1].append(target)
    return found


def choose(profile: str, given: Mapping[str, Any]) -> Any:
    """A target's options: its ``OPTIONS`` with what is given, and its own values for the rest.

    Raises:
        UsageError: there is no such target, it has no such option, or not that value.
    """
    kind = TARGETS.load(profile).OPTIONS
    known = get_type_hints(kind)
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"the profile {profile} knows no such option", where=flag(name))
        words = [word for kind in _kinds(known[name]) for word in get_args(kind)]
        if words and value not in words:
            raise UsageError(f"a {name} is one of {', '.join(words)}", where=flag(name))
    return kind(**given)


def _kinds(hint: Any) -> list[Any]:
    """The ``Literal`` that a field's type is, or has among others."""
    return [one for one in (hint, *get_args(hint)) if get_origin(one) is Literal]
