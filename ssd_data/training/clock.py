"""How fast a run is, and how much of its time it waits for data."""

from __future__ import annotations

import time

from ssd_data.engines.torch.net import Net
from ssd_data.training.feeding import feeding


class Clock:
    """Measures between one reading and the next."""

    def __init__(self) -> None:
        self._time = time.perf_counter()
        self._iteration: int | None = None
        self._waited = 0.0

    def read(self, iteration: int, net: Net, iter_size: int) -> tuple[float, float]:
        """(pictures a second, share of time waited) since the last reading; 0 at the first."""
        now = time.perf_counter()
        layers = list(feeding(net))
        waited = sum(layer.waited for layer in layers)
        batch = sum(layer.param.data_param.batch_size * layer.feed.world for layer in layers)
        speed = share = 0.0
        if self._iteration is not None and now > self._time:
            pictures = (iteration - self._iteration) * iter_size * batch
            speed = pictures / (now - self._time)
            share = min(1.0, (waited - self._waited) / (now - self._time))
        self._time, self._iteration, self._waited = now, iteration, waited
        return speed, share
