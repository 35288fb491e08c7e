"""Recipes: a TOML file a data set says which files make which split, and which labelmap and score
belong to it. Data, not code; ``datasets/voc0712.toml`` is a short one to read first.

Keys: ``name``; ``format`` (a module of ``ssd_data.data.formats``); ``labelmap`` (a shipped
one's name or a path from the recipe; left out, the classes come from the data); ``metric``;
``home`` (where the data set is to be had); ``folders`` (what its folder is often called);
``links`` (link name to split, or to several of which the first that exists is meant); ``map`` (old
class name to new, empty to drop); ``splits.<name>`` with ``shuffle`` and ``sources`` (read one
after the other), or ``choices`` (several such lists, the first that is there is taken). In a
source, a list stands for alternatives: the first path that is there.

``downloads`` is a list of tables, one an archive: ``urls`` (the same file at several addresses,
tried in order), ``bytes``, ``sha256`` or ``md5`` (neither where none is known), ``name`` (the last
part of the first address), ``page`` (where a person gets it; ``urls`` may then be left out),
``into`` (the folder to unpack into), ``splits`` (those that need it; left out, all).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from ssd_data.core import resources
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.paths import is_below, is_plain_name, read_text
from ssd_data.core.registry import FORMATS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1 << 20
Source: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SplitRecipe:
    """One split: the choices of source lists, and whether it is shuffled."""

    choices: tuple[tuple[Source, ...], ...]
    shuffle: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """One archive that a data set is published as; the module's docstring explains the fields."""

    name: str
    urls: tuple[str, ...]
    bytes: int
    sha256: str = ""
    md5: str = ""
    page: str = ""
    into: str = "."
    splits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A data set's recipe; the module's docstring explains the fields."""

    name: str
    format: str
    splits: Mapping[str, SplitRecipe]
    labelmap: Path | None = None
    metric: str = ""
    home: str = ""
    folders: tuple[str, ...] = ()
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    map: Mapping[str, str] = field(default_factory=dict)
    downloads: tuple[Download, ...] = ()
    origin: str = ""


def names() -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(path.stem for path in resources.folder("datasets").glob("*.toml"))


def load(name: str) -> Recipe:
    """A shipped recipe by name, or a recipe file by path (``my.toml``).

    Raises:
        UsageError: there is no such recipe.
        InputError: the file is no recipe.
    """
    path = Path(name) if name.endswith(".toml") else resources.folder("datasets") / f"{name}.toml"
    if not path.is_file():
        near = get_close_matches(name.lower(), names(), n=1)
        guess = f' Did you mean "{near[0]}"?' if near else ""
        raise UsageError(
            f'no recipe or folder "{name}".{guess}',
            hint=f"Recipes: {', '.join(names())}; or a path to a .toml or to a data set's folder",
        )
    return parse(path)


def parse(path: Path) -> Recipe:
    """Read one recipe file.

    Raises:
        InputError: it is not TOML, lacks a key, has an unknown one or one of the wrong type.
    """
    try:
        table = tomllib.loads(read_text(path, "recipe", MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not TOML: {error}", where=path) from None
    keys = _Keys(table, str(path))
    labelmap = keys.take("labelmap", str, "")
    name = keys.take("name", str, path.stem)
    if not is_plain_name(name) or not labelmap.isprintable():
        raise InputError(f"{name!r} cannot name a folder, or a labelmap", where=f"{path}: name")
    recipe = Recipe(
        name=name,
        format=keys.take("format", str),
        splits=_splits(keys.take("splits", dict), str(path)),
        labelmap=_labelmap(path, labelmap) if labelmap else None,
        metric=keys.take("metric", str, ""),
        home=keys.take("home", str, ""),
        folders=tuple(map(str, keys.take("folders", list, []))),
        links={link: _several(split) for link, split in keys.take("links", dict, {}).items()},
        map={old: str(new) for old, new in keys.take("map", dict, {}).items()},
        downloads=_downloads(keys.take("downloads", list, []), str(path)),
        origin=str(path),
    )
    keys.finish()
    _check_sources(recipe)
    _check_links(recipe)
    _check_downloads(recipe)
    return recipe


def _labelmap(path: Path, name: str) -> Path:
    beside, shipped = path.parent / name, resources.folder("labelmaps") / name
    return shipped if shipped.is_file() and not beside.is_file() else beside


def _several(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _splits(table: Mapping[str, Any], origin: str) -> dict[str, SplitRecipe]:
    splits = {}
    for name, value in table.items():
        where = f"{origin}: splits.{name}"
        if not isinstance(value, dict):
            raise InputError("a split is a table", where=where)
        if not is_plain_name(name):
            raise InputError(f"{name!r} cannot name a file", where=where)
        keys = _Keys(value, where)
        shuffle = keys.take("shuffle", bool, False)
        sources = keys.take("sources", list, [])
        choices = keys.take("choices", list, [sources] if sources else [])
        keys.finish()
        if not choices or not all(_is_sources(choice) for choice in choices):
            raise InputError(
                "sources is a list of tables, choices a list of such lists", where=where
            )
        splits[name] = SplitRecipe(tuple(tuple(choice) for choice in choices), shuffle)
    if not splits:
        raise InputError("a recipe has at least one split", where=f"{origin}: splits")
    return splits


def _is_sources(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(s, dict) for s in value)


def _check_sources(recipe: Recipe) -> None:
    required = FORMATS.load(recipe.format).REQUIRED
    for name, split in recipe.splits.items():
        where = f"{recipe.origin}: splits.{name}"
        for source in (source for choice in split.choices for source in choice):
            if missing := [key for key in required if key not in source]:
                raise InputError(f'a source lacks "{missing[0]}"', where=where)
            for key, value in source.items():
                paths = value if isinstance(value, list) else [value]
                if not all(_is_value(path, key in required) for path in paths):
                    raise InputError(f'"{key}" is no path or list of paths', where=where)


def _is_value(value: object, is_path: bool) -> bool:
    if isinstance(value, str):
        return value.isprintable()
    return isinstance(value, int | float) and not is_path


def _check_links(recipe: Recipe) -> None:
    for link, splits in recipe.links.items():
        for split in splits:
            if split not in recipe.splits:
                raise InputError(
                    f'no split "{split}"',
                    where=f"{recipe.origin}: links.{link}",
                    hint=f"Splits: {', '.join(recipe.splits)}",
                )
        if not is_plain_name(link):
            raise InputError(
                "a link's name is a plain name", where=f"{recipe.origin}: links.{link}"
            )


def _downloads(tables: list[Any], origin: str) -> tuple[Download, ...]:
    found = []
    for number, table in enumerate(tables, 1):
        where = f"{origin}: downloads {number}"
        if not isinstance(table, dict):
            raise InputError("a download is a table", where=where)
        keys = _Keys(table, where)
        urls = _several(keys.take("urls", list, []))
        last = unquote(urls[0].partition("?")[0].rpartition("/")[2]) if urls else ""
        found.append(
            Download(
                name=keys.take("name", str, last),
                urls=urls,
                bytes=keys.take("bytes", int),
                sha256=keys.take("sha256", str, "").lower(),
                md5=keys.take("md5", str, "").lower(),
                page=keys.take("page", str, ""),
                into=keys.take("into", str, "."),
                splits=_several(keys.take("splits", list, [])),
            )
        )
        keys.finish()
    return tuple(found)


def _check_downloads(recipe: Recipe) -> None:
    names = [download.name for download in recipe.downloads]
    for number, one in enumerate(recipe.downloads, 1):
        fault = ""
        if not is_plain_name(one.name):
            fault = f"{one.name!r} cannot name a file"
        elif names.count(one.name) > 1:
            fault = f'two downloads are called "{one.name}"'
        elif not all(map(_is_address, (*one.urls, *([one.page] if one.page else [])))):
            fault = "an address starts with http:// or https://"
        elif not (one.urls or one.page):
            fault = "neither urls nor a page to get it from"
        elif one.bytes <= 0:
            fault = "bytes is the size of the file"
        elif not (_is_digest(one.sha256, 64) and _is_digest(one.md5, 32)):
            fault = "sha256 has 64 hexadecimal digits, md5 32"
        elif not is_below(one.into) or ".." in one.into:
            fault = f"{one.into!r} is no folder to unpack into"
        elif unknown := [split for split in one.splits if split not in recipe.splits]:
            fault = f'no split "{unknown[0]}"'
        if fault:
            raise InputError(fault, where=f"{recipe.origin}: downloads {number}")


def _is_address(url: str) -> bool:
    return (
        url.startswith(("http://", "https://"))
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )


def _is_digest(digest: str, length: int) -> bool:
    return not digest or (len(digest) == length and not set(digest) - set("0123456789abcdef"))


class _Keys:
    """Takes keys from a table one by one; what is left at the end is unknown."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.table = dict(table)
        self.where = where
        self.known: list[str] = []

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        self.known.append(key)
        value = self.table.pop(key, default)
        if value is None:
            raise InputError("the key is missing", where=f"{self.where}: {key}")
        if not isinstance(value, kind):
            raise InputError(f"should be a {kind.__name__}", where=f"{self.where}: {key}")
        return value

    def finish(self) -> None:
        for key in self.table:
            near = get_close_matches(key, self.known, n=1)
            guess = f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(self.known)}"
            raise InputError("unknown key", where=f"{self.where}: {key}", hint=guess)
