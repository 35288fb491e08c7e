"""The background: label 0 of every labelmap, under many names."""

from __future__ import annotations

BACKGROUND_NAME = "none_of_the_above"
BACKGROUND_DISPLAY_NAME = "background"
BACKGROUND_ITEM = (
    f'item {{ name: "{BACKGROUND_NAME}" label: 0 display_name: "{BACKGROUND_DISPLAY_NAME}" }}'
)
_ALWAYS = {"background", "noneoftheabove"}
_FIRST = _ALWAYS | {"bg"}
_EMPTY = {"none", "na", "null", "nothing", "void", "empty", "unlabeled", "unlabelled", "ignore"}
_AT_ZERO = _FIRST | _EMPTY | {"neg", "negative"}
_UNNAMED = "???"  # what TensorFlow Lite's files have for an id without a class


def is_background(name: str) -> bool:
    """Whether a name says background wherever it stands.

    >>> is_background("__background__"), is_background("bg")
    (True, False)
    """
    return _plain(name) in _ALWAYS


def is_background_first(name: str) -> bool:
    """Whether the first of a list of names is the background's, in torchvision's, TensorFlow's
    or any other spelling.

    >>> is_background_first("???"), is_background_first("bg"), is_background_first("none")
    (True, True, False)
    """
    return _plain(name) in _FIRST or name.strip() == _UNNAMED


def may_be_label_0(name: str) -> bool:
    """Whether what has label 0 in a labelmap can be the background, and is no class.

    >>> may_be_label_0("none"), may_be_label_0("dog")
    (True, False)
    """
    return not name.strip() or _plain(name) in _AT_ZERO or name.strip() == _UNNAMED


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
