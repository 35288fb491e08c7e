"""Several builds that one run trains on: which LMDBs they are, and which records those have."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from ssd_data.batches.mix import Share
from ssd_data.core.errors import InputError
from ssd_data.core.legible import count_of, few
from ssd_data.data.dataset import TRAINING_LINK
from ssd_data.data.lmdb.identity import digest
from ssd_data.data.lmdb.manifest import read_manifest
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb
from ssd_data.nets.graph import Node
from ssd_data.training.shares import WHERE, parse_shares
from ssd_data.training.solver_file import SolverFile, find


def mix_into(file: SolverFile, text: str) -> None:
    """Let a solver's training net read what ``--mix`` says, see
    :class:`~ssd_data.batches.mix.Mix`; with an empty text it is left as it is.

    That a source is missing, or that the net has not one layer that reads them, goes into the
    file's faults.

    Raises:
        UsageError: the text is no mix.
    """
    pairs = parse_shares(text)
    if not pairs or not file.train.nodes:
        return
    try:
        shares = [Share(find_source(path), weight) for path, weight in pairs]
        _require_once(shares)
        layer = _only_layer(file)
    except InputError as error:
        file.faults.append(error)
    else:
        layer.param.data_param.source = shares[0].source
        file.mix = tuple(shares)


def _require_once(shares: Sequence[Share]) -> None:
    seen: dict[str, str] = {}
    for share in shares:
        real = os.path.realpath(share.source)
        if real in seen:
            what = f"{share.source} is {seen[real]} once more"
            raise InputError(what, where=WHERE, hint="Name each LMDB once, with its whole weight")
        seen[real] = share.source


def _only_layer(file: SolverFile) -> Node:
    layers = [node for node in file.train.nodes if node.type == "AnnotatedData"]
    if len(layers) != 1:
        count = "no AnnotatedData layer" if not layers else f"{len(layers)} AnnotatedData layers"
        raise InputError(f"the training net has {count}: a mix is for one", where=file.train.origin)
    return layers[0]


def find_source(path: str) -> str:
    """The LMDB that a source of a mix means: itself, or a build's that is linked for training.

    Raises:
        InputError: it is neither.
    """
    folder = find(path, WHERE)
    if is_lmdb(folder):
        return path
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError("this is neither a build nor an LMDB", where=f"{WHERE}: {path}")
    splits = manifest.splits
    split = manifest.links.get(TRAINING_LINK, next(iter(splits)) if len(splits) == 1 else "")
    if split not in splits:
        raise InputError(
            "nothing says which of its splits is for training",
            where=f"{WHERE}: {path}",
            hint=f"Name its LMDB: {few([folder / made.lmdb for made in splits.values()])}",
        )
    return str(folder / splits[split].lmdb)


def identity(readers: Sequence[LmdbReader], mix: Sequence[Share] = ()) -> dict[str, Any]:
    """What tells the records that a data layer reads, and their order but for the seed, from
    others: how many there are, and a digest; of several LMDBs also each one's, under ``mix``."""
    own = [{"records": len(reader), "digest": digest(reader)} for reader in readers]
    if len(own) == 1:
        return own[0]
    found = blake2b(digest_size=8)
    for share, one in zip(mix, own, strict=True):
        found.update(f"{share.weight} {one['records']} {one['digest']}\n".encode())
    return {
        "records": sum(map(len, readers)),
        "digest": found.hexdigest(),
        "mix": [{**share._asdict(), **one} for share, one in zip(mix, own, strict=True)],
    }


def differing(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """How what a layer reads differs from what it read before, both from :func:`identity`."""
    mixed, before = now.get("mix", []), then.get("mix", [])
    if _spelled(mixed) != _spelled(before):
        was = few(_spelled(before)) or f"one LMDB of {count_of(then['records'], 'record')}"
        return f"that was {was}"
    for one, other in zip(mixed, before, strict=True):
        if one["digest"] != other["digest"]:
            return f"{one['source']}: {_other(one, other)}"
    return _other(now, then)


def _other(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    if now["records"] != then["records"]:
        return f"{now['records']:,} records, then {then['records']:,}"
    return "other pictures, boxes, or another order"


def _spelled(mix: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{one['source']}={one['weight']}" for one in mix]
