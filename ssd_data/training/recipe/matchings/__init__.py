"""Matchings of priors and truths, one a file."""
