"""Pictures and one annotation file each, in one folder or in two."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs()
