"""Find things in pictures with LiteRT: python example.py PICTURE..."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter  # or tf.lite.Interpreter
from postprocess import Detector

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "preprocess.json").read_text("utf-8"))
GIVEN, NAMES = TABLE["input"], {c["label"]: c["name"] for c in TABLE["classes"] or []}
net = Interpreter(model_path=str(HERE / "net.tflite")).get_signature_runner()
height, width, channels = GIVEN["shape"][1:]
for file in sys.argv[1:]:
    picture = cv2.imread(file, cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(picture, (width, height)).reshape(height, width, channels)
    values = (small.astype(np.float32) - np.float32(GIVEN["mean"])) * np.float32(GIVEN["scale"])
    if GIVEN["type"] == "int8":
        values = np.round(values / GIVEN["scale_of_one"]) + GIVEN["zero"]
        values = np.clip(values, -128, 127).astype(np.int8)
    result, found = net(**{GIVEN["name"]: values[None]}), []
    for name, one in TABLE["outputs"].items():  # locations and confidences, or boxes and scores
        zero, step = one.get("zero", 0), one.get("scale_of_one", 1)
        found.append((result[name].astype(np.float32) - zero) * np.float32(step))
    for label, score, *box in Detector(HERE)(*found)[:, 1:]:
        corners = [round(v * s) for v, s in zip(box, picture.shape[1::-1] * 2, strict=True)]
        print(file, NAMES.get(int(label), int(label)), f"{score:.3f}", *corners)
