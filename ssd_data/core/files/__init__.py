"""Files and folders: hostile paths, and writing whole or not at all."""
