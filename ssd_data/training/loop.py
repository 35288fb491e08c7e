"""The embedded engine's run: its nets, its weights or snapshot, the processes that share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines.torch.layers.annotateddata import Feed, data_layers
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.loss import LossLayer
from ssd_data.engines.torch.mode import find_device
from ssd_data.nets.matching import Matching
from ssd_data.training.extras import check_device
from ssd_data.training.log import Listener
from ssd_data.training.options import Extras, TrainOptions, settle, settle_seed
from ssd_data.training.preflight.processes import ALL_HINT, ALL_OF_THEM, undivided
from ssd_data.training.processes import ALONE, Processes
from ssd_data.training.recipe.change import settle_recipe
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.resuming import identities, open_sources
from ssd_data.training.snapshots import recorded_extras, recorded_options
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import SolverFile


class TorchEngine:
    """PyTorch trains, in one process or in several, each of which has one of these.

    Attributes:
        processes: those that train together.
        solver: once it is prepared. sources: the LMDBs that it reads.
        matchings: what became of each caffemodel to start from.
        iteration, loss, finished: what it came to, once it is solved.
    """

    name = "torch"
    versions: ClassVar[dict[str, str]] = {"torch": torch.__version__}
    kill = None  # a second wish to stop ends the process

    def __init__(self, processes: Processes = ALONE) -> None:
        self.processes = processes
        self.matchings: list[Matching] = []
        self.iteration, self.loss, self.finished = 0, 0.0, False
        self.seed_before: object = None  # of the run that this one goes on with

    def settle(self, options: TrainOptions, say: Callable[[str], None]) -> TrainOptions:
        """The options with all extras: those told, else as the snapshot records, else off.

        Raises:
            UsageError: one cannot be had on this device. InputError: what is recorded is wrong.
        """
        if isinstance(options.extras, Extras):
            return options
        recorded, before, where = {}, {}, ""
        if options.resume is not None:
            recorded, where = recorded_extras(Path(options.resume)), str(options.resume)
            before = recorded_options(Path(where))
        kept, self.seed_before = before.get("recipe"), before.get("seed")
        recipe = settle_recipe(options.recipe, kept, where, say)
        own = {} if recipe is None or options.recipe is None else recipe.extras()
        extras = settle({**own, **options.extras}, recorded, say)
        check_device(extras, find_device(options.device))
        fixed = bool(extras.mix) and not options.other_data
        seed = settle_seed(options.seed, self.seed_before, fixed, say)
        return replace(options, extras=extras, recipe=recipe, seed=seed)

    def prepare(
        self, file: SolverFile, options: TrainOptions, say: Callable[[str], None]
    ) -> dict[str, Any]:
        """Make the solver, and give it all that it begins with; weights and the snapshot to go on
        from are process 0's affair.

        Args:
            options: settled. say: is told what was loaded.

        Returns:
            what the log says of it.

        Raises:
            InputError: solver, nets, data or weights are wrong.
            PeerError: another process has ended, or does not answer.
        """
        extras, processes = options.extras, self.processes
        assert isinstance(extras, Extras)
        own = max(file.param.random_seed, 0)
        seed = own if options.seed is None else options.seed
        if seed == self.seed_before and seed != own:
            say(f"--seed {seed}: as the snapshot records")
        file.param.random_seed = seed
        self.sources = open_sources([file.train, *file.tests], file.mix)
        recipe = options.recipe if isinstance(options.recipe, TrainRecipe) else None
        self.solver = Solver(file, processes.device(options.device), extras, recipe)
        share_batches(self.solver, processes)
        feed = Feed(
            seed,
            processes.workers(options.workers),
            options.jpeg_roundtrip,
            rank=processes.rank,
            world=processes.world,
            min_box=extras.min_face,
            cache=extras.cache,
            mix=file.mix,
        )
        for layer in data_layers(self.solver.net):
            layer.feed = feed  # which says how large the batch of all is
            layer.feed = replace(feed, plan=self.solver.recipe.plan(layer))
        if processes.rank == 0:
            self._load(options, say)
            self.solver.about["data"] = identities(self.sources, file.mix)
        self.solver.about["options"] = {**options.recorded(), "seed": seed}
        broadcast_start(self.solver)
        self.iteration = self.solver.iter
        return {
            **({"mix": [share._asdict() for share in file.mix]} if file.mix else {}),
            "seed": seed,
            "threads": torch.get_num_threads(),
            "device": str(self.solver.net.device),
            "processes": processes.world,
        }

    def _load(self, options: TrainOptions, say: Callable[[str], None]) -> None:
        """What the run begins with: a snapshot, else weights, if any."""
        if options.resume is not None:
            say(f"resuming from {options.resume}")
            self.solver.restore(options.resume)
            return
        for path in options.weights:
            matching = self.solver.net.copy_from(path, skip_mismatch=options.skip_mismatch)
            self.matchings.append(matching)
            anew = len(matching.new) + len(matching.mismatched)
            kept, left = len(matching.kept), len(matching.left_out)
            say(f"{path}: {kept} layers kept, {anew} start anew, {left} left out")

    def solve(self, listeners: Sequence[Listener]) -> None:
        """Train to the end, or until :meth:`stop`, then with a snapshot.

        Raises:
            DivergedError: the loss is no number any more.
            PeerError: another process has ended, or does not answer.
            OutputError: a snapshot or log cannot be written.
        """
        solver = self.solver
        solver.listeners += listeners
        solver.solve()
        self.iteration, self.loss = solver.iter, solver.progress.smoothed_loss
        self.finished = not solver.stopped

    def stop(self) -> str:
        """End :meth:`solve` after the update that is being made. Says what comes of it."""
        unsaved = self.solver.stop()
        return f"{'a' if unsaved else 'no further'} snapshot is written after this iteration"

    def close(self) -> None:
        """Stop the threads that read pictures."""
        for layer in data_layers(self.solver.net, *self.solver.test_nets):
            layer.close()


# ---- several processes ----


def share_batches(solver: Solver, processes: Processes) -> None:
    """Make a solver's batches parts of those that all processes train on together.

    The losses' normalisers are summed over the processes; with ``--sync-bn`` so are the sums that
    BatchNorm normalises by. Test nets stay alone.

    Raises:
        InputError: a layer reads records that cannot be divided.
        UsageError: the net is compiled, and BatchNorm cannot be shared then.
    """
    solver.processes = processes
    if processes.world == 1:
        return
    extras = solver.extras.options
    if extras.sync_bn and extras.compile:
        raise UsageError("compiled layers cannot wait for other processes", where="--compile")
    for where in undivided(solver.file.train):
        raise InputError(ALL_OF_THEM, where=where, hint=ALL_HINT)
    for layer in solver.net.steps:
        if isinstance(layer, LossLayer) or (extras.sync_bn and isinstance(layer, BatchNorm)):
            layer.all_reduce = processes.all_reduce


def broadcast_start(solver: Solver) -> None:
    """Give every process what process 0 starts with: parameters, histories, progress, position.

    Raises:
        PeerError: a process has ended, or does not answer.
    """
    processes = solver.processes
    if processes.world == 1:
        return
    tensors = [p.blob.tensor.detach() for p in solver.params]
    processes.broadcast([*tensors, *(h for p in solver.params for h in p.history)])
    start = (solver.progress, solver.restored, solver.extras.scale, solver.saved)
    start = processes.broadcast_object(start)
    solver.progress, solver.restored, solver.extras.scale, solver.saved = start
    if processes.rank:
        solver.load_resume_state(solver.restored)
