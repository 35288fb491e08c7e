"""Folders and files of a store, such as ``s3://bucket/pictures``: any address that fsspec opens.

An address stands where a path stands (:mod:`.address`); whoever asks or reads the disk comes
through the doors of ``core/files`` (``paths.py``, ``inside.py``, ``there.py``), which ask a
:class:`.store.Store` where it is an address. fsspec is imported when the first store is asked.
"""
