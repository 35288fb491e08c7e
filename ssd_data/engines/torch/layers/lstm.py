"""LSTM: a recurrent layer (``recurrent_param``)."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, Tops, sized

State: TypeAlias = tuple[Tensor, Tensor]


class LSTM(Layer):
    """Bottoms: x (steps, streams, …), and whether each step goes on with its stream's sequence
    (steps, streams), 0 where one begins; then, where there is one, an input for all steps
    (streams, …); with ``expose_hidden`` the state (1, streams, num_output) twice, h and c.

    Tops: h of all steps (steps, streams, num_output); with ``expose_hidden`` the last h and c.
    Without it the state is kept for the next forward.

    Parameters: of x's weights (4 num_output, …), their bias, the weights of the input for all
    steps where there is one, and those of h; the gates are in the order in, forget, out, new.
    """

    bottoms = (2, 5)
    no_gradient = (1,)
    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Make the weights."""
        p = self.param.recurrent_param
        self.exposes, self.size = p.expose_hidden, p.num_output
        self.state: State | None = None
        if not self.size:
            raise self.error("has no num_output")
        extra = len(bottoms) - 2 - 2 * self.exposes
        if extra not in (0, 1):
            raise self.error(f"has {len(bottoms)} bottoms, expose_hidden is {self.exposes}")
        self.static = extra == 1
        x, goes_on, *_ = bottoms
        if x.dim() < 2 or tuple(goes_on.shape) != tuple(x.shape[:2]):
            raise self.error("its second bottom has not one value a step and stream")
        self.add_weight((4 * self.size, x.shape[2:].numel()), p.weight_filler)
        self.add_weight((4 * self.size,), p.bias_filler)
        if self.static:
            self.require_pictures(bottoms[2])
            if len(bottoms[2]) != x.shape[1]:
                raise self.error("its third bottom has not one entry a stream")
            self.add_weight((4 * self.size, bottoms[2].shape[1:].numel()), p.weight_filler)
        self.add_weight((4 * self.size, self.size), p.weight_filler)

    def outline(self, *bottoms: Tensor) -> Tops:
        """See the class."""
        steps, streams = bottoms[0].shape[:2]
        last = sized(1, streams, self.size)
        top = sized(steps, streams, self.size)
        return (top, last, last) if self.exposes else top

    def forward(self, *bottoms: Tensor) -> Tops:
        """See the class."""
        x, goes_on = bottoms[:2]
        weight, bias, *static, recurrent = self.weights
        gates = functional.linear(x.flatten(2), weight, bias)
        if self.static:
            gates = gates + functional.linear(bottoms[2].flatten(1), static[0])
        h, c = self._begin(*bottoms)
        found = []
        for step, on in zip(gates, goes_on.detach()[..., None], strict=True):
            h, c = self._step(step + functional.linear(h * on, recurrent), c, on)
            found.append(h)
        top = torch.stack(found)
        if self.exposes:
            return top, h[None], c[None]
        if not x.is_meta:
            self.state = (h.detach(), c.detach())
        return top

    def _begin(self, *bottoms: Tensor) -> State:
        streams = bottoms[0].shape[1]
        if self.exposes:
            h, c = (b.reshape(streams, self.size) for b in bottoms[-2:])
            return h, c
        if self.state is not None and len(self.state[0]) == streams:
            return self.state
        empty = bottoms[0].new_zeros((streams, self.size))
        return empty, empty

    def _step(self, gates: Tensor, c: Tensor, goes_on: Tensor) -> State:
        put, keep, show, new = gates.chunk(4, 1)
        c = goes_on * torch.sigmoid(keep) * c + torch.sigmoid(put) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(c), c
