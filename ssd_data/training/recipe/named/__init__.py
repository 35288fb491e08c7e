"""The shipped recipes: a TOML file's name is what ``--recipe`` calls it, its first comment says
what it is for."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ORIGINAL = "original"  # the recipe that changes nothing


def names() -> list[str]:
    """The names of the shipped recipes, sorted.

    >>> "original" in names(), "small-data" in names()
    (True, True)
    """
    return sorted({ORIGINAL, *(path.stem for path in FOLDER.glob("*.toml"))})


def file_of(name: str) -> Path:
    """Where a shipped recipe lies."""
    return FOLDER / f"{name}.toml"


def purpose_of(name: str) -> str:
    """What a shipped recipe is for, in a sentence."""
    if name == ORIGINAL:
        return "What solver and nets say, to the last bit."
    first, *_ = file_of(name).read_text("utf-8").split("\n")
    return first.lstrip("# ")


def no_such(name: str) -> tuple[str, str]:
    """What is to be said of a name that no recipe has, and the cure.

    >>> no_such("small_data")[0]
    'no recipe is called "small_data". Did you mean "small-data"?'
    """
    near = get_close_matches(name.lower(), names(), n=1)
    guess = f' Did you mean "{near[0]}"?' if near else ""
    hint = f"Recipes: {', '.join(names())}; or a path to a .toml"
    return f'no recipe is called "{name}".{guess}', hint
