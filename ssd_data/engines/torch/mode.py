"""Where nets run: pycaffe's ``set_mode_cpu``, ``set_mode_gpu`` and ``set_device``.

torch is not imported before a net asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssd_data.core.errors import UsageError

if TYPE_CHECKING:
    import torch

_mode = {"gpu": False, "device": 0}


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


def find_device(name: str | None = None) -> torch.device:
    """A device by name (``cpu``, ``cuda``, ``cuda:1``, ``auto``); without one, by the mode set.

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    if name is None:
        name = f"cuda:{_mode['device']}" if _mode["gpu"] else "cpu"
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        text = str(error).splitlines()[0]
        raise UsageError(f'no device "{name}" here: {text}', hint="Use the device cpu") from None
    return device
