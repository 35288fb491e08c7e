"""Training: the solver and its rules, snapshots, logs, and the loop around them."""
