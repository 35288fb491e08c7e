"""What runs in a worker of a Ray cluster, before anything of ours is imported there.

It is pickled by value: the worker may have another version of us, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def door() -> Any:
    """The function for ``ray.remote``. What it gives is the answer's pickle, or the machine's name
    and its version, if that is another ("none": there is none)."""

    def enter(
        digest: str,
        function: list[Any],
        wanted: Mapping[str, str],
        driver: str,
        task: bytes,
        place: Mapping[str, Any] | None = None,
        told: Any = None,
    ) -> bytes | tuple[str, str]:
        import platform

        try:
            from ssd_data.core.version import __version__ as version
        except ImportError:
            return platform.node(), "none"
        if version != wanted["ssd-data"]:
            return platform.node(), version
        import ray

        from ssd_data.core.tasks import Rank
        from ssd_data.core.tasks._work import work

        member = None if place is None else Rank(**place, tell=told.put)
        others = {name: text for name, text in wanted.items() if name != "ssd-data"}
        return work(digest, lambda: ray.get(function[0]), others, driver, task, member)

    return enter
