"""What a preflight looks for in a mix: that its sources go together, and how it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ssd_data.core.errors import InputError
from ssd_data.core.legible import few
from ssd_data.data.lmdb.companions import labelmap_of
from ssd_data.training.preflight.data import ANNOTATED, Lmdb, Source
from ssd_data.training.preflight.report import Preflight, Taken
from ssd_data.training.shares import WHERE
from ssd_data.training.solver_file import SolverFile


def check_mix(found: Preflight, file: SolverFile, sources: Sequence[Source], world: int) -> None:
    """The LMDBs that the training net reads by turns: pictures that go into one batch, labels whose
    meaning is known; and how long each lasts.

    Args:
        sources: of the training net. world: how many processes train.
    """
    mixed = [source for source in sources if source.node.type == ANNOTATED]
    lmdbs = [source.lmdb for source in mixed if source.lmdb is not None]
    if not file.mix or len(lmdbs) < len(file.mix):
        return
    _check_channels(found, mixed[0], lmdbs)
    _check_sizes(found, mixed[0], lmdbs)
    known = [lmdb for lmdb in lmdbs if _has_labelmap(lmdb)]
    for lmdb in lmdbs if len(lmdbs) > 1 else ():
        if lmdb not in known:
            what = "no labelmap lies beside it: nobody knows whether its labels mean the same"
            found.warn(f"{WHERE}: {lmdb.path}", what, "Put its labelmap.prototxt there")
    batch = mixed[0].node.param.data_param.batch_size * file.param.iter_size * world
    turns = sum(share.weight for share in file.mix)
    for share, lmdb in zip(file.mix, lmdbs, strict=True):
        pictures = -(-lmdb.records * turns // share.weight)
        run = file.param.max_iter * batch / pictures
        found.mix.append(
            Taken(share.source, share.weight, turns, lmdb.records, pictures, batch, run)
        )


def _check_channels(found: Preflight, source: Source, lmdbs: Sequence[Lmdb]) -> None:
    param = source.node.param.transform_param
    if param.force_color or param.force_gray:
        return
    first = next(iter(lmdbs[0].channels))
    for lmdb in lmdbs[1:]:
        for channels, key in lmdb.channels.items():
            if channels != first:
                what = f"{channels} channels ({key}), but {first} in {lmdbs[0].path}"
                hint = "Set force_color: true in transform_param, or build it anew"
                found.error(f"{WHERE}: {lmdb.path}", what, hint)


def _check_sizes(found: Preflight, source: Source, lmdbs: Sequence[Lmdb]) -> None:
    param = source.node.param.transform_param
    sized = param.HasField("resize_param") or param.crop_size or param.crop_h
    if sized or source.node.param.data_param.batch_size == 1:
        return
    sizes = dict.fromkeys(f"{width}x{height}" for width, height in (lmdb.size for lmdb in lmdbs))
    if len(sizes) > 1:
        what = f"its sources' pictures have several sizes: {few([*sizes])}"
        found.error(source.node.where, what, "Set a resize_param")


def _has_labelmap(lmdb: Lmdb) -> bool:
    with suppress(InputError):
        labelmap_of(lmdb.path.resolve())
        return True
    return False
