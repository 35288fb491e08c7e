"""What goes on where a run is resumed, besides Caffe's own files: where the data stands, and the
random state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import torch

from ssd_data.batches.mix import Share
from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import LmdbReader, open_shared
from ssd_data.engines.torch.labelled import LabelledPictures
from ssd_data.engines.torch.layers.annotateddata import AnnotatedData
from ssd_data.engines.torch.layers.detectionevaluate import DetectionEvaluate
from ssd_data.engines.torch.layers.hdf5data import HDF5Data
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import Graph
from ssd_data.training.mixing import identity
from ssd_data.training.processes import Processes
from ssd_data.training.resumestate import RESUME

Counting: TypeAlias = AnnotatedData | HDF5Data | LabelledPictures | DetectionEvaluate
Sources: TypeAlias = dict[str, list[LmdbReader]]


def counting(net: Net) -> Iterator[Counting]:
    """The layers that count what they have read or seen, in ``position``."""
    for layer in net.steps:
        if isinstance(layer, (AnnotatedData, HDF5Data, LabelledPictures)):
            yield layer
        if isinstance(layer, DetectionEvaluate) and layer.sizes is not None:
            yield layer


def positions(nets: Sequence[Net]) -> list[dict[str, int]]:
    """Of each net layer → how far it has counted."""
    return [{layer.node.name: layer.position for layer in counting(net)} for net in nets]


def set_positions(nets: Sequence[Net], kept: Sequence[Mapping[str, int]], counted: int = 0) -> None:
    """Go on from what :func:`positions` gave.

    Args:
        counted: batches that the first net has read, where nothing was kept of its position.
    """
    for number, net in enumerate(nets):
        found = kept[number] if number < len(kept) else {}
        for layer in counting(net):
            read = counted * _batch(layer) if number == 0 else 0
            layer.position = found.get(layer.node.name, read)


def _batch(layer: Counting) -> int:
    if isinstance(layer, LabelledPictures):
        return layer.batch_size()
    if isinstance(layer, HDF5Data):
        return layer.param.hdf5_data_param.batch_size
    return layer.global_batch if isinstance(layer, AnnotatedData) else 0


def open_sources(graphs: Sequence[Graph], mix: Sequence[Share] = ()) -> list[Sources]:
    """Of each net the LMDBs that its data layers read, without those that cannot be. While they are
    held, the same records are read, whatever is built in their place.

    Args:
        mix: what the first net's layer of pictures with boxes reads in the place of its source.
    """
    found: list[Sources] = []
    for graph in graphs:
        found.append({})
        for node in graph.nodes:
            if node.type in ("AnnotatedData", "Data"):
                names = [node.param.data_param.source]
                if len(found) == 1 and node.type == "AnnotatedData" and mix:
                    names = [share.source for share in mix]
                with suppress(InputError):  # the net says so
                    found[-1][node.name] = [open_shared(name) for name in names]
    return found


def identities(
    sources: Sequence[Sources], mix: Sequence[Share] = ()
) -> list[dict[str, dict[str, Any]]]:
    """Of each net layer → how many records it reads, and their digest, see
    :func:`~ssd_data.training.mixing.identity`."""
    known = {tuple(map(id, readers)): readers for net in sources for readers in net.values()}
    told = {key: identity(readers, mix) for key, readers in known.items()}
    return [
        {name: told[tuple(map(id, readers))] for name, readers in net.items()} for net in sources
    ]


def random_states(processes: Processes, device: torch.device) -> dict[str, object]:
    """The states of PyTorch's generators in all processes, in hexadecimal digits, as a resume state
    has them: ``random`` of the CPU, and where the net is on a GPU ``gpu_random``."""
    found: dict[str, object] = {"random": processes.all_gather(_digits(torch.get_rng_state()))}
    if device.type == "cuda":
        own = _digits(torch.cuda.get_rng_state(device))
        found["gpu_random"] = processes.all_gather(own)
    return found


def set_random_states(
    resume_state: Mapping[str, Any], seed: int, processes: Processes, device: torch.device
) -> None:
    """Go on from what :func:`random_states` gave.

    Args:
        seed: of a process that was not there then: as in the original, it draws otherwise than the
            first one.

    Raises:
        InputError: they are none of PyTorch's.
    """
    states, rank = resume_state.get("random") or [], processes.rank
    states = [states] if isinstance(states, str) else states
    on_gpu = resume_state.get("gpu_random") or []
    try:
        if rank < len(states):
            torch.set_rng_state(_state(states[rank]))
        elif rank:
            torch.manual_seed(seed + rank)
        if device.type == "cuda" and rank < len(on_gpu):
            torch.cuda.set_rng_state(_state(on_gpu[rank]), device)
    except RuntimeError:
        where = f"the snapshot's {RESUME}"
        raise InputError("its random state is none of PyTorch's", where=where) from None


def _digits(state: torch.Tensor) -> str:
    return state.numpy().tobytes().hex()


def _state(digits: str) -> torch.Tensor:
    return torch.tensor(list(bytes.fromhex(digits)), dtype=torch.uint8)
