"""What a preflight looks for in data layers: LMDBs, pictures, sizes, the two phases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.batches.augment.resize import new_size
from ssd_data.batches.augment.transform import faults
from ssd_data.batches.mix import Share
from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.one_build import Mark, mark_of, require_mark
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb, is_sharded, open_shared
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import read_table
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.sizes import fixed_size
from ssd_data.proto import caffe_pb2
from ssd_data.training.mixing import differing, identity
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.shares import WHERE

ANNOTATED, PLAIN = "AnnotatedData", "Data"
Shape = tuple[int, ...]
_OTHER_DATA = (
    "Was it built anew? Begin again from its weights: --weights {}, with another snapshot_prefix; "
    "or go on with these records: --other-data"
)


@dataclass(slots=True)
class Lmdb:
    """An LMDB that was looked through.

    Attributes:
        reader: keeps it open, for who reads it next.
        size: width and height of the first record's picture.
        mark: tells it from the next build in its place.
        channels: how many of a record → key of the first such record, in their order.
        labels: how many boxes of each; label_keys: the first record with each.
    """

    path: Path
    mark: Mark
    reader: LmdbReader
    size: tuple[int, int]
    channels: dict[int, str]
    labels: dict[int, int]
    label_keys: dict[int, str]

    @property
    def records(self) -> int:
        """How many there are."""
        return len(self.reader)


@dataclass(slots=True)
class Source:
    """A data layer that reads an LMDB; ``path`` where that is there, ``lmdb`` where it is sound."""

    graph: Graph
    node: Node
    path: Path | None = None
    lmdb: Lmdb | None = None


def survey(path: Path) -> Lmdb:
    """Look through all records of an LMDB, not at their pictures.

    Raises:
        InputError: it is none, or a record is no AnnotatedDatum.
    """
    mark = mark_of(path)
    reader = open_shared(path)
    table = read_table(reader)
    keys = [key.decode("utf-8", "backslashreplace") for key in table.keys]
    channels: dict[int, str] = {}
    for key, count in zip(keys, table.channels.tolist(), strict=True):
        channels.setdefault(count, key)
    found, first, counts = np.unique(table.labels, return_index=True, return_counts=True)
    labels, (width, height) = found.tolist(), table.sizes[0].tolist()
    return Lmdb(
        path,
        mark,
        reader,
        (width, height),
        channels,
        dict(zip(labels, counts.tolist(), strict=True)),
        {label: keys[at] for label, at in zip(labels, table.record[first], strict=True)},
    )


def check_sources(
    found: Preflight,
    role: str,
    graph: Graph,
    known: dict[str, Lmdb],
    mix: Sequence[Share] = (),
) -> list[Source]:
    """A net's data layers, each with its LMDB looked through, once each.

    Args:
        mix: what a layer of pictures with boxes reads in the place of its source; then there is a
            :class:`Source` of the layer for each.
    """
    sources = []
    for node in graph.nodes:
        if node.type not in (ANNOTATED, PLAIN):
            continue
        names = [node.param.data_param.source]
        if mix and node.type == ANNOTATED:
            names = [share.source for share in mix]
        for name in names:
            sources.append(Source(graph, node))
            if name:
                _look_through(found, role, sources[-1], name, known)
            else:
                found.error(node.where, "data_param has no source")
    return sources


def _look_through(
    found: Preflight, role: str, source: Source, stated: str, known: dict[str, Lmdb]
) -> None:
    node, param = source.node, source.node.param.data_param
    source.path = path = found.locate(f"{role} data", stated, node.where)
    if path is None:
        return
    if param.backend != param.LMDB and not is_lmdb(path):
        try:
            refuse_stranger(path)
            hint = "Build an LMDB, and say backend: LMDB"
            found.error(node.where, "LevelDBs are not read", hint)
        except InputError as error:
            found.error(f"{node.where}: {error.where}", error.what, error.hint)
        return
    if param.backend != param.LMDB and node.type == ANNOTATED:
        hint = "Say backend: LMDB; where none is said it is LEVELDB"
        found.error(node.where, "the backend is LEVELDB, the source is an LMDB", hint)
    if node.type == ANNOTATED:
        source.lmdb = _survey_once(found, node, path, known)
    for resolved in found.paths:
        if resolved.stated == stated and source.lmdb is not None:
            resolved.records = source.lmdb.records


def _survey_once(found: Preflight, node: Node, path: Path, known: dict[str, Lmdb]) -> Lmdb | None:
    real = str(path.resolve())
    if real not in known:
        try:
            known[real] = survey(path)
            found.readers.append(known[real].reader)
        except InputError as error:
            found.error(f"{node.where}: {error.where}", error.what, error.hint)
            return None
    return known[real]


def check_unchanged(found: Preflight, known: Iterable[Lmdb]) -> None:
    """That what was read beside the LMDBs is of one build with them."""
    for lmdb in known:
        try:
            require_mark(lmdb.path, lmdb.mark)
        except InputError as error:
            found.take(error)


# ---- pictures ----


def check_pictures(found: Preflight, source: Source, engine: str = "torch") -> None:
    """The data layer's fields against one another and against the pictures' channels."""
    node, p = source.node, source.node.param.transform_param
    batch = node.param.data_param.batch_size
    sizing = p.resize_param
    if not batch:
        found.error(node.where, "data_param has no batch_size")
    if engine == "caffe" and source.path is not None and is_sharded(source.path):
        hint = f"Make one LMDB of it, and name that: ssd-data merge {source.path} -o LMDB"
        found.error(node.where, "a real Caffe cannot read a sharded LMDB", hint)
    if p.HasField("mean_file"):
        found.locate("mean", p.mean_file, node.where)
        if p.mean_value:
            found.error(node.where, "mean_file and mean_value are both given", "Keep one")
        if engine != "caffe" and node.type == ANNOTATED:
            found.error(node.where, "a mean_file is not supported", "Give mean_value instead")
    if node.type == ANNOTATED:
        samplers = node.param.annotated_data_param.batch_sampler
        for part, some in ((caffe_pb2.TransformationParameter(), samplers), (p, ())):
            for fault in faults(part, some, node.where):
                found.take(fault)
        if p.HasField("resize_param") and sizing.resize_mode == sizing.FIT_SMALL_SIZE and batch > 1:
            hint = "Pictures differ in size then: take one a batch"
            found.error(node.where, f"FIT_SMALL_SIZE with a batch_size of {batch}", hint)
        if not (p.HasField("resize_param") or p.crop_size or p.crop_h) and batch > 1:
            found.warn(node.where, "no resize_param: all pictures must have one size", "Set one")
    if source.lmdb is not None:
        _check_channels(found, source, source.lmdb)


def _check_channels(found: Preflight, source: Source, lmdb: Lmdb) -> None:
    node, p = source.node, source.node.param.transform_param
    if p.force_color or p.force_gray:
        present = {3 if p.force_color else 1: next(iter(lmdb.channels.values()))}
    else:
        present = lmdb.channels
    if len(present) > 1:
        kinds = " and ".join(f"{n} ({key})" for n, key in sorted(present.items()))
        found.error(
            f"{node.where}: {lmdb.path}",
            f"its pictures have different numbers of channels: {kinds}",
            "Set force_color: true in transform_param, or build it anew",
        )
    means = len(p.mean_value)
    for channels, key in present.items():
        if means > 1 and means != channels:
            found.error(
                node.where,
                f"{means} mean_value for pictures of {channels} channels ({lmdb.path}: {key})",
                "Give one mean_value, or one a channel",
            )


def picture_shape(source: Source) -> Shape | None:
    """(batch, channels, height, width) of what a data layer gives; None where it is not known."""
    p, batch = source.node.param.transform_param, source.node.param.data_param.batch_size
    lmdb = source.lmdb
    channels = next(iter(lmdb.channels)) if lmdb is not None else 3
    if p.force_color or p.force_gray:
        channels = 3 if p.force_color else 1
    size, how = fixed_size(p), p.resize_param
    if size is None and lmdb is not None:
        size = lmdb.size[::-1]
        if p.HasField("resize_param"):  # by the smaller side
            size = new_size(how, *lmdb.size)[::-1] if how.width and how.height else None
    return (batch, channels, *size) if batch and size is not None and all(size) else None


# ---- what a run goes on with ----


def check_same(
    found: Preflight,
    nets: Sequence[Sequence[Source]],
    resume: Path,
    resume_state: Mapping[str, Any],
    other_data: bool,
    mix: Sequence[Share] = (),
) -> None:
    """That the LMDBs have the records that they had when a snapshot was written: where the run
    stands in them means nothing else. Another one to test with is only doubtful.

    Args:
        nets: data layers of the training net and of each test net.
        resume_state: what lies beside the snapshot. other_data: whether they may be others.
        mix: what the training net reads, see :func:`check_sources`.
    """
    kept = resume_state.get("data") or []
    for number, (sources, before) in enumerate(zip(nets, kept, strict=False)):
        for name in dict.fromkeys(source.node.name for source in sources):
            same = [source for source in sources if source.node.name == name]
            lmdbs = [source.lmdb for source in same if source.lmdb is not None]
            then = before.get(name)
            if then is None or len(lmdbs) < len(same):
                continue
            now = identity([lmdb.reader for lmdb in lmdbs], mix)
            if now["digest"] == then["digest"]:
                continue
            kind = "mix" if len(same) > 1 else "LMDB"
            what = f"it is not the {kind} that {resume} was trained on ({differing(now, then)})"
            where = f"{same[0].node.where}: {WHERE if len(same) > 1 else lmdbs[0].path}"
            if number or other_data:
                found.warn(where, what)
            else:
                found.error(where, what, _OTHER_DATA.format(resume.with_suffix(".caffemodel")))


# ---- the two phases ----


def check_phases(
    found: Preflight, train: list[Source], test: list[Source], engine: str = "torch"
) -> None:
    """What the training and a test net do to pictures alike, and what they must not share."""
    for b in test:
        if b.lmdb is not None and any(a.lmdb is b.lmdb for a in train):
            found.warn(b.node.where, f"tests the pictures it is trained on: {b.lmdb.path}")
    for a in train[:1]:
        for b in test:
            for name, first, second in _unlike(a, b):
                found.warn(
                    b.node.where,
                    f"{name} {second}, but {first} in {a.node.where}",
                    "Both phases should prepare pictures alike",
                )
            same = a.node.param.data_param.source == b.node.param.data_param.source
            if engine == "caffe" and same and a.node.name == b.node.name:
                found.error(
                    b.node.where,
                    "Caffe refuses a layer's name and source that the training net has as well",
                    "Rename the layer, or give the source another path (a link)",
                )


def _unlike(a: Source, b: Source) -> Iterator[tuple[str, str, str]]:
    p, q = a.node.param.transform_param, b.node.param.transform_param
    if list(p.mean_value) != list(q.mean_value):
        first, second = (",".join(f"{v:g}" for v in x.mean_value) or "none" for x in (p, q))
        yield "mean_value", first, second
    if p.scale != q.scale:
        yield "scale", f"{p.scale:g}", f"{q.scale:g}"
    sizes = [shape[2:] for s in (a, b) if (shape := picture_shape(s)) is not None]
    if len(sizes) == 2 and sizes[0] != sizes[1]:
        first, second = (f"{width}x{height}" for height, width in sizes)
        yield "pictures of", first, second
