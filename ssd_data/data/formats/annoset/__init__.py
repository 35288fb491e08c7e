"""Lists of ``image annotation`` lines, as the original's ``create_annoset.py`` takes them."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(recognised=False)
