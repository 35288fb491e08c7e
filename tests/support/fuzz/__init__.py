"""Inputs of strangers, made by changing good ones, for every reader of the package.

* ``mutate/``: changes to XML, JSON, messages, LMDB pages, pictures, archives, ... that keep enough
  of the structure to get past the first check;
* ``targets/``: the readers, each with small good inputs; ``target.py``: what a target is;
* ``worker.py``: runs inputs in a process that may die; ``pool.py``: watches it;
* ``judge.py``: what breaks the promise; ``shrink.py``: the least input that does;
* ``lines.py``: which lines of the readers were run.

The same seed makes the same inputs in the same order, target by target.
"""
