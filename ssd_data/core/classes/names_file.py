"""Names files: one class a line, in the order of the labels.

Darknet's ``.names``, labelImg's ``classes.txt``, TensorFlow's and torchvision's ``labels.txt``, and
CVAT's ``labelmap.txt`` (``label:color_rgb:parts:actions``). A background that stands first is label
0 and no class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ssd_data.core.classes.background import is_background, is_background_first
from ssd_data.core.errors import InputError

HINT = "One class a line, in the order of the labels; or a labelmap: item { name: … label: … }"
_LINE_END = re.compile(r"\r\n|\r|\n")
_CVAT = re.compile(r"#\s*label\s*:\s*color", re.IGNORECASE)
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_NUMBERED = re.compile(r"(\d{1,9})\s*[\s:;.)=-]\s*(\S.*)")
_NO_CLASS = {"N/A", "???"}  # torchvision's and TensorFlow Lite's names of an id without a class
_IGNORED = "__ignore__"  # LabelMe's first, before its _background_
# What files look like that are no names files: in any line, or in every one.
_STRANGE: tuple[tuple[Callable[[Iterable[object]], bool], str, str], ...] = (
    (any, r"[<\[{}\]]|.*[{}]$", "it is no list of names"),
    (any, r"(names|nc|train|val|test|path)\s*:(\s|$)", "this is a data set's YAML file"),
    (all, r".*\.(jpe?g|png|bmp|tiff?|webp|xml|txt|json)$", "it lists files, not classes"),
    (all, r".*(\s[-+.\de]+){4}$", "its lines are boxes, not names"),
    (all, r".*,", "its lines hold several columns or names"),
)


def parse_names(text: str, origin: str) -> list[str]:
    r"""The classes of a names file, the background left out.

    >>> parse_names("background\r\ndog\r\ntraffic light\r\n", "classes.txt")
    ['dog', 'traffic light']

    Raises:
        InputError: it is something else, a name stands twice, or a line between names is blank.
    """
    lines = [line.strip() for line in _LINE_END.split(text.removeprefix("\ufeff"))]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError("the file names no class", where=origin, hint=HINT)
    if _CVAT.match(lines[0]):
        names = [line.split(":", 1)[0].strip() for line in lines[1:]]
        return class_names([name for name in names if not is_background(name)], origin, 2)
    _refuse_other_files(lines, origin)
    return class_names(lines, origin)


def class_names(names: Sequence[str], origin: str, first: int = 1) -> list[str]:
    """Names in the order of their labels as classes: a background that stands first is none.

    Args:
        origin, first: where they stand, and which line the first does, for errors.

    Raises:
        InputError: one is empty, stands twice or holds characters that no name has.
    """
    place: dict[str, int] = {}
    for number, name in enumerate(names, first):
        where = f"{origin}:{number}"
        if not name:
            hint = "Take the line out: it would shift the labels of all classes behind it"
            raise InputError("a blank line between names", where=where, hint=hint)
        if _CONTROL.search(name):
            raise InputError(f"{name!a} is no name", where=where, hint=HINT)
        if place.setdefault(name, number) != number and name not in _NO_CLASS:
            hint = "Each class has one label: take one of the two out, or rename it"
            raise InputError(f'"{name}" stands in line {place[name]} too', where=where, hint=hint)
    start = 1 if names[:1] == [_IGNORED] else 0
    start += len(names) > start and is_background_first(names[start])
    return list(names[start:])


def _refuse_other_files(lines: list[str], origin: str) -> None:
    held = [line for line in lines if line]
    for quantity, pattern, what in _STRANGE:
        if quantity(map(re.compile(pattern, re.IGNORECASE).match, held)):
            raise InputError(what, where=origin, hint=HINT)
    numbered = [found for line in held if (found := _NUMBERED.fullmatch(line))]
    numbers = [int(found[1]) for found in numbered]
    rising = len(numbered) == len(held) > 1 and sorted(set(numbers)) == numbers
    if rising and len({found[2] for found in numbered}) == len(held):
        raise InputError(
            "a number stands before each name",
            where=origin,
            hint="Leave them out: the first class is 1; the background, 0, need not stand there",
        )
