"""AnnotatedDatum LMDBs: records, their bytes, reading, writing, looking through."""
