"""A split built as shards by workers that may be lost: each is whole or absent, and made once.

``inputs.py`` says by what a shard is named; ``ranges.py``, where a list is cut; ``task.py`` builds
one, wherever it runs; ``whole.py`` is what a built one says of itself; ``driver.py`` gives out the
tasks and puts together what they made.
"""
