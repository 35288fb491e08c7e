"""The data half: a raw data set found, scanned, converted and written as LMDBs."""
