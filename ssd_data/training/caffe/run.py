"""A training run on a real Caffe; needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ssd_data.core.errors import UsageError
from ssd_data.core.options import flag
from ssd_data.engines.caffe import layer_types, require_types
from ssd_data.nets.matching import Matching
from ssd_data.proto import caffe_pb2
from ssd_data.training.caffe.binary import run_caffe
from ssd_data.training.caffe.finding import find_caffe
from ssd_data.training.log import Displayed, Event, Listener, Snapshotted, Tested
from ssd_data.training.options import TrainOptions, spelled
from ssd_data.training.processes import ALONE, world_size
from ssd_data.training.recipe.change import named
from ssd_data.training.snapshots import iteration_of, recorded_extras, recorded_options
from ssd_data.training.solver_file import SolverFile


class CaffeEngine:
    """A real Caffe trains; the same to the run as :class:`~ssd_data.training.loop.TorchEngine`.

    Args:
        binary: see :func:`~ssd_data.training.caffe.finding.find_binary`.
        quiet: of what it logs warnings and errors alone are shown.

    Attributes:
        iteration, loss, finished: as far as its log tells; the loss is None where it does not.
        held: open files that it inherits: their locks last as long as it does.
        wishes: how often the user has asked to stop.
    """

    name = "caffe"
    processes = ALONE
    versions: ClassVar[dict[str, str]] = {}

    def __init__(self, binary: Path | str | None = None, quiet: bool = False) -> None:
        self.binary, self.quiet = binary, quiet
        self.held: Sequence[int] = ()
        self.matchings: list[Matching] = []
        self.iteration, self.finished = 0, False
        self.loss: float | None = None
        self.wishes = 0
        self.kill = self.stop

    def settle(self, options: TrainOptions, say: Callable[[str], None]) -> TrainOptions:
        """The options as they are.

        Raises:
            UsageError: a real Caffe has not what one of them asks for.
        """
        if (world := world_size()) > 1:
            raise UsageError(
                f"torchrun starts {world} processes, a real Caffe is one",
                where="--engine caffe",
                hint="Leave torchrun out, and say --device cuda:0,1",
            )
        for name in ("workers", "skip_mismatch"):
            if getattr(options, name):
                raise UsageError("a real Caffe does not have this option", where=flag(name))
        if options.recipe is not None:
            where = f"--recipe {named(options.recipe)}"
            raise UsageError("a real Caffe trains as solver and nets say", where=where)
        if not options.jpeg_roundtrip:
            raise UsageError("a real Caffe always makes them", where="--no-jpeg-roundtrip")
        if names := spelled(options.recorded()["extras"]):
            raise UsageError("a real Caffe does not have this", where=names)
        return options

    def prepare(
        self, file: SolverFile, options: TrainOptions, say: Callable[[str], None]
    ) -> dict[str, Any]:
        """Find a Caffe; it loads nets, weights and snapshot itself, once it runs.

        Raises:
            UsageError: there is none.
        """
        self.file, self.options = file, options
        self.found = find_caffe(self.binary)
        if not self.quiet:
            say(f"caffe: {self.found.said}")
        if self.found.module is not None:
            require_types(layer_types(self.found.module), [file.train, *file.tests])
        self.resume = None if options.resume is None else Path(options.resume)
        self.iteration = 0 if self.resume is None else iteration_of(self.resume)
        if self.resume is not None and (lost := spelled(recorded_extras(self.resume))):
            say(f"warning: the snapshot was made with {lost}, which a real Caffe does not have")
        if self.resume is not None and (recipe := recorded_options(self.resume).get("recipe")):
            name = recipe.get("origin") if isinstance(recipe, dict) else recipe
            say(f"warning: the snapshot was made with --recipe {name}; a real Caffe has none")
        hdf5 = file.param.snapshot_format == caffe_pb2.SolverParameter.HDF5
        if hdf5 and options.keep is not None:
            say("warning: --keep deletes no HDF5 snapshots")
        return {}

    def solve(self, listeners: Sequence[Listener]) -> None:
        """Train until Caffe ends.

        Raises:
            CaffeError: it could not be started, or ended with an error.
        """
        options = self.options
        changes = {"max_iter": options.max_iter, "random_seed": options.seed}
        run_caffe(
            self.file.origin,
            caffe=self.found,
            weights=options.weights if self.resume is None else (),
            resume=self.resume,
            device=options.device,
            listeners=[*listeners, self._follow],
            asked=lambda: self.wishes,
            changes={name: value for name, value in changes.items() if value is not None},
            quiet=self.quiet,
            held=self.held,
        )
        self.finished = not self.wishes
        if self.finished:  # which it has not said with display: 0
            self.iteration = max(self.iteration, options.max_iter or self.file.param.max_iter)

    def stop(self) -> str:
        """Once: a snapshot, then the end; twice: the end at once. Says what it does."""
        self.wishes += 1
        return "Caffe is asked to end with a snapshot, unless it has trained to the end"

    def close(self) -> None:
        """Caffe has ended by then."""

    def _follow(self, event: Event) -> None:
        if isinstance(event, Displayed):
            self.iteration, self.loss = event.iteration, event.loss
        if isinstance(event, (Snapshotted, Tested)):
            self.iteration = max(self.iteration, event.iteration)
