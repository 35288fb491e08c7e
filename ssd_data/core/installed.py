"""Which packages are there, of those that this one asks for; none is imported."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

SELF = "ssd-data"
GROUPS = ("all", "dev", "docs")  # extras that name others, or serve this repository alone
OTHERS = {  # the same module by other names
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python-headless"),
}
PICTURES = ("numpy", "opencv-python-headless", "pillow", "simplejpeg")  # decode and warp them
_NEED = re.compile(r"(?P<name>[\w.-]+)\s*(?P<bounds>[^;\[]*)(?:;\s*(?P<marker>.*))?$")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")
_LEAST = re.compile(r">=\s*([\d.]+)")


@dataclass(frozen=True, slots=True)
class Needed:
    """A package that this one asks for.

    Attributes:
        name: the distribution's. extra: which of ours asks for it; empty where all do.
        bounds: the versions that will do, as ``>=4.7,<5``.
        version: what is installed; empty where it is not.
    """

    name: str
    extra: str
    bounds: str
    version: str

    @property
    def is_there(self) -> bool:
        """Whether it is installed, and not older than it may be."""
        least = _LEAST.search(self.bounds)
        return bool(self.version) and not (least and _parts(self.version) < _parts(least[1]))


def needed() -> list[Needed]:
    """All packages that this one or one of its extras asks for, here.

    >>> [one.name for one in needed() if one.extra == "torch"]
    ['safetensors', 'torch']
    """
    found = []
    for line in metadata.requires(SELF) or []:
        need = _NEED.match(line)
        if need is None or need["name"] == SELF:
            continue
        marker = need["marker"] or ""
        extra = _EXTRA.search(marker)
        if (extra and extra[1] in GROUPS) or "python_version" in marker:
            continue
        name = need["name"]
        found.append(Needed(name, extra[1] if extra else "", need["bounds"].strip(), version(name)))
    return found


def version(name: str) -> str:
    """A distribution's version, or that of one that takes its place; empty where none is there."""
    for one in (name, *OTHERS.get(name, ())):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(one)
    return ""


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:4])
