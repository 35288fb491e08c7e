"""LabelMe: one JSON a picture."""
