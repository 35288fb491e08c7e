"""WIDER FACE's scores."""
