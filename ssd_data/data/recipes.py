"""Recipes: a TOML file a data set says which files make which split, and which labelmap and score
belong to it. Data, not code; ``datasets/voc0712.toml`` is a short one to read first.

Its keys are the fields of :class:`Recipe`, :class:`SplitRecipe` and :class:`Download`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.paths import is_below, is_plain_name
from ssd_data.core.files.plain_toml import read_toml
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.core.files.typed import typed
from ssd_data.data import formats

MAX_BYTES = 1 << 20
_PACKAGE = Path(__file__).resolve().parent.parent
SourceTable: TypeAlias = dict[str, Any]


class SplitRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One split.

    Attributes:
        shuffle: whether its records are.
        sources: read one after the other, each what its format's ``Source`` says; a list in place
            of a value stands for alternatives: the first path that is there.
        choices: several such lists instead, of which the first that is there is taken.
    """

    shuffle: bool = False
    sources: tuple[SourceTable, ...] = ()
    choices: tuple[tuple[SourceTable, ...], ...] = ()


class Download(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One archive that a data set is published as.

    Attributes:
        urls: the same file at several addresses, tried in order.
        name: the file's; left out, the last part of the first address.
        bytes: how many it has. sha256, md5: in hexadecimal digits; neither where none is known.
        page: where a person gets it; ``urls`` may then be left out.
        into: the folder to unpack into.
        splits: those that need it; left out, all.
    """

    urls: tuple[str, ...] = ()
    name: str = ""
    bytes: int
    sha256: str = ""
    md5: str = ""
    page: str = ""
    into: str = "."
    splits: tuple[str, ...] = ()


class RecipeKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a recipe file says.

    Attributes:
        labelmap: a shipped one's name, or a path from the recipe; left out, the classes come from
            the data.
        name: names the out folder and the LMDBs; left out, the file's.
        format: a folder of ``ssd_data.data.formats``.
        splits: by their names.
        metric: the score that belongs to it.
        home: where the data set is to be had.
        folders: what its folder is often called.
        links: link name to the splits of which the first that exists is meant.
        map: old class name to new, empty to drop.
        downloads: the archives that it is published as.
    """

    labelmap: Path | None = None
    name: str = ""
    format: str
    splits: Mapping[str, SplitRecipe]
    metric: str = ""
    home: str = ""
    folders: tuple[str, ...] = ()
    links: Mapping[str, tuple[str, ...]] = {}
    map: Mapping[str, str] = {}
    downloads: tuple[Download, ...] = ()


class Recipe(RecipeKeys, frozen=True, kw_only=True):
    """A data set's recipe: what its file says, and as ``origin`` which file that is."""

    origin: str


def shipped(folder: str) -> Path:
    """The shipped folder ``datasets`` or ``labelmaps``: in a wheel inside the package, else beside
    it."""
    inside = _PACKAGE / folder
    return inside if is_folder(inside) else _PACKAGE.parent / folder


def names() -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(path.stem for path in shipped("datasets").glob("*.toml"))


def load(name: str) -> Recipe:
    """A shipped recipe by name, or a recipe file by path (``my.toml``).

    Raises:
        UsageError: there is no such recipe.
        InputError: the file is no recipe.
    """
    path = as_path(name) if name.endswith(".toml") else shipped("datasets") / f"{name}.toml"
    if not is_file(path):
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
    _, table = read_toml(path, "recipe", MAX_BYTES)
    keys = _keys(table, str(path))
    labelmap = keys.labelmap and str(keys.labelmap)
    recipe = Recipe(
        **{
            **msgspec.structs.asdict(keys),
            "name": keys.name or path.stem,
            "labelmap": _labelmap(path, labelmap) if labelmap else None,
            "origin": str(path),
        }
    )
    if not is_plain_name(recipe.name) or not (labelmap or " ").isprintable():
        raise InputError(
            f"{recipe.name!r} cannot name a folder, or a labelmap", where=f"{path}: name"
        )
    _check_sources(recipe)
    _check_links(recipe)
    _check_downloads(recipe)
    return recipe


def _keys(table: dict[str, Any], origin: str) -> RecipeKeys:
    """The file's table, its inner ones first: so that an error names the split or download."""
    splits, links, downloads = (table.get(key) for key in ("splits", "links", "downloads"))
    if isinstance(splits, dict):
        table["splits"] = {n: _split(s, n, f"{origin}: splits.{n}") for n, s in splits.items()}
    if isinstance(links, dict):
        table["links"] = {n: s if isinstance(s, list) else [s] for n, s in links.items()}
    if isinstance(downloads, list):
        numbered = enumerate(downloads, 1)
        table["downloads"] = [_download(d, f"{origin}: downloads {n}") for n, d in numbered]
    keys = typed(table, RecipeKeys, origin)
    if not keys.splits:
        raise InputError("a recipe has at least one split", where=f"{origin}: splits")
    return keys


def _split(table: object, name: str, where: str) -> SplitRecipe:
    if not isinstance(table, dict):
        raise InputError("a split is a table", where=where)
    if not is_plain_name(name):
        raise InputError(f"{name!r} cannot name a file", where=where)
    split = typed(table, SplitRecipe, where)
    if split.sources and not split.choices:
        split = msgspec.structs.replace(split, choices=(split.sources,))
    if not split.choices or not all(split.choices):
        raise InputError("sources is a list of tables, choices a list of such lists", where=where)
    return split


def _download(table: object, where: str) -> Download:
    if not isinstance(table, dict):
        raise InputError("a download is a table", where=where)
    one = typed(table, Download, where)
    last = unquote(one.urls[0].partition("?")[0].rpartition("/")[2]) if one.urls else ""
    digests = {"sha256": one.sha256.lower(), "md5": one.md5.lower()}
    return msgspec.structs.replace(one, name=one.name or last, **digests)


def _labelmap(path: Path, name: str) -> Path:
    beside, ours = path.parent / name, shipped("labelmaps") / name
    return ours if is_file(ours) and not is_file(beside) else beside


def alternatives(value: object) -> list[Any]:
    """What a source's key may stand for: the values of a list, else the one."""
    return (value or [""]) if isinstance(value, list) else [value]


def _check_sources(recipe: Recipe) -> None:
    """Each source says what its format asks for, with any of its alternatives."""
    source = formats.load(recipe.format).source
    known = {field.encode_name: field for field in msgspec.structs.fields(source)}
    for name, split in recipe.splits.items():
        where = f"{recipe.origin}: splits.{name}"
        for table in (table for choice in split.choices for table in choice):
            if missing := [k for k, f in known.items() if f.required and k not in table]:
                raise InputError(f'a source lacks "{missing[0]}"', where=where)
            for key, value in table.items():
                if key not in known:
                    hint = f"A source of {recipe.format} has {', '.join(known)}"
                    raise InputError(f'a source has no "{key}"', where=where, hint=hint)
                if not all(_is_value(one, known[key].type) for one in alternatives(value)):
                    raise InputError(f'"{key}" is no path or list of paths', where=where)


def _is_value(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return not isinstance(value, str) or value.isprintable()


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
