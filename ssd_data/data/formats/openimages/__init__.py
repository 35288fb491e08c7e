"""Open Images: one CSV of boxes for all pictures of a split."""
