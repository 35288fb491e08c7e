"""A search by short runs for what trains a family best on a build: ``ssd-data tune``.

Successive halving (K. Jamieson, A. Talwalkar, Non-stochastic Best Arm Identification and
Hyperparameter Optimization, arXiv:1502.07943): all trials are trained for a few iterations, the
best third of them for three times as many, and so on. Each time a trial begins anew, so that its
schedule comes to its end: a rate that has not fallen yet says little of what it will be.

No library does it: a trial is an ordinary run's folder, which goes on from its own snapshots and
says by its own table how good it is. A study beside them (Optuna's storage) would be a second
record that can disagree, its pruners stop trials by what the earlier ones have reached in the
middle of their schedules, and its sampler has little to learn from of ten or thirty trials.

Read on in this order: ``options.py``, ``space.py`` (what is tried), ``held.py`` (pictures held out
to test on), ``trial.py`` (one run), ``search.py`` (all of it).
"""
