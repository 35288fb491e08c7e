"""COCO: one instances JSON for all pictures; also the original's one JSON a picture."""
