"""The embedded engine: Caffe nets on PyTorch.

:class:`~ssd_data.engines.torch.net.Net` computes layer by layer as the original; what detects and
scores is a compiled copy of the net (``compiled.py``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_data.errors import UsageError
from ssd_data.packages import require

if TYPE_CHECKING:
    from ssd_data.engines.torch.compiled import Compiled


# Threads that wait for work give their processor to others, instead of spinning: on a machine that
# is shared, PyTorch is else many times slower. It counts where torch was not imported before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def require_torch() -> None:
    """Make sure that PyTorch is there.

    Raises:
        UsageError: it is not.
    """
    require("torch", "torch", "PyTorch", error=UsageError)


def load(
    deploy: Path | str,
    weights: Path | str,
    *,
    device: str | None = None,
    half: bool = False,
    threshold: float | None = None,
) -> Compiled:
    """See :func:`ssd_data.engines.load_engine`."""
    require_torch()
    from ssd_data.engines.torch.compiled import load as load_compiled

    return load_compiled(deploy, weights, device=device, half=half, threshold=threshold)
