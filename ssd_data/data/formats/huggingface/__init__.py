"""Hugging Face's data sets: Parquet files that hold pictures, or pictures with a metadata file."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".csv", ".jsonl", ".parquet"))
