"""Pascal VOC: one XML a picture, lists of picture names."""
