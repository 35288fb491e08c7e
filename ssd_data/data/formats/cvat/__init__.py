"""CVAT's own XML 1.1: of images, and of videos with tracks."""
