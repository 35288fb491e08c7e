"""Picture files of a folder, and the one that an annotation's text names.

A folder holds more than pictures: annotations beside them, what macOS, Windows, editors and
notebooks leave. Names come as tools write them: quoted for a URL, with backslashes, absolute, with
a prefix, without an ending.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from ssd_data.core.errors import InputError
from ssd_data.core.files.near import by_fold, spelling_hint
from ssd_data.core.files.paths import listable
from ssd_data.data.formats.tree import Tree

# What OpenCV or Pillow reads; which of them a file is, its first bytes say.
_JPEG, _NETPBM = ("jpg", "jpeg", "jpe", "jfif", "jif"), ("ppm", "pgm", "pbm", "pnm", "pam", "pfm")
_OTHER = ("png", "bmp", "dib", "webp", "tif", "tiff", "gif", "jp2", "sr", "ras", "avif", "heic")
ENDINGS = frozenset((*_JPEG, *_NETPBM, *_OTHER, "heif", "hdr", "exr"))


def has_picture_ending(name: str) -> bool:
    """Whether a file's name ends as a picture's does, in any case.

    >>> has_picture_ending("IMG_1.JFIF"), has_picture_ending("IMG_1.JPG_original")
    (True, False)
    """
    stem, _, ending = name.rpartition("/")[2].rpartition(".")
    return bool(stem) and ending.lower() in ENDINGS


def files_below(folder: Path) -> list[str]:
    """All files of a folder and its subfolders, see :meth:`Tree.below`."""
    return list(Tree(folder).below())


def stem_of(path: str) -> str:
    """A path without its ending, the folders kept.

    >>> stem_of("a/b.v2.jpg"), stem_of("a.b/c")
    ('a/b.v2', 'a.b/c')
    """
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def owner_of(path: str) -> str:
    """The path of the picture that an annotation is of, without ending.

    >>> owner_of("a/b.xml"), owner_of("a/b.jpg.xml"), owner_of("a/b.v2.xml")
    ('a/b', 'a/b', 'a/b.v2')
    """
    stem = stem_of(path)
    return stem_of(stem) if has_picture_ending(stem) else stem


class _SortedPaths:
    """Which paths there are, looked up where they lie: of millions a set takes as much again."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths if all(a <= b for a, b in pairwise(paths)) else sorted(paths)

    def __contains__(self, path: str) -> bool:
        at = bisect_left(self.paths, path)
        return at < len(self.paths) and self.paths[at] == path


class _Stems(Mapping[str, list[str]]):
    """Paths by their paths without ending, of which there are few kinds."""

    def __init__(self, known: _SortedPaths) -> None:
        self._known = known
        self._endings = sorted({path[len(stem_of(path)) :] for path in known.paths})

    def __getitem__(self, stem: str) -> list[str]:
        found = [stem + ending for ending in self._endings if stem + ending in self._known]
        if found := [path for path in found if stem_of(path) == stem]:
            return found
        raise KeyError(stem)

    def __iter__(self) -> Iterator[str]:
        for path in self._known.paths:
            if self[stem := stem_of(path)][0] == path:
                yield stem

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Pictures:
    """The picture files below a folder.

    >>> found = Pictures.below(Path("sample/voc/JPEGImages"))
    >>> found.find("C:\\\\photos\\\\test000001.jpg", "an.xml:3").path
    'test000001.jpg'

    Attributes:
        folder: where they lie.
        paths: below the folder, with ``/``, sorted.
    """

    folder: Path
    paths: Sequence[str]

    @classmethod
    def below(cls, folder: Path) -> Pictures:
        """Those of a folder and its subfolders; none where it is not there."""
        return cls.of(Tree(folder))

    @classmethod
    def of(cls, tree: Tree, folder: str = "") -> Pictures:
        """Those below a folder of a tree."""
        paths = [path for path in tree.below(folder) if has_picture_ending(path)]
        return cls(tree.path(folder), paths)

    @cached_property
    def by_stem(self) -> Mapping[str, list[str]]:
        """The paths by their path without ending; several where pictures differ by it only."""
        return _Stems(self._known)

    def __contains__(self, path: str) -> bool:
        return path in self._known

    @cached_property
    def _known(self) -> _SortedPaths:
        return _SortedPaths(self.paths)

    @cached_property
    def _backwards(self) -> list[str]:
        """The paths with their last part first, sorted: those of one end stand together."""
        return sorted(map(_backwards, self.paths))

    @cached_property
    def _by_plain_stem(self) -> dict[str, list[str]]:
        return _grouped((stem_of(path.rpartition("/")[2]), path) for path in self.paths)

    def of_stem(self, stem: str, stated: str = "", where: object = "") -> str | None:
        """The picture of a path without ending; None where there is none.

        Args:
            stated: the name that the annotation gives it; decides where there are several.
            where: the annotation, for the error.

        Raises:
            InputError: several pictures differ by their endings only, and ``stated`` is none.
        """
        found = self.by_stem.get(stem, [])
        if len(found) > 1:
            name = stated.replace("\\", "/").rpartition("/")[2]
            named = [path for path in found if path.rpartition("/")[2] == name]
            if len(named) != 1:
                raise _several(stem, found, where)
            return named[0]
        return found[0] if found else None

    def find(self, named: str, where: object = "") -> Named | None:
        """The picture that an annotation names; None where there is none.

        Tried in this order: the path as it is; with ``\\`` as ``/`` and ``./`` dropped; with
        ``%20`` and the like unquoted once; the longest end of the path that one picture has alone;
        the name without ending, where none is given.

        Raises:
            InputError: two or more pictures fit alike.
        """
        if named in self._known:
            return Named(named)
        plain = named.replace("\\", "/").removeprefix("./")
        for text, how in ((plain, "other slashes"), (unquote(plain), "unquoted")):
            if text in self._known:
                return Named(text, how)
        for text in dict.fromkeys((plain, unquote(plain))):
            if found := self._by_tail(text, named, where):
                return found
        if has_picture_ending(plain):
            return None
        return self._by_bare_name(plain, named, where)

    def spelling_hint(self, named: str) -> str:
        """What to say of a name that is none, where one differs in capitals or accents only."""
        plain = named.replace("\\", "/").removeprefix("./")
        names = (plain, plain.rpartition("/")[2])
        hints = (spelling_hint(name, self._folded) for name in names)
        return next(filter(None, hints), "")

    @cached_property
    def _folded(self) -> dict[str, str]:
        """The paths, and what stands in lists for them, by what names like them have in common."""
        stems = map(stem_of, self.paths)
        own = [path.rpartition("/")[2] for path in self.paths]
        return by_fold((*map(stem_of, own), *own, *stems, *self.paths))

    def _by_tail(self, text: str, named: str, where: object) -> Named | None:
        parts = [part for part in text.split("/") if part not in ("", ".", "..")]
        if not parts or len(parts) > 100:
            return None
        for count in range(len(parts), 0, -1):
            start = _backwards("/".join(parts[-count:]))
            first = bisect_left(self._backwards, start)
            last = bisect_left(self._backwards, f"{start}\U0010ffff")
            if last > first + 1:
                raise _several(named, [_backwards(p) for p in self._backwards[first:last]], where)
            if last > first:
                return Named(_backwards(self._backwards[first]), "by the end of its path")
        return None

    def _by_bare_name(self, plain: str, named: str, where: object) -> Named | None:
        found = self.by_stem.get(plain) or self._by_plain_stem.get(plain.rpartition("/")[2], [])
        if len(found) > 1:
            raise _several(named, found, where)
        return Named(found[0], "without its ending") if found else None


def _backwards(path: str) -> str:
    """A path with its last part first and a ``/`` behind each; and the way back."""
    if path.endswith("/"):
        return "/".join(reversed(path[:-1].split("/")))
    return "/".join(reversed(path.split("/"))) + "/"


@dataclass(frozen=True, slots=True)
class Named:
    """A picture that was named.

    Attributes:
        path: below the folder.
        how: in which way other than as it stands there; empty where it is the very path.
    """

    path: str
    how: str = field(default="")


def _several(named: str, found: Sequence[str], where: object) -> InputError:
    shown = ", ".join(found[:4]) + (" …" if len(found) > 4 else "")
    return InputError(
        f'"{listable(named)}" may be {len(found)} pictures: {listable(shown)}',
        where=where,
        hint="Name the picture with its ending and folder, or remove the others",
    )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, path in pairs:
        groups[key].append(path)
    return dict(groups)
