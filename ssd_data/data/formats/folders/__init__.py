"""Pictures and one annotation file each, in one folder or in two."""
