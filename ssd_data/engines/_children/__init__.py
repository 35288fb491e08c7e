"""Programs for interpreters that are not this one's, in which toolkits are installed that cannot be
installed here: :mod:`ssd_data.engines._foreign` runs them.

They are not imported from here, and import nothing from here: ``python serve.py MODULE`` runs one,
on Python 3.8 and NumPy. A module has ``DOES``, functions by name: each takes arrays, and the
request's words as keywords, and returns words and arrays.
"""
