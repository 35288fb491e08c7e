"""YOLO: one txt a picture, ``class cx cy w h`` in fractions, and a file that names the classes.

Ultralytics' ``data.yaml`` (https://docs.ultralytics.com/datasets/detect/; how it is read:
``check_det_dataset``, ``img2label_paths`` and ``verify_image_label`` of ultralytics/data/utils.py),
Darknet's ``.data`` and ``.names`` (AlexeyAB/darknet, src/data.c), and folders of either without.
"""

from __future__ import annotations

from ssd_data.data.formats import Signs

SIGNS = Signs(endings=(".data", ".txt", ".yaml", ".yml"))
