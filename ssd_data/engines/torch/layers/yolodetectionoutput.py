"""YoloDetectionOutput, of eric612's fork (``yolo_detection_output_param``)."""

from __future__ import annotations

from ssd_data.engines.torch.layers.yolov3detectionoutput import Yolov3DetectionOutput


class YoloDetectionOutput(Yolov3DetectionOutput):
    """YOLO's second version: one class a box, by a softmax, and anchors in places."""
