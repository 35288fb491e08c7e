"""Find things in pictures with OpenVINO: python example.py PICTURE..."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import openvino

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "preprocess.json").read_text("utf-8"))
GIVEN, NAMES = TABLE["input"], {c["label"]: c["name"] for c in TABLE["classes"] or []}
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}  # as it was proven; without it some devices are faster
net = openvino.Core().compile_model(str(HERE / "net.xml"), "CPU", EXACT)
channels, height, width = GIVEN["shape"][1:]
for file in sys.argv[1:]:
    picture = cv2.imread(file, cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(picture, (width, height)).reshape(height, width, channels)
    values = (small.astype(np.float32) - np.float32(GIVEN["mean"])) * np.float32(GIVEN["scale"])
    result = net([np.ascontiguousarray(values.transpose(2, 0, 1)[None])])
    found = [np.asarray(result[net.output(name)]) for name in TABLE["outputs"]]
    if TABLE["detection"]:  # locations and confidences, or boxes and scores
        from postprocess import Detector

        rows = Detector(HERE)(*found)[:, 1:]
    else:
        rows = found[0].reshape(-1, 6)
    for label, score, *box in rows[rows[:, 0] >= 0]:
        corners = [round(v * s) for v, s in zip(box, picture.shape[1::-1] * 2, strict=True)]
        print(file, NAMES.get(int(label), int(label)), f"{score:.3f}", *corners)
