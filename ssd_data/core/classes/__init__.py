"""Classes: the files that name them, what may be wrong with them, names that look alike."""
