"""KITTI: one txt a picture, 15 columns an object; also as DIGITS and TAO have it."""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".txt",))
