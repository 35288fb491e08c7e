"""An LMDB as a data set of other tools: one module a tool; ``entries`` is what all of them read."""
