"""Find things in pictures on the chip, with rknn-toolkit-lite2: python example.py PICTURE..."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from postprocess import Detector
from rknnlite.api import RKNNLite

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "preprocess.json").read_text("utf-8"))
GIVEN, NAMES = TABLE["input"], {c["label"]: c["name"] for c in TABLE["classes"] or []}
height, width, channels = GIVEN["shape"][1:]
net, detector = RKNNLite(), Detector(HERE)
if net.load_rknn(str(HERE / "net.rknn")) != 0 or net.init_runtime() != 0:
    sys.exit("the chip does not take net.rknn")
for file in sys.argv[1:]:
    picture = cv2.imread(file, cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(picture, (width, height)).reshape(1, height, width, channels)
    outputs = net.inference(inputs=[np.ascontiguousarray(small)])
    for label, score, *box in detector(*detector.joined(outputs))[:, 1:]:
        corners = np.multiply(box, picture.shape[1::-1] * 2).round().astype(int)
        print(file, NAMES.get(int(label), int(label)), f"{score:.3f}", *corners)
net.release()
