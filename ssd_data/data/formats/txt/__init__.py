"""Text files, one a picture."""
