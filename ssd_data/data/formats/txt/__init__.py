"""Text files, one a picture."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(recognised=False, file=".txt")
