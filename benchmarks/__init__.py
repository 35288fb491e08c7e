"""Measurements of the package against a stand-in for the original and against limits."""
