"""JSON lines of clouds: SageMaker Ground Truth's manifests, Vertex AI's import files."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".jsonl", ".manifest", ".ndjson"))
