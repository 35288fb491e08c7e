"""The sections of pages, one file each: a function from what was gathered to a ``Section``."""
