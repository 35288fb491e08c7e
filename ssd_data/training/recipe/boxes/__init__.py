"""Box losses, one a file."""
