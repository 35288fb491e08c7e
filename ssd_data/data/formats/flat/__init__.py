"""Two folders side by side, pictures and annotations."""
