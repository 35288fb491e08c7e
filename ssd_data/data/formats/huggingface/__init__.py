"""Hugging Face's data sets: Parquet files that hold pictures, or pictures with a metadata file."""
