"""COCO's scores."""
