"""What a check found: each kind of trouble once, counted, with the places where it was met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ssd_data.core.legible import legible
from ssd_data.core.notes import LISTED, Count

ERROR, WARNING = "error", "warning"
Kind: TypeAlias = tuple[str, str, str]  # severity, short name, message


@dataclass(slots=True)
class Finding:
    """One kind of trouble.

    Attributes:
        severity: "error" or "warning".
        kind: a short name that does not change, such as "empty-box".
        message: what it is.
        count: how often it was met.
        places: where; the first :data:`ssd_data.core.notes.LISTED` of them.
    """

    severity: str
    kind: str
    message: str
    count: int = 0
    places: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """All that a check found, each kind once.

    Attributes:
        checked: what was looked at, each with ``name``, ``records`` and ``boxes``.
        labelmap: where the labelmap comes from; empty where there is none.
        left_out: splits of a folder that were not looked at, since none were named.
    """

    checked: list[dict[str, Any]] = field(default_factory=list)
    labelmap: str = ""
    left_out: list[str] = field(default_factory=list)
    found: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, kind: Kind, places: Iterable[str]) -> None:
        """Count one more of its kind at each of ``places``."""
        severity, name, message = kind
        for place in places:
            finding = self.found.setdefault(
                (name, message), Finding(severity, name, legible(message))
            )
            finding.count += 1
            if len(finding.places) < LISTED:
                finding.places.append(legible(place))

    @property
    def errors(self) -> list[Finding]:
        """What makes training fail or learn nonsense."""
        return [finding for finding in self.found.values() if finding.severity == ERROR]

    @property
    def warnings(self) -> list[Finding]:
        """What is odd but may be meant."""
        return [finding for finding in self.found.values() if finding.severity == WARNING]

    def to_json(self) -> dict[str, Any]:
        """``{"checked": […], "labelmap": "…", "left_out": […], "errors": […], "warnings": […]}``"""

        def table(found: list[Finding]) -> list[dict[str, Any]]:
            names = ("kind", "count", "message", "places")
            return [{name: getattr(finding, name) for name in names} for finding in found]

        return {
            "checked": self.checked,
            "labelmap": self.labelmap,
            "left_out": self.left_out,
            "errors": table(self.errors),
            "warnings": table(self.warnings),
        }


def counted(found: Count) -> Iterator[str]:
    """The places that were listed, then an empty one for each that was only counted."""
    yield from found.listed
    yield from [""] * (found.count - len(found.listed))
