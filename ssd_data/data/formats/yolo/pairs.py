"""The pictures of a source and the txt of each: of a folder, or of a list of paths."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from posixpath import normpath
from unicodedata import normalize
from urllib.parse import unquote

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_text
from ssd_data.core.files.near import folded
from ssd_data.core.files.paths import is_below, listable
from ssd_data.core.files.there import is_file
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Unreadable
from ssd_data.data.formats.pictures import (
    Named,
    Pictures,
    has_picture_ending,
    stem_of,
)
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree, joined
from ssd_data.data.formats.yolo.names import FILES
from ssd_data.data.formats.yolo.places import MOST_PARTS, LabelFolders, Pair, is_here
from ssd_data.data.formats.yolo.schema import YoloSource

MOST_BYTES = 256 << 20
LIST = ".txt"
UNQUOTED = "txt found by its name unquoted, or with its accents joined"
CAPITALS = "txt found by its name in other capitals"
ORPHAN = "txt without a picture"
_NO_LABELS = (
    "a split without any cannot be built: leave it out with --split, or say where they are in a "
    'recipe: sources = [{ images = "…", labels = "…" }]'
)


def pairs(root: Path, source: YoloSource, notes: Tally) -> list[Pair | Unreadable]:
    """The pictures of a source: those of a list in its order, those of a folder by their paths.

    A listed picture that is not there, and one whose txt another picture has as well, is an
    ``Unreadable``.

    Raises:
        InputError: there is no picture, or no picture has a txt.
    """
    if not is_here(root, source.images):
        named = f"{source.names} names it; " if source.names else ""
        raise InputError(
            "no such folder or list here",
            where=listable(source.images),
            hint=f"{named}pictures are looked for below {root}",
        )
    path = root / source.images
    folders = LabelFolders(Tree(root), source.images, source.labels)
    if is_file(path):
        found = list(_listed(root, source.images, folders, notes))
    else:
        found = _in_folder(source, folders, notes)
    there = [one for one in found if isinstance(one, Pair)]
    if not found:
        raise InputError("no pictures here", where=path)
    if there and not any(one.there for one in there):
        raise InputError(
            f"no picture here has a txt: of {listable(there[0].image)} it would be "
            f"{listable(there[0].label)}",
            where=path,
            hint=_NO_LABELS,
        )
    return _refuse_shared(found)


def _in_folder(source: YoloSource, folders: LabelFolders, notes: Tally) -> list[Pair | Unreadable]:
    files = folders.tree.below(source.images)
    pictures = [joined(source.images, name) for name in files if has_picture_ending(name)]
    found = [folders.pair(path) for path in pictures]
    found = _with_unquoted(found, folders)
    if source.first == 0:
        _note_orphans(source, folders, found, notes)
    chosen = set(source.share_of(pictures))
    ours = [one for one in found if one.image in chosen]
    for one in ours:
        if one.how:
            notes.add(one.how, listable(f"{one.image}: {one.label}"))
    return list(ours)


def _with_unquoted(found: list[Pair], folders: LabelFolders) -> list[Pair]:
    """The same; a picture without txt gets the one that nothing else than its spelling parts."""
    if all(one.there for one in found):
        return found
    taken = {one.label for one in found if one.there}
    spare: defaultdict[str, list[str]] = defaultdict(list)
    for folder in {one.label.rpartition("/")[0] for one in found}:
        for stem, name in folders.texts(folder).items():
            if (path := joined(folder, name)) not in taken:
                spare[joined(folder, _plain(stem))].append(path)
    wanted = Counter(_plain(stem_of(one.label)) for one in found if not one.there)
    for at, one in enumerate(found):
        plain = _plain(stem_of(one.label))
        fitting = spare.get(plain, [])
        if not one.there and len(fitting) == wanted[plain] == 1:
            stems = (unquote(stem_of(path)) for path in (one.label, fitting[0]))
            alike = len({normalize("NFC", stem) for stem in stems}) == 1
            found[at] = Pair(one.image, fitting[0], True, UNQUOTED if alike else CAPITALS)
    return found


def _plain(stem: str) -> str:
    return folded(unquote(stem))


def _note_orphans(
    source: YoloSource, folders: LabelFolders, found: Sequence[Pair], notes: Tally
) -> None:
    tree = folders.of("" if source.images == "." else source.images)
    taken = {one.label for one in found}
    for name in folders.tree.below(tree):
        path = joined(tree, name)
        if path not in taken and is_label_name(path):
            notes.add(ORPHAN, listable(path))


def is_label_name(path: str) -> bool:
    """Whether a file may be a picture's txt, by its name alone: no list, names or read-me."""
    name = path.rpartition("/")[2]
    if not name.lower().endswith(LIST) or name.startswith((".", "_")) or name in FILES:
        return False
    return not name.lower().startswith("readme") and not ("/" not in path and role(name[:-4]))


def _listed(
    root: Path, file: str, folders: LabelFolders, notes: Tally
) -> Iterator[Pair | Unreadable]:
    known = Pictures.of(folders.tree)
    seen: set[str] = set()
    for number, line in numbered_lines(root, file):
        where = f"{file}:{number}"
        try:
            named = _find(known, line, file, where)
        except InputError as error:
            yield Unreadable(line, file, error)
            continue
        if named is None:
            text = f"there is no picture {listable(line)}"
            hint = known.spelling_hint(line)
            yield Unreadable(line, file, InputError(text, where=where, hint=hint))
            continue
        if named.how:
            notes.add(f"picture found {named.how}", listable(f"{where}: {line}: {named.path}"))
        if named.path in seen:
            kind = "picture stands more than once in the list"
            notes.add(kind, listable(f"{where}: {named.path}"))
        seen.add(named.path)
        yield folders.pair(named.path)


def listed_pictures(root: Path, file: str, known: Pictures) -> Iterator[tuple[str, str]]:
    """The pictures of a list that are here, each with the line that names it.

    Raises:
        InputError: as :func:`numbered_lines`; or a line may be several pictures.
    """
    for number, line in numbered_lines(root, file):
        where = f"{file}:{number}"
        if (named := _find(known, line, file, where)) is not None:
            yield named.path, where


def numbered_lines(root: Path, file: str) -> Iterator[tuple[int, str]]:
    """The lines of a list that name something, with their numbers.

    Raises:
        InputError: the list is absent, no UTF-8 text or too large.
    """
    text = read_text(root / file, "list of pictures", MOST_BYTES, file)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if (line := line.strip()) and not line.startswith("#"):
            yield number, line


def _find(known: Pictures, line: str, file: str, where: str) -> Named | None:
    """The picture of a list's line: from the list's own folder, the root, or by its end."""
    inside = file.rpartition("/")[0]
    path = normpath(line.replace("\\", "/"))
    for start in dict.fromkeys((inside, "")):
        near = normpath(joined(start, path))
        if is_below(near) and near in known:
            return Named(near)
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for at in range(1, min(len(parts), MOST_PARTS)):
        if (near := "/".join(parts[at:])) in known:
            return Named(near, "without the start of its path")
    return known.find(line, where)


def _refuse_shared(found: list[Pair | Unreadable]) -> list[Pair | Unreadable]:
    """Pictures that differ by their endings only would both have the boxes of one txt."""
    owners: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for one in found:
        if isinstance(one, Pair) and one.there:
            owners[one.label][one.image] = None
    return [
        _shared(one, list(owners[one.label]))
        if isinstance(one, Pair) and len(owners[one.label]) > 1
        else one
        for one in found
    ]


def _shared(pair: Pair, owners: Sequence[str]) -> Unreadable:
    names = " and ".join(listable(name) for name in owners[:4])
    error = InputError(
        f"this is the txt of {len(owners)} pictures: {names}",
        where=listable(pair.label),
        hint="Remove those that it does not belong to",
    )
    return Unreadable(pair.image, pair.label, error)
