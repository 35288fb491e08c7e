"""CSV files: a row a box, with or without a header that names the columns."""
