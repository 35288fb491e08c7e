"""Recipes: what a training does otherwise than its solver and nets say, in a small TOML file.

The nets stay what they are, so what a recipe trains deploys unchanged. A file has a table for each
part that it changes; what it does not name stays the original's:

- ``[schedule]``, ``[optimiser]``, ``[classification]``, ``[boxes]``, ``[matching]``: one *element*
  each, ``kind`` says which. An element is a file in the folder of its part (``schedules/``,
  ``optimisers/``, ``classification/``, ``boxes/``, ``matchings/``); its name is its registration,
  and it defines ``ELEMENT``, a struct whose fields are the keys of the table. What its methods must
  do, the class in the folder's ``_base.py`` says.
- ``[average]``, ``[gradients]``, ``[layers]``, ``[input]``, ``[distillation]``, ``[augmentation]``:
  see ``parts.py``. The tables of the last are elements of ``batches/elements``.

Read on in this order: ``parts.py`` (what all of it is), ``read.py`` (from a file), ``change.py``
(on resuming), ``feeding.py`` (what a net is fed), ``objective.py`` (the loss that elements are put
together to), ``at_work.py`` (a solver's).
"""
