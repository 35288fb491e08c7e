"""RetinaFace's ``label.txt`` and SCRFD's ``labelv2.txt``: one list of faces for all pictures."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".txt",))
