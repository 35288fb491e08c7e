"""``ssd-data check``: what would make training fail, found before it starts."""
