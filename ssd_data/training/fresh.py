"""The solver of a run that is given a build and a family of nets in its place."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.errors import UsageError
from ssd_data.core.files.remote.address import as_path, remote
from ssd_data.data.build.links import link
from ssd_data.families.parts.write import write_model
from ssd_data.training.options import TrainOptions


def solver_of(solver: Path | str | None, options: TrainOptions) -> Path | str:
    """The solver that is given, or that of a family's nets: they are written, and what they read is
    linked.

    Raises:
        UsageError: both are given, or neither.
        InputError: the build is none. OutputError: nets or links cannot be written.
    """
    build, family = options.build, options.family
    if solver is not None and build is None and family is None:
        return solver
    if solver is not None or build is None or family is None:
        raise UsageError("give a solver, or a build with a family")
    folder = Path(options.out or family)
    write_model(family, folder, build=build, redo=True)
    if remote(as_path(build)) is None:
        link(build, Path())
    return folder / "solver.prototxt"
