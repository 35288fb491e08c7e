"""ROIPooling, of Fast R-CNN's fork (``roi_pooling_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, sized
from ssd_data.engines.torch.regions import Bins, picture_of, pooling_bins, require_rois


class ROIPooling(Layer):
    """The largest value in each of ``pooled_h`` x ``pooled_w`` parts of each region.

    Bottoms: a map (batch, channels, height, width), and regions (regions, 5): picture, xmin, ymin,
    xmax, ymax in pixels that ``spatial_scale`` makes the map's. An empty part gives 0.
    """

    bottoms = (2, 2)
    no_gradient = (1,)
    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Check the numbers."""
        p = self.param.roi_pooling_param
        self.require_axes(bottoms[0], 4)
        if min(p.pooled_h, p.pooled_w) < 1:
            raise self.error("has no pooled_h or no pooled_w above 0")

    def outline(self, *bottoms: Tensor) -> Tops:
        """(regions, channels, pooled_h, pooled_w)."""
        p = self.param.roi_pooling_param
        require_rois(self, bottoms[1])
        return sized(len(bottoms[1]), bottoms[0].shape[1], p.pooled_h, p.pooled_w)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """See :meth:`outline`."""
        x, rois = bottoms
        if x.is_meta:
            return x.new_empty(self.outline(*bottoms).shape)  # type: ignore[union-attr]
        p = self.param.roi_pooling_param
        tops = []
        for roi in rois.detach().reshape(-1, 5).cpu().numpy():
            plane = x[picture_of(self, roi, len(x))]
            size, pooled = (x.shape[2], x.shape[3]), (p.pooled_h, p.pooled_w)
            tops.append(_largest(plane, pooling_bins(roi, p.spatial_scale, pooled, size)))
        shape = (0, x.shape[1], p.pooled_h, p.pooled_w)
        return torch.stack(tops) if tops else x.new_zeros(shape)


def _largest(plane: Tensor, bins: Bins) -> Tensor:
    """(channels, rows of bins, columns of bins)."""
    rows, columns = bins
    cells = [
        plane[:, top:bottom, left:right].flatten(1).max(1).values
        if bottom > top and right > left
        else plane.new_zeros(len(plane))
        for top, bottom in rows
        for left, right in columns
    ]
    return torch.stack(cells, 1).reshape(len(plane), len(rows), len(columns))
