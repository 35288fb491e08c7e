"""What a run writes because a solver or net says so, and where it may.

Solvers and nets come from strangers as data sets do. They may have files written into the working
folder, as Caffe's paths start from there, and into the one that the solver lies in, which the user
has named; whatever else they name, the user has to name, too (``--write-in``). Links count for what
they lead to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.nets.graph import Graph
from ssd_data.training.save_output import wants_files
from ssd_data.training.solver_file import SolverFile

CAFFE = "caffe"


@dataclass(frozen=True, slots=True)
class NamedOutput:
    """A file or folder that is to be written.

    Attributes:
        where: the field that names it. stated: as it stands there.
        folder: what is written lies in it.
    """

    where: str
    stated: str
    folder: Path

    def fault(self, homes: Iterable[Path | str]) -> InputError | None:
        """The error that it lies in none of these folders; None where it does."""
        real = os.path.realpath(self.folder)
        if any(_is_in(real, os.path.realpath(home)) for home in homes):
            return None
        leads = os.path.normpath(Path.cwd() / self.folder) != real
        there = f', which leads to "{listable(real)}",' if leads else ""
        return InputError(
            f'"{listable(self.stated)}"{there} lies neither in the working folder nor beside the '
            "solver",
            where=self.where,
            hint="Nothing is written where only a file says so: "
            f"--write-in {listable(str(self.folder))} allows it, or name another place",
        )


def _is_in(real: str, home: str) -> bool:
    return real == home or real.startswith(f"{home.rstrip('/')}/")


def outputs_of_net(graph: Graph, engine: str) -> Iterator[NamedOutput]:
    """What a net's layers write.

    Args:
        engine: ``caffe`` writes more: what it draws, HDF5Output's files. And it empties an
            ``output_directory`` before it looks whether it has anything to write.
    """
    for node in graph.nodes:
        found = node.param.detection_output_param
        saved = found.save_output_param.output_directory
        if saved and (engine == CAFFE or wants_files(found)):
            yield NamedOutput(f"{node.where}: output_directory", saved, Path(saved))
        if engine != CAFFE:
            continue
        drawn, written = found.save_file, node.param.hdf5_output_param.file_name
        if found.visualize and drawn:
            yield NamedOutput(f"{node.where}: save_file", drawn, Path(drawn).parent)
        if node.type == "HDF5Output" and written:
            yield NamedOutput(f"{node.where}: file_name", written, Path(written).parent)


def outputs_of_run(file: SolverFile, engine: str) -> Iterator[NamedOutput]:
    """What a solver and its nets write."""
    prefix = file.param.snapshot_prefix
    if prefix:
        yield NamedOutput(f"{file.origin}: snapshot_prefix", prefix, Path(prefix).parent)
    for graph in (file.train, *file.tests):
        yield from outputs_of_net(graph, engine)


def homes_of(file: Path | str, write_in: Iterable[Path | str]) -> list[Path | str]:
    """Where a run may write: the working folder, that of the solver, those that are named."""
    return [Path(), Path(file).parent, *write_in]


def require_named(outputs: Iterable[NamedOutput], homes: Iterable[Path | str]) -> None:
    """Refuse to write where only a file says so.

    Raises:
        InputError: one of them lies in none of these folders.
    """
    known = list(homes)
    for output in outputs:
        if (fault := output.fault(known)) is not None:
            raise fault
