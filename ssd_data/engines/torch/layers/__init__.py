"""One file a layer type. Its name is the type's in small letters, and its registration.

A file holds one class, named as Caffe names the type, derived from
:class:`ssd_data.engines.torch.layer.Layer`. It only computes.
"""
