"""A source of a Hugging Face data set."""

from __future__ import annotations

from ssd_data.data.formats.fournumbers import Meaning
from ssd_data.data.formats.indexes import ListedSource

PARQUET = ".parquet"


class HuggingFaceSource(ListedSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Parquet file, or a metadata file beside pictures.

    Attributes:
        file: it, below the root (``data/train-00000-of-00001.parquet``, ``train/metadata.jsonl``).
        four: what a box's four numbers are, where nothing tells.
    """

    file: str
    four: Meaning | None = None
