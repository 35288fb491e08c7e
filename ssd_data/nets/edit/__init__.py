"""What is done to weights on disk: merging BatchNorm, moving heads, looking at them."""
