"""ImageData: labelled pictures from files that a list names (``image_data_param``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from ssd_data.batches.classifier import as_planes
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.images import read_picture, resize
from ssd_data.engines.torch.labelled import Labelled, LabelledPictures

MOST_LABEL = (1 << 31) - 1
_LABEL = re.compile(r"-?\d{1,10}", re.ASCII)


class ImageData(LabelledPictures):
    """Pictures in the list's order or, with ``shuffle``, in a new one each time round.

    Each line of ``source`` has a path, a space and a label; the path is put behind ``root_folder``
    letter by letter, so that a folder needs its slash. Empty lines are passed over.
    """

    def setup(self, *bottoms: Tensor) -> None:
        """Read the list, then as for all labelled pictures."""
        p = self.param.image_data_param
        if bool(p.new_height) != bool(p.new_width):
            raise self.error("new_height and new_width go together: one of them is 0")
        self.size = (p.new_width, p.new_height) if p.new_width else None
        self.lines = read_list(p.source)
        super().setup(*bottoms)

    def batch_size(self) -> int:
        """``batch_size``, 1 unless given."""
        return self.param.image_data_param.batch_size

    def records(self, start: int) -> Iterator[Labelled]:
        """All of the list, again and again, without the first ``start``.

        Raises:
            InputError: a picture is absent or broken, with the list and the line.
        """
        p, count = self.param.image_data_param, len(self.lines)
        skip = self.skipped(p.rand_skip)
        if skip >= count:
            raise self.error(f"rand_skip passes over {skip} of {count} pictures")
        time, first = divmod(skip + start, count)
        while True:
            order = self.shuffled(count, time) if p.shuffle else range(count)
            for index in order[first:]:
                number, path, label = self.lines[index]
                yield self._record(path, label, f"{p.source}:{number}")
            time, first = time + 1, 0

    def _record(self, path: str, label: int, where: str) -> Labelled:
        p = self.param.image_data_param
        file = p.root_folder + path
        picture = read_picture(file, where, f"picture {file}", gray=not p.is_color)
        return Labelled(as_planes(resize(picture, self.size, where)), label, where)


def read_list(source: str) -> list[tuple[int, str, int]]:
    """A list file's entries: line number, path and label.

    Raises:
        InputError: the list is absent or empty, or a line has no label.
    """
    entries = []
    for number, line in enumerate(read_lines(Path(source), "list"), start=1):
        if not line.strip():
            continue
        path, _, label = line.rstrip().rpartition(" ")
        if not path or not _LABEL.fullmatch(label) or int(label) > MOST_LABEL:
            raise InputError(
                f'"{line}" is not a path, a space and a label', where=f"{source}:{number}"
            )
        entries.append((number, path, int(label)))
    if not entries:
        raise InputError("the list is empty", where=source)
    return entries
