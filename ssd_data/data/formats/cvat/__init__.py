"""CVAT's own XML 1.1: of images, and of videos with tracks."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".xml",))
