"""Where nets run: pycaffe's ``set_mode_cpu``, ``set_mode_gpu`` and ``set_device``.

torch is not imported before a net asks.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ssd_data.core.errors import SsdDataWarning, UsageError

if TYPE_CHECKING:
    import torch

_mode = {"gpu": False, "device": 0, "or_cpu": False}


def set_mode_cpu() -> None:
    """Nets made from now on run on the CPU (the default).

    >>> set_mode_cpu()
    """
    _mode["gpu"] = False


def set_mode_gpu() -> None:
    """Nets made from now on run on the GPU that :func:`set_device` named, the first by default.

    >>> set_mode_gpu()  # an error comes where a net is made and there is none
    >>> set_mode_cpu()
    """
    _mode["gpu"] = True


def set_device(number: int) -> None:
    """Which GPU :func:`set_mode_gpu` means.

    >>> set_device(0)
    """
    _mode["device"] = int(number)


def set_random_seed(seed: int) -> None:
    """What is random from now on in nets, of weights and dropped values, begins with it.

    >>> set_random_seed(1)
    """
    import torch

    torch.manual_seed(seed)


def or_on_cpu(wanted: bool) -> bool:
    """Where there is no GPU, :func:`set_mode_gpu` from now on means the CPU, and a warning says so;
    returns whether it did before. Scripts have it written in them."""
    before, _mode["or_cpu"] = bool(_mode["or_cpu"]), wanted
    return before


def find_device(name: str | None = None) -> torch.device:
    """A device by name (``cpu``, ``cuda``, ``cuda:1``, ``auto``); without one, by the mode set.

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    if name is None:
        name = f"cuda:{_mode['device']}" if _mode["gpu"] else "cpu"
        if _mode["gpu"] and _mode["or_cpu"] and not torch.cuda.is_available():
            what = "the script asks for a GPU, and there is none: its nets run on the CPU"
            warnings.warn(what, SsdDataWarning, stacklevel=2)
            name = "cpu"
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        text = str(error).splitlines()[0]
        raise UsageError(f'no device "{name}" here: {text}', hint="Use the device cpu") from None
    return device
