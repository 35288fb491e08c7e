"""PSROIPooling, of R-FCN's fork (``psroi_pooling_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, sized
from ssd_data.engines.torch.regions import Bins, averaging_bins, picture_of, require_rois


class PSROIPooling(Layer):
    """The mean over each of ``group_size`` x ``group_size`` parts of each region, each part from
    channels of its own.

    Bottoms: a map (batch, output_dim · group_size², height, width), and regions as ROIPooling's.
    An empty part gives 0.
    """

    bottoms = (2, 2)
    no_gradient = (1,)
    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Check the numbers."""
        p = self.param.psroi_pooling_param
        self.require_axes(bottoms[0], 4)
        if min(p.output_dim, p.group_size) < 1:
            raise self.error("has no output_dim or no group_size above 0")
        if not p.HasField("spatial_scale"):
            raise self.error("has no spatial_scale")
        wanted = p.output_dim * p.group_size**2
        if bottoms[0].shape[1] != wanted:
            raise self.error(
                f"reads {bottoms[0].shape[1]} channels; output_dim {p.output_dim} and group_size "
                f"{p.group_size} want {wanted}"
            )

    def outline(self, *bottoms: Tensor) -> Tops:
        """(regions, output_dim, group_size, group_size)."""
        p = self.param.psroi_pooling_param
        require_rois(self, bottoms[1])
        return sized(len(bottoms[1]), p.output_dim, p.group_size, p.group_size)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """See :meth:`outline`."""
        x, rois = bottoms
        p = self.param.psroi_pooling_param
        shape = (p.output_dim, p.group_size, p.group_size)
        if x.is_meta:
            return x.new_empty((len(rois), *shape))
        tops = []
        for roi in rois.detach().reshape(-1, 5).cpu().numpy():
            plane = x[picture_of(self, roi, len(x))].reshape(*shape, *x.shape[2:])
            size = (x.shape[2], x.shape[3])
            tops.append(_means(plane, averaging_bins(roi, p.spatial_scale, p.group_size, size)))
        return torch.stack(tops) if tops else x.new_zeros((0, *shape))


def _means(plane: Tensor, bins: Bins) -> Tensor:
    """(outputs, rows of bins, columns of bins) of (outputs, rows, columns, height, width)."""
    rows, columns = bins
    cells = [
        plane[:, i, j, top:bottom, left:right].mean((1, 2))
        if bottom > top and right > left
        else plane.new_zeros(len(plane))
        for i, (top, bottom) in enumerate(rows)
        for j, (left, right) in enumerate(columns)
    ]
    return torch.stack(cells, 1).reshape(len(plane), len(rows), len(columns))
