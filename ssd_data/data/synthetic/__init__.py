"""The data set that the package draws itself."""

LAYOUTS = ("voc", "coco", "widerface")
TRAIN, TEST, SIZE = 160, 40, 320  # pictures of the splits, and about the pictures' sides
