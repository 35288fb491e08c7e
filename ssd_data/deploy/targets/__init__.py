"""Profiles: who a trained net is shipped for. One file a profile; its name registers it (with ``-``
for ``_``).

Each has ``SUMMARY``, a line; ``TAKES``, the fields of
:class:`~ssd_data.deploy.source.Options` that mean something to it, with their values where none
are given; and

- ``write(source, options, folder) -> Made``: write the net into a folder;
- ``prove(source, options, folder, made, pictures) -> list[Proof]``: read it back, run it and
  compare it with the embedded engine; raises OutputError where it is not the same.
  ``preprocess.json`` is there by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.core.files.paths import is_plain_name
from ssd_data.core.files.whole import new_folder, write_whole
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.registry import TARGETS
from ssd_data.deploy.made import Made
from ssd_data.deploy.proving import Proof, batches
from ssd_data.deploy.readme import preprocess_table, readme
from ssd_data.deploy.source import Options, Source, read_source
from ssd_data.nets.preprocessing import Preprocessing

TABLE, README = "preprocess.json", "README.md"


@dataclass(frozen=True, slots=True, eq=False)
class Shipped:
    """A folder that was written.

    Attributes:
        folder: where. files: what lies there, sorted.
        table: what ``preprocess.json`` says.
        proofs: how far it differs from the embedded engine, and, under ``losses``, how much was
            given up on purpose.
        notes: what was done to the net, and what to know.
    """

    folder: Path
    files: list[str]
    table: dict[str, Any]
    proofs: list[Proof]
    notes: list[str] = field(default_factory=list)


def deploy(
    profile: str,
    deploy: Path,
    weights: Path,
    folder: Path,
    preprocessing: Preprocessing,
    *,
    labelmap: LabelMap | None = None,
    options: Options | None = None,
    pictures: Iterable[Path] = (),
) -> Shipped:
    """Write a net for a profile, whole and proven or not at all.

    Args:
        folder: must not exist, or be empty.
        pictures: files and folders to prove it on; noise and drawn pictures by default.

    Raises:
        UsageError: there is no such profile, it takes no such option, or a package is missing.
        InputError: prototxt or weights are wrong, or cannot be written for that profile.
        OutputError: what was made is not the same net; or it cannot be written.
    """
    module = TARGETS.load(profile)
    options = _fitting(profile, module, options or Options())
    with new_folder(folder) as hidden:
        source = read_source(deploy, weights, preprocessing, labelmap, options)
        made: Made = module.write(source, options, hidden)
        table = preprocess_table(profile, source, made)
        write_whole(hidden / TABLE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
        shown = batches(source, preprocessing, pictures)
        proofs: Sequence[Proof] = module.prove(source, options, hidden, made, shown)
        table["proofs"] = [proof.table() for proof in proofs]
        table["losses"] = made.losses
        write_whole(hidden / TABLE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
        notes = [*source.notes, *made.notes]
        write_whole(hidden / README, readme(profile, module.SUMMARY, table, made, proofs, notes))
        files = sorted(path.name for path in hidden.iterdir())
        assert all(map(is_plain_name, files))
    return Shipped(folder, files, table, list(proofs), notes)


def _fitting(profile: str, module: ModuleType, options: Options) -> Options:
    """The options with the profile's own where none are given.

    Raises:
        UsageError: one means nothing to the profile.
    """
    takes: dict[str, Any] = module.TAKES
    for option in fields(options):
        if option.name not in takes and getattr(options, option.name):
            name = option.name.replace("_", "-")
            raise UsageError(f"the profile {profile} knows no such option", where=f"--{name}")
    missing = {k: v for k, v in takes.items() if v is not None and getattr(options, k) is None}
    return replace(options, **missing)


__all__ = ["Made", "Options", "Proof", "Shipped", "Source", "deploy"]
