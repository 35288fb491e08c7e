"""Which picture a JSON of LabelMe's is about."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from functools import cached_property
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.data.formats.foldernames import is_kind
from ssd_data.data.formats.pictures import Named, Pictures, stem_of

BY_NAME = "by the JSON's own name (its imagePath is not here)"


class PicturesOfJson:
    """The pictures of a data set, as JSON files of the same folders name them."""

    def __init__(self, root: Path) -> None:
        self.pictures = Pictures.below(root)

    def find(self, name: str, stated: str) -> Named | None:
        """The picture of a JSON; None where it is not here.

        ``imagePath`` counts from the JSON; where pictures lie in a folder of their own, from the
        one that mirrors the JSON's. Else the picture that is called as the JSON is, else the one
        picture at the end of whose path ``imagePath`` stands.

        Args:
            name: the JSON below the root. stated: its ``imagePath``, empty where there is none.

        Raises:
            InputError: several fit, or one is called as the JSON and another as it states.
        """
        stated = stated.replace("\\", "/")
        called = self.called(name, stated)
        given = self._given(name, stated) if stated else None
        if called and given and called != given:
            raise InputError(
                f"its imagePath is {given}, but it is called as {called}",
                where=name,
                hint="Rename the JSON after its picture, or mend its imagePath",
            )
        if found := given or called:
            same = not stated or posixpath.basename(stated) == posixpath.basename(found)
            return Named(found, "" if same else BY_NAME)
        return self.pictures.find(stated, name) if stated else None

    def _given(self, name: str, stated: str) -> str | None:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), stated))
        if beside in self.pictures:
            return beside
        found = self._by_bare_name.get(_bare(beside), [])
        return found[0] if len(found) == 1 else None

    def called(self, name: str, stated: str = "") -> str | None:
        """The picture that is called as a JSON is.

        Raises:
            InputError: several differ by their endings only, and ``stated`` is none.
        """
        stem = stem_of(name)
        if self.pictures.by_stem.get(stem):
            return self.pictures.of_stem(stem, stated, name)
        found = self._by_bare_stem.get(_bare(stem), [])
        return found[0] if len(found) == 1 else None

    @cached_property
    def _by_bare_name(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.pictures.paths:
            found[_bare(path)].append(path)
        return found

    @cached_property
    def _by_bare_stem(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.pictures.paths:
            found[_bare(stem_of(path))].append(path)
        return found


def _bare(path: str) -> str:
    """A path without the folders that say a kind of file: ``labels/train/a`` is ``train/a``."""
    *folders, name = path.split("/")
    return "/".join([*(one for one in folders if not is_kind(one)), name])
