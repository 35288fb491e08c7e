"""A run's snapshots on some pictures of its test LMDB; the cost is bounded by their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.images import in_colour, picture_limits
from ssd_data.core.legible import visible
from ssd_data.core.progress import Track, untracked
from ssd_data.core.structures import Detections, Pixels
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.engines import Engine, load_engine
from ssd_data.evaluation.detect import Frame, detect
from ssd_data.nets.preprocessing import find_preprocessing
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.training.run_folder import SavedModel


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A test picture.

    Attributes:
        key: as stored; name: the same as text.
        record: its boxes. pixels: uint8 (height, width, 3), BGR.
    """

    key: bytes
    name: str
    record: Record
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Pictures of the LMDB that a run is tested on, spread evenly over it.

    Attributes:
        keys: of the pictures. total: how many the LMDB has.
        device: what computes, as for ``ssd-data detect``.
    """

    subject: RunSubject
    lmdb: Path
    keys: tuple[bytes, ...]
    total: int
    device: str | None
    track: Track = untracked

    def pictures(self, keys: Iterable[bytes]) -> Iterator[Shown]:
        """Those of the keys that can be read, one at a time."""
        with LmdbReader(self.lmdb) as reader, picture_limits():
            for key in keys:
                try:
                    record = reader.record(key)
                    pixels = in_colour(record.decode())
                except InputError:
                    continue
                yield Shown(key, visible(record.key), record, pixels)

    def engine(self, weights: SavedModel) -> Engine:
        """The deploy net with a snapshot's weights.

        Raises:
            UsageError: PyTorch is not installed, or has no such device.
            InputError: the net or the snapshot is wrong, or is not there.
        """
        return load_engine("torch", _deploy(self.subject), weights.path, device=self.device)

    def found(self, engine: Engine, shown: Iterable[Shown]) -> Iterator[tuple[Shown, Detections]]:
        """What a net finds in each picture."""
        prepare = find_preprocessing(_deploy(self.subject)).fitted(engine.graph)
        waiting: list[Shown] = []

        def frames() -> Iterator[Frame]:
            for one in shown:
                waiting.append(one)
                seen = one.record.decode(gray=True) if prepare.gray else one.pixels
                yield Frame(one.name, seen)

        for frame in detect(engine, frames(), prepare):
            if frame.found is not None:
                yield waiting.pop(0), frame.found


def open_trial(
    subject: RunSubject,
    count: int,
    device: str | None = None,
    track: Track = untracked,
) -> Trial:
    """Choose the pictures.

    Raises:
        InputError: there is no test net, or its LMDB is not there.
    """
    if subject.test is None:
        raise InputError("the test net is not there")
    source = subject.data_layer(subject.test, "TEST").param.data_param.source
    lmdb = subject.find_lmdb(source)
    with LmdbReader(lmdb) as reader:
        keys = reader.keys()
    chosen = sorted({i * len(keys) // count for i in range(count)}) if keys else []
    return Trial(subject, lmdb, tuple(keys[i] for i in chosen), len(keys), device, track)


def _deploy(subject: RunSubject) -> Path:
    if subject.deploy is None:
        raise InputError("there is no deploy.prototxt in the run's folder")
    return subject.deploy
