"""Whether a build's result and its links may go where they are to."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.errors import OutputError, UsageError
from ssd_data.core.files.remote.address import remote
from ssd_data.data import formats
from ssd_data.data.build import links
from ssd_data.data.build.occupied import require_writable
from ssd_data.data.build.plan import BuildPlan
from ssd_data.data.lmdb.manifest import LABELMAP


def refuse_misplaced(made: BuildPlan, out: Path, link: Path | str | None) -> None:
    """Refuse what cannot be.

    Raises:
        OutputError: something is in the way, or nothing can be written there.
        UsageError: links are asked for to what nothing can link to.
    """
    dataset = made.dataset
    names_splits = formats.load(dataset.format).names_splits
    if names_splits and out.resolve() == dataset.root.resolve():
        raise OutputError(
            "this is the data set's own folder", where=out, hint="Choose another with --out"
        )
    if link is not None and remote(out) is not None:
        raise UsageError("what lies in a store cannot be linked", where="--link")
    if link is not None:
        names = [name for name, split in dataset.links.items() if split in made.splits]
        if not names and names_splits:
            raise links.nothing_to_link(made.splits, Path(link))
        require_writable(Path(link), "--link")
        links.refuse_obstacles(Path(link), [*names, LABELMAP], dataset.links, out)
