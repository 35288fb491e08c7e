"""What PyTorch sees of GPUs."""

from __future__ import annotations


def gpus() -> tuple[list[str], str]:
    """Their names; and where there are none, why."""
    try:
        import torch

        if not torch.cuda.is_available():
            built = torch.version.cuda or torch.version.hip
            return [], "PyTorch sees none" if built else "PyTorch is built for the CPU alone"
        count = torch.cuda.device_count()
        return [torch.cuda.get_device_name(index) for index in range(count)], ""
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        return [], f"PyTorch cannot be loaded: {error}"
