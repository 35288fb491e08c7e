"""Open Images: one CSV of boxes for all pictures of a split."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".csv",))
