"""WIDER FACE: one list for all pictures."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(folders=("wider_face_split",))
