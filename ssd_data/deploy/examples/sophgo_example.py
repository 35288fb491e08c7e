"""Find things in pictures on the chip, with Sophgo's sail: python example.py PICTURE..."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from postprocess import Detector
from sophon import sail

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "preprocess.json").read_text("utf-8"))
GIVEN, NAMES = TABLE["input"], {c["label"]: c["name"] for c in TABLE["classes"] or []}
net, detector = sail.Engine(str(HERE / "net.bmodel"), 0, sail.IOMode.SYSIO), Detector(HERE)
(graph,) = net.get_graph_names()
channels, height, width = GIVEN["shape"][1:]
for file in sys.argv[1:]:
    picture = cv2.imread(file, cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    values = detector.prepare(cv2.resize(picture, (width, height)))[None]
    found = net.process(graph, {net.get_input_names(graph)[0]: values})
    found = {name[:-4] if name.endswith("_f32") else name: held for name, held in found.items()}
    for label, score, *box in detector(*(found[name] for name in TABLE["outputs"]))[:, 1:]:
        corners = np.multiply(box, picture.shape[1::-1] * 2).round().astype(int)
        print(file, NAMES.get(int(label), int(label)), f"{score:.3f}", *corners)
