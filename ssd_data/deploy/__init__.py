"""A trained net carried to where it must run: prepared, written for a target, and proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.files.paths import is_plain_name
from ssd_data.core.files.there import is_folder
from ssd_data.core.files.together import new_folder
from ssd_data.core.files.whole import write_whole
from ssd_data.core.jsontext import json_text
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.registry import TARGETS
from ssd_data.deploy.checks import CheckOptions
from ssd_data.deploy.proof import Proof, difference_table, read_batches
from ssd_data.deploy.readme import preprocess_table, readme
from ssd_data.deploy.targets import WrittenNet, choose
from ssd_data.engines import load_engine
from ssd_data.evaluation.compare import Difference, compare_nets, require_equal
from ssd_data.nets.graph import Graph
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing

TABLE, README, WORST = "preprocess.json", "README.md", "worst"
NOT_RUN = "not run before it was written: nothing shows that it gives what the net gives"


@dataclass(frozen=True, slots=True, eq=False)
class DeployedNet:
    """A folder that was written.

    Attributes:
        folder: where. files: what lies there, sorted.
        table: what ``preprocess.json`` says.
        proofs: how far it differs from the embedded engine; under ``losses`` of the table, how much
            was given up on purpose.
        notes: what was done to the net, and what to know.
    """

    folder: Path
    files: list[str]
    table: dict[str, Any]
    proofs: list[Difference]
    notes: list[str]


def deploy(
    profile: str,
    deploy: Path | Graph,
    weights: Path,
    folder: Path,
    preprocessing: Preprocessing,
    *,
    labelmap: LabelMap | None = None,
    options: Mapping[str, Any] | None = None,
    checks: CheckOptions | None = None,
    pictures: Iterable[Path] = (),
    follow_links: bool = False,
) -> DeployedNet:
    """Write a net for a target, whole and proven or not at all.

    Args:
        profile: the target's name. options: those of its own that are given, by name.
        deploy: a prototxt, or a net that was read.
        folder: must not exist, or be empty, or hold just what is written.
        checks: how it is held against the embedded engine.
        pictures: files and folders to prove it on; noise and drawn pictures by default.
        follow_links: through links that leave these folders, too.

    Raises:
        UsageError: there is no such target, it takes no such option, or a package is missing.
        InputError: prototxt or weights are wrong, or cannot be written for that target.
        OutputError: what was made is not the same net, or loses more than is allowed; or it
            cannot be written.
    """
    target, chosen = TARGETS.load(profile), choose(profile, options or {})
    checks = checks or CheckOptions()
    with new_folder(folder, marks=[TABLE]) as hidden:
        reference = load_engine("torch", deploy, weights, device="cpu")
        net = prepare(deploy, weights, preprocessing, labelmap, reference.map_sizes())
        require_equal(compare_nets(net.given, net.canonical), net.deploy)
        written: WrittenNet = target.write(net, chosen, hidden)
        table = preprocess_table(profile, written)
        write_table(hidden, table)  # what follows the net reads it
        proofs: list[Difference] = []
        if checks.unproven:
            written.notes.append(NOT_RUN)
        else:
            proof = Proof(net, reference, read_batches(net, pictures, follow_links))
            proofs = target.prove(written, chosen, hidden, proof)
            written.losses |= proof.score(
                checks.score, checks.allow_loss, checks.draw_worst, hidden / WORST
            )
            if is_folder(hidden / WORST):
                written.facts["files"][WORST] = "the pictures with most errors, truth at the left"
        table["proven"] = not checks.unproven
        table["proofs"] = [difference_table(found) for found in proofs]
        table["losses"] = written.losses
        write_table(hidden, table)
        notes = [*written.net.notes, *written.notes]
        page = readme(profile, target.SUMMARY, table, written, proofs, notes)
        write_whole(hidden / README, page)
        files = sorted(path.name for path in hidden.iterdir())
        assert all(map(is_plain_name, files))
    return DeployedNet(folder, files, table, proofs, notes)


def write_table(folder: Path, table: dict[str, Any]) -> None:
    """``preprocess.json``."""
    write_whole(folder / TABLE, json_text(table, ascii_only=False) + "\n")
