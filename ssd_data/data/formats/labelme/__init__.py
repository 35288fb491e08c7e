"""LabelMe: one JSON a picture."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".json",), file=".json")
