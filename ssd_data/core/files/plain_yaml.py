"""YAML files of strangers: texts, lists and tables, and nothing else.

Every value stays the text that it was written as (``no`` is no bool, ``0123`` no number, and what
is left empty is an empty text). No tag makes an object. Aliases are refused: with them a few lines
stand for billions of values.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_text

MOST_BYTES = 1 << 18  # YAML is read slowly
MOST_DEPTH = 20
_NO_ALIAS = "Write out what it stands for"
PlainYaml: TypeAlias = str | list["PlainYaml"] | dict[str, "PlainYaml"]


def read_yaml(path: Path, what: str, where: object = "") -> PlainYaml:
    """What a YAML file says.

    Args:
        what: what the file is, for errors. where: names it in them; the path by default.

    Raises:
        InputError: as :func:`ssd_data.core.files.inside.read_text` and :func:`parse_yaml`.
    """
    return parse_yaml(read_text(path, what, MOST_BYTES, where), where or path)


def parse_yaml(text: str, where: object) -> PlainYaml:
    r"""The first document of a YAML text.

    >>> parse_yaml("names: {0: no, 1: 'yes'}\nnc: 2\ntest:\n", "data.yaml")
    {'names': {'0': 'no', '1': 'yes'}, 'nc': '2', 'test': ''}

    Raises:
        InputError: it is no YAML, holds an alias, a key twice or one that is no text, or is nested
            deeper than :data:`MOST_DEPTH`; the error names the line.
    """
    import yaml  # when the first such file is there: most data sets have none

    try:
        return _document(text, where)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"not YAML: {error.problem}", where=f"{where}{line}") from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise InputError(f"not YAML: {str(error).splitlines()[0]}", where=where) from None


def _document(text: str, where: object) -> PlainYaml:
    import yaml

    top: list[PlainYaml] = []
    growing: list[_Growing] = [_Growing(top)]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = f"{where}:{event.start_mark.line + 1 if event.start_mark else 0}"
        if isinstance(event, yaml.AliasEvent):
            raise InputError(
                f'the alias "*{event.anchor}" is not followed', where=line, hint=_NO_ALIAS
            )
        if isinstance(event, yaml.ScalarEvent):
            growing[-1].add(event.value, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(growing) > MOST_DEPTH:
                raise InputError(f"nested deeper than {MOST_DEPTH}", where=line)
            inner: PlainYaml = {} if isinstance(event, yaml.MappingStartEvent) else []
            growing[-1].add(inner, line)
            growing.append(_Growing(inner))
        elif isinstance(event, yaml.CollectionEndEvent):
            growing.pop()
        elif isinstance(event, yaml.DocumentEndEvent):
            break
    return top[0] if top else ""


class _Growing:
    """A list or table that is being read."""

    def __init__(self, held: PlainYaml) -> None:
        self.held = held
        self.key: str | None = None

    def add(self, value: PlainYaml, line: str) -> None:
        if isinstance(self.held, list):
            self.held.append(value)
        elif isinstance(self.held, dict):
            if self.key is not None:
                self.held[self.key], self.key = value, None
            elif not isinstance(value, str):
                raise InputError("a key is a text", where=line)
            elif value in self.held:
                raise InputError(f'the key "{value}" stands twice', where=line)
            else:
                self.key = value
