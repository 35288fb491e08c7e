"""Whom a trained net is deployed for. One file a target; its name registers it (with ``-`` for
``_``).

Each has ``BRIEF``, what it gives, for ``ssd-data deploy --help``; ``SUMMARY``, the same for the
README; ``OPTIONS``, a dataclass of the options of its own, whose fields say how they are offered
(:func:`ssd_data.core.options.option`), and which the command line has from there; and

- ``write(net, options, folder) -> WrittenNet``: write a prepared net into a folder;
- ``prove(written, options, folder, proof) -> list[Difference]``: read it back, run it and compare
  it with the embedded engine (:class:`ssd_data.deploy.proof.Proof`); raises OutputError where it is
  not the same. ``preprocess.json`` is there by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ssd_data.core.errors import UsageError
from ssd_data.core.options import Option, flag, offered
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
    """An option of targets.

    Attributes:
        field: of their ``OPTIONS``. owner: that dataclass. targets: the names of whose it is.
    """

    field: Field[Any]
    owner: type
    targets: tuple[str, ...]

    @property
    def name(self) -> str:
        """As its field is called."""
        return self.field.name

    @property
    def default(self) -> object:
        """What it is where nothing is given."""
        unset = self._offered.unset
        return self.field.default if unset is None else unset

    @property
    def offer(self) -> Option:
        """How it is offered; the help names what it belongs to, and its default."""
        offer = self._offered
        text = f"{f'--{offer.of}' if offer.of else ', '.join(self.targets)}: {offer.help}"
        if self.default not in (None, False):
            text += f"  [default: {self.default}]"
        return replace(offer, help=text)

    @property
    def _offered(self) -> Option:
        offer = offered(self.field)
        assert offer is not None, f"{self.name} of {self.owner.__name__} is no option()"
        return offer


def known_options() -> list[TargetOption]:
    """The options of all targets, as they declare them; one of several targets is listed once."""
    found: dict[str, TargetOption] = {}
    for target in TARGETS.names():
        own = TARGETS.load(target).OPTIONS
        for one in fields(own):
            before = found[one.name].targets if one.name in found else ()
            found[one.name] = TargetOption(one, own, (*before, target))
    return list(found.values())


def choose(profile: str, given: Mapping[str, Any]) -> Any:
    """A target's options: its ``OPTIONS`` with what is given, and its own values for the rest.

    Raises:
        UsageError: there is no such target, it has no such option, or not that value.
    """
    own = TARGETS.load(profile).OPTIONS
    known = get_type_hints(own)
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"the profile {profile} knows no such option", where=flag(name))
        words = get_args(known[name]) if get_origin(known[name]) is Literal else ()
        if words and value not in words:
            raise UsageError(f"a {name} is one of {', '.join(words)}", where=flag(name))
    return own(**given)
