"""DetectionOutput's ``save_output_param``: a test's detections as files that VOC's, COCO's and
ILSVRC's tools read, with the numbers of ``src/caffe/layers/detection_output_layer.cpp``.

They appear whole once ``num_test_image`` pictures were seen, and anew after as many more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment.resize import extent
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import is_plain_name
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_there
from ssd_data.core.files.together import write_together
from ssd_data.core.labelmap import read_labelmap
from ssd_data.data.lmdb.companions import read_name_sizes
from ssd_data.proto import caffe_pb2

FORMATS = ("VOC", "COCO", "ILSVRC")
Rows = npt.NDArray[np.float32]
_One, _None = np.float32(1), np.float32(0)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)")
_LONGEST = 1 << 24  # pixels: as far as float32 counts
_HINT = "Take save_output_param out, or write what is there; ssd-data build makes both files"


def wants_files(param: caffe_pb2.DetectionOutputParameter) -> bool:
    """Whether the original would write any: for each of the three fields that it needs is set, and
    the format is one that it knows."""
    p = param.save_output_param
    return bool(p.output_directory and p.label_map_file and p.name_size_file) and (
        p.output_format in FORMATS
    )


class Saver:
    """Collects a test's detections and writes them.

    Args:
        param: one for which :func:`wants_files` holds.
        where: names the layer in errors.
        position: how many pictures of the test set were seen before.

    Attributes:
        seen: pictures since the files were written. wanted: how many it takes to write them.
        files: those that were written last.

    Raises:
        InputError: the labelmap or the list of names and sizes is missing or does not fit, or a
            file could not be named so.
    """

    def __init__(
        self, param: caffe_pb2.DetectionOutputParameter, where: str = "", position: int = 0
    ) -> None:
        p = param.save_output_param
        self.folder = Path(p.output_directory)
        self.prefix, self.format = p.output_name_prefix, p.output_format
        self.resize = p.resize_param if p.HasField("resize_param") else None
        if self.resize is not None and not (self.resize.width and self.resize.height):
            raise InputError("the resize_param in save_output_param has no size", where=where)
        names = _class_names(as_path(p.label_map_file), where)
        others = [n for n in range(param.num_classes) if n != param.background_label_id]
        if missing := [label for label in others if label not in names]:
            what = f"{p.label_map_file} lacks label {missing[0]}, which the layer detects"
            raise InputError(what, where=where, hint="Is it another data set's?")
        self.names = {label: names[label] for label in others}
        self._require_plain_names(where)
        listed = _sizes(as_path(p.name_size_file), where)
        self.pictures = [name for name, _ in listed]
        self.sizes = np.array([size for _, size in listed], np.float32).reshape(-1, 2)
        self.wanted = p.num_test_image if p.HasField("num_test_image") else len(listed)
        if not 0 < self.wanted <= len(listed):
            what = f"num_test_image is {self.wanted}, {p.name_size_file} has {len(listed)} lines"
            raise InputError(what, where=where)
        self.seen = position % self.wanted
        self.files: list[Path] = []
        self._found: list[tuple[int, Rows]] = []

    def _require_plain_names(self, where: str) -> None:
        for name in self._file_names().values():
            if not is_plain_name(name):
                what = f'detections cannot lie in a file called "{ascii(name)[1:-1]}"'
                hint = "See output_name_prefix, and the labelmap's names"
                raise InputError(what, where=where, hint=hint)

    def _file_names(self) -> dict[int, str]:
        """Label → its file; all in one but for VOC."""
        if self.format == "VOC":
            return {label: f"{self.prefix}{name}.txt" for label, name in self.names.items()}
        return {0: self.prefix + (".json" if self.format == "COCO" else ".txt")}

    def __call__(self, rows: Rows, pictures: int) -> None:
        """Take what was found in a batch.

        Args:
            rows: float32 (N, 7): picture of the batch, label, score, box as fractions; by picture.
            pictures: how many the batch has.

        Raises:
            OutputError: they cannot be written; none is, then.
        """
        for i in range(pictures):
            mine = rows[(rows[:, 0] == i) & (rows[:, 1] >= 0)]
            self._found.append((self.seen, mine))
            self.seen += 1
            if self.seen == self.wanted:
                self._write()
                self.seen = 0
                self._found.clear()

    def _write(self) -> None:
        contents: dict[str, list[str]] = {name: [] for name in self._file_names().values()}
        if self.format == "COCO":
            (name,) = contents
            entries = [text for index, rows in self._found for text in self._entries(index, rows)]
            contents[name] = ["[\n", ",\n".join(entries), "\n    \n]\n"] if entries else ["[]\n"]
        else:
            for index, rows in self._found:
                self._add_lines(contents, index, rows)
        files = {name: "".join(lines).encode() for name, lines in contents.items()}
        write_together(self.folder, files, redo=True)
        self.files = [self.folder / name for name in files]

    def _add_lines(self, contents: dict[str, list[str]], index: int, rows: Rows) -> None:
        """A line a detection, coordinates cut to whole pixels."""
        files = self._file_names()
        whole = self._boxes(index, rows).astype(np.int64)
        whole[:, 2:] += whole[:, :2]
        for row, box in zip(rows.tolist(), whole.tolist(), strict=True):
            label = int(row[1])
            kind = "" if self.format == "VOC" else f" {label}"
            text = f"{self.pictures[index]}{kind} {row[2]:.6g} {' '.join(map(str, box))}\n"
            contents[files.get(label, files.get(0, ""))].append(text)

    def _entries(self, index: int, rows: Rows) -> Iterator[str]:
        """An object a detection, laid out as Boost's property tree does."""
        image = _json(self.pictures[index])
        for row, box in zip(rows.tolist(), self._boxes(index, rows).tolist(), strict=True):
            sides = ",\n".join(f"{' ' * 16}{value:.9g}" for value in box)
            yield (
                f'        {{\n            "image_id": {image},\n'
                f'            "category_id": {_json(self.names[int(row[1])])},\n'
                f'            "bbox": [\n{sides}\n            ],\n'
                f'            "score": {row[2]:.9g}\n        }}'
            )

    def _boxes(self, index: int, rows: Rows) -> Rows:
        """xmin, ymin, width, height in pixels, to two decimals, float32 (N, 4)."""
        corners = in_pixels(rows[:, 3:], self.sizes[index], self.resize)
        corners[:, 2:] -= corners[:, :2]
        hundredfold = (corners * np.float32(100)).astype(np.float64)
        return (np.trunc(hundredfold + np.copysign(0.5, hundredfold)) / 100).astype(np.float32)


def in_pixels(boxes: Rows, size: Rows, resize: caffe_pb2.ResizeParameter | None) -> Rows:
    """Corners in pixels of the picture as it was (``OutputBBox`` in ``bbox_util.cpp``).

    Args:
        boxes: fractions of the net's input, float32 (N, 4). size: width, height, float32 (2,).
        resize: how the picture became the input; None for a picture that fills it.
    """
    scale = np.tile(size, 2)
    if resize is None or resize.resize_mode == resize.WARP:
        return np.clip(boxes, _None, _One) * scale
    if resize.resize_mode == resize.FIT_LARGE_SIZE_AND_PAD:
        return np.clip(_without_padding(boxes, size, resize), _None, _One) * scale
    if resize.width_scale and resize.height_scale:
        wide, high = np.float32(resize.width_scale), np.float32(resize.height_scale)
        return np.clip(boxes * np.array([wide, high] * 2, np.float32), _None, scale)
    return np.clip(boxes, _None, _One) * scale


def _without_padding(boxes: Rows, size: Rows, resize: caffe_pb2.ResizeParameter) -> Rows:
    """As fractions of what the picture takes of the input; a box in the padding stays as it is."""
    wide, high, across, down = extent(resize, *size.tolist())
    first = np.array([across / wide, down / high], np.float32)
    last = (1.0 - first.astype(np.float64)).astype(np.float32)
    moved = (boxes - np.tile(first, 2)) / np.tile(last - first, 2)
    beyond = np.any(boxes[:, :2] >= last, axis=1) | np.any(boxes[:, 2:] <= first, axis=1)
    return np.where(beyond[:, None], boxes, moved)


def _class_names(path: Path, where: str) -> dict[int, str]:
    if not is_there(path):
        raise InputError(f'label_map_file "{path}" is not there', where=where, hint=_HINT)
    labelmap = read_labelmap(path)
    names = {item.label: item.name for item in labelmap}
    if len(names) < len(labelmap):
        raise InputError("a label stands twice in it", where=path)
    return names


def _sizes(path: Path, where: str) -> list[tuple[str, tuple[int, int]]]:
    if not is_there(path):
        raise InputError(f'name_size_file "{path}" is not there', where=where, hint=_HINT)
    listed = read_name_sizes(path)
    for _, size in listed:
        if not 0 < min(size) <= max(size) <= _LONGEST:
            raise InputError(f"a picture has a side of {min(size) and max(size)}", where=path)
    return listed


def _json(text: str) -> str:
    """A number where it is one, as COCO's ids are."""
    if _NUMBER.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=False).replace("/", "\\/")
