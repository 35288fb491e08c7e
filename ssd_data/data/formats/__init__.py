"""Raw data sets, one folder a format; the folder's name is its registration.

Its ``read.py`` has any of these:

* ``LAYOUT``: the folder tree it expects, shown when nothing fits;
* ``read(root, options, notes) -> Iterator[Entry]``: one source of a split, in list order. An entry
  whose own annotation is broken is an ``Unreadable``; a broken list or JSON raises ``InputError``.
  ``notes`` (a Tally) takes what is odd but no error;
* ``needs(options) -> list[str]``: the paths below the root without which a source is not there;
* ``REQUIRED``: the keys that a source cannot do without;
* ``recognise(folder) -> dict[split, list of options] | None``: the splits a folder has, if it is
  in this layout;
* ``SUFFIX`` and ``read_file(path, image, annotation, notes) -> AnnotatedImage``: one annotation
  file a picture, as lists name them;
* ``classes(root, options) -> list[(name, display name)]``: the classes, where the data set itself
  states them.

The way back is in its ``write.py``, see ``writing.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

from ssd_data.core.registry import FORMATS

Options: TypeAlias = Mapping[str, Any]


def having(attribute: str) -> Iterator[tuple[str, Any]]:
    """All formats that have ``attribute``, by name."""
    for name in FORMATS.names():
        module = FORMATS.load(name)
        if hasattr(module, attribute):
            yield name, module


@cache
def by_suffix(suffix: str) -> Any | None:
    """The format that reads single annotation files with this suffix, such as ``.xml``."""
    for _, module in having("read_file"):
        if suffix.lower() == module.SUFFIX:
            return module
    return None


def number(text: str) -> float:
    """A number as annotations write it; not a number (NaN) for anything else.

    Python's own ``float`` also takes ``1_000`` and the digits of other scripts.
    """
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan
