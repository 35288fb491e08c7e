"""What families of nets are put together from."""
