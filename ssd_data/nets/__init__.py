"""A net's files: prototxts and caffemodels, read, checked and wired."""
