"""Optimisers that Caffe has not, one a file."""
