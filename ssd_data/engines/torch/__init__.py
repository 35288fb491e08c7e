"""The embedded engine: Caffe nets on PyTorch.

:class:`~ssd_data.engines.torch.net.Net` computes layer by layer as the original; what detects and
scores is a compiled copy of the net (``compiled.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ssd_data.core.errors import UsageError
from ssd_data.core.optional import require
from ssd_data.engines.torch.waiting import choose_waiting

if TYPE_CHECKING:
    from ssd_data.engines import EngineOptions
    from ssd_data.engines.torch.compiled import Compiled
    from ssd_data.nets.prepare import DeployNet


choose_waiting()


def require_torch() -> None:
    """Make sure that PyTorch is there.

    Raises:
        UsageError: it is not.
    """
    require("torch", "torch", "PyTorch", error=UsageError)


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> Compiled:
    """See :func:`ssd_data.engines.load_engine`."""
    require_torch()
    from ssd_data.engines.torch.compiled import load as load_compiled

    return load_compiled(deploy, weights, options)
