"""PyTorch's random state, as a snapshot keeps it."""

from __future__ import annotations

import torch

from ssd_data.core.errors import InputError
from ssd_data.training.snapshots import BESIDE


def random_state() -> str:
    """The state of the CPU's generator, in hexadecimal digits."""
    return torch.get_rng_state().numpy().tobytes().hex()


def set_random_state(digits: str) -> None:
    """Go on from what :func:`random_state` gave.

    Raises:
        InputError: that is no such state.
    """
    state = torch.frombuffer(bytearray.fromhex(digits), dtype=torch.uint8) if digits else None
    try:
        torch.set_rng_state(torch.empty(0, dtype=torch.uint8) if state is None else state)
    except RuntimeError:
        where = f"the snapshot's {BESIDE}"
        raise InputError("its random state is none of PyTorch's", where=where) from None
