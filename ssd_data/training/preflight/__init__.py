"""What is checked before a training starts, one subject a file."""
