"""CSV files: a row a box, with or without a header that names the columns."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".csv", ".tsv"))
