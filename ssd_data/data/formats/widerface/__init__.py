"""WIDER FACE: one list for all pictures."""
