"""RetinaFace's ``label.txt`` and SCRFD's ``labelv2.txt``: one list of faces for all pictures."""
