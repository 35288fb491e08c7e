"""What all rooms stand on: nouns, boxes, pictures, labelmaps, files, errors."""
