"""Lists of ``image annotation`` lines, as the original's ``create_annoset.py`` takes them."""
