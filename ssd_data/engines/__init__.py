"""Engines: what computes a net. ``torch`` is the embedded one."""
