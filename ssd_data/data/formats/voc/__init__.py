"""Pascal VOC: one XML a picture, lists of picture names."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(folders=("ImageSets",), file=".xml")
