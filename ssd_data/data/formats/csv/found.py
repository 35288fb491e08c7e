"""The pictures of a CSV's cells."""

from __future__ import annotations

from array import array

from ssd_data.core.errors import InputError
from ssd_data.data.formats.csv.table import CsvTable, two_splits
from ssd_data.data.formats.indexes import ListedFinder


class FoundPictures:
    """The pictures of a table.

    Attributes:
        paths: below the root, in the order of their first rows; the name where it is not here.
        absent: those that are not here, by their index in ``paths``.
    """

    def __init__(self, table: CsvTable, finder: ListedFinder) -> None:
        self.paths: list[str] = []
        self.absent: set[int] = set()
        self._table, self._finder = table, finder
        self._first = array("i")
        self._more: dict[int, list[int]] = {}
        at: dict[str, int] = {}
        for picture, name in enumerate(table.pictures):
            path = self._path(picture, name)
            index = at.get(path)
            if index is None:
                at[path] = len(self.paths)
                self.paths.append(path)
                self._first.append(picture)
            else:
                self._require_same(self._first[index], picture, path)
                self._more.setdefault(index, []).append(picture)

    def members(self, index: int) -> list[int]:
        """The pictures of the table that one is: several where it is named in several ways."""
        return [self._first[index], *self._more.get(index, [])]

    def split(self, index: int) -> str:
        """What the column of splits says of it."""
        return self._table.splits[self._first[index]]

    def where(self, picture: int) -> str:
        """The line of the first row of a picture of the table."""
        return f"{self._table.name}:{self._table.first[picture]}"

    def missing(self, index: int) -> InputError:
        """That a picture is not here."""
        return self._finder.absent(self.paths[index], self.where(self._first[index]))

    def _path(self, picture: int, name: str) -> str:
        where = self.where(picture)
        try:
            found = self._finder.find(name, where)
        except InputError as error:
            self._table.errors.setdefault(picture, error)
            return name
        if found is None:
            self.absent.add(len(self.paths))
            return name
        if found.how:
            self._table.notes[picture].add(f"picture found {found.how}", f"{where}: {name}")
        return found.path

    def _require_same(self, one: int, other: int, path: str) -> None:
        splits = self._table.splits
        if splits and splits[one] != splits[other]:
            raise two_splits(
                path, splits[other], splits[one], self._table.first[one], self.where(other)
            )
