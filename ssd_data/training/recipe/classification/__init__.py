"""Classification losses, one a file."""
