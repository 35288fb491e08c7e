"""Caffe's messages under our own package name; see ``caffe.proto``."""
