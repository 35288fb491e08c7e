"""Python: a layer that is code of its own, which is not run."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Python(Layer):
    """Refused: a prototxt would decide which code runs."""

    bottoms = (0, 1000)

    def setup(self, *bottoms: Tensor) -> None:
        """Say why.

        Raises:
            LayerError: always.
        """
        p = self.param.python_param
        raise self.error(
            f'is Python code, "{p.layer}" of module "{p.module}", which a prototxt cannot have run',
            "Put layers that compute the same in its place, or use --engine caffe",
        )
