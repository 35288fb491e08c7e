"""What all metrics compute with: overlaps, sums, and whether truth and detections fit."""
