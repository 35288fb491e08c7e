"""Which picture file each image of a JSON is, and which of them are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import names_in
from ssd_data.core.files.paths import listable, require_below
from ssd_data.core.notes import Tally
from ssd_data.data.formats.coco.loose import TextIds
from ssd_data.data.formats.coco.places import has_file, has_folder
from ssd_data.data.formats.coco.schema import CocoImage
from ssd_data.data.formats.pictures import Named, Pictures

TWICE = "picture listed under several image ids (their boxes are united)"
NOT_LISTED = "picture that the JSON does not list (left out)"


class ListedImage(msgspec.Struct, gc=False):
    """A picture of a JSON.

    Attributes:
        path: below the root.
        image: what the JSON says of it.
        again: the same where its file stands under several ids.
        how: in which way other than its very path it is named.
        error: why there is no such picture.
    """

    path: str
    image: CocoImage
    how: str = ""
    error: InputError | None = None
    again: tuple[CocoImage, ...] = ()


@dataclass
class PictureFinder:
    """Finds a JSON's pictures below a folder of the root.

    Attributes:
        root, folder: of the data set, and the pictures' below it (empty for the root itself).
        name: of the JSON, for errors and notes.
        ids: which of its images' ids are texts.
        exact: whether any picture lies where the JSON says.
    """

    root: Path
    folder: str
    name: str
    notes: Tally
    ids: TextIds
    exact: bool = False

    @cached_property
    def pictures(self) -> Pictures:
        """All that lie there; not looked through where the JSON's are found without."""
        return Pictures.below(self.root / self.folder)

    def all(self, images: list[CocoImage]) -> list[ListedImage]:
        """The pictures in the order of their first image, each once."""
        known = self._here
        if not all(image.file_name in known for image in images):
            known = frozenset(self.pictures.paths)
        self.exact = any(image.file_name in known for image in images)
        start = f"{self.folder}/" if self.folder else ""
        listed = [
            ListedImage(start + image.file_name, image)
            if image.file_name in known
            else self._find(image)
            for image in images
        ]
        if len({one.path for one in listed}) == len(listed):
            return listed
        groups: dict[str, list[ListedImage]] = {}
        for one in listed:
            groups.setdefault(one.path, []).append(one)
        return [one for group in groups.values() for one in self._united(group)]

    @cached_property
    def _here(self) -> frozenset[str]:
        """The names of all that lies directly in the folder."""
        return frozenset(names_in(self.root / self.folder))

    def not_listed(self, listed: list[ListedImage]) -> None:
        """Count the folder's other pictures."""
        if {one.image.file_name for one in listed} >= self._here:
            return
        paths = {one.path for one in listed}
        for path in map(self._place, self.pictures.paths):
            if path not in paths:
                self.notes.add(NOT_LISTED, path)

    def _id(self, image: CocoImage) -> str:
        return self.ids.text(image.id) or str(image.id)

    def _place(self, path: str) -> str:
        return f"{self.folder}/{path}" if self.folder else path

    def _find(self, image: CocoImage) -> ListedImage:
        where = f"{self.name}: image {self._id(image)}"
        path = self._place(image.file_name)
        try:
            if named := self._named(image.file_name, where):
                return ListedImage(self._place(named.path), image, named.how)
            plain = image.file_name.replace("\\", "/").removeprefix("./")
            if has_file(self.root, plain):
                return ListedImage(plain, image)
            require_below(self.root, path, where)
        except InputError as error:
            return ListedImage(path, image, error=error)
        return ListedImage(path, image)

    def _named(self, text: str, where: str) -> Named | None:
        """The picture that is meant; none where one as far off is more likely another's.

        So where the folder that is stated is here, but not the picture; and where others lie just
        where they are stated to be, but this one deeper.
        """
        named = self.pictures.find(text, where)
        if named is None or "end of its path" not in named.how:
            return named
        plain = _plain(text)
        folder = plain.rpartition("/")[0]
        here = any(has_folder(base, folder) for base in (self.pictures.folder, self.root))
        deeper = named.path.endswith(f"/{plain}")
        return None if here or (self.exact and deeper) else named

    def _united(self, group: list[ListedImage]) -> Iterator[ListedImage]:
        """What leads to one path: the same picture, or names of which all but one are guessed."""
        texts = {_plain(one.image.file_name) for one in group}
        if len(texts) > 1:
            for one in group:
                if one.how:
                    one.error = self._clash(one, group)
        sound = [one for one in group if one.error is None]
        if len(sound) > 1:
            sound[0].again = tuple(one.image for one in sound[1:])
            ids = ", ".join(self._id(one.image) for one in sound)
            self.notes.add(TWICE, f"{self.name}: {sound[0].path}: {ids}")
        for one in group:
            if one.error is not None:
                yield one
        yield from sound[:1]

    def _clash(self, one: ListedImage, group: list[ListedImage]) -> InputError:
        mine = one.image.file_name
        other = next(o.image.file_name for o in group if o.image.file_name != mine)
        return InputError(
            f'"{listable(mine)}" and "{listable(other)}" both lead to {one.path}',
            where=f"{self.name}: image {self._id(one.image)}",
            hint="One of the pictures is missing, or lies in another folder",
        )


def _plain(name: str) -> str:
    return unquote(name.replace("\\", "/")).removeprefix("./")
