"""A raw data set becomes an LMDB, and an LMDB a data set again."""
