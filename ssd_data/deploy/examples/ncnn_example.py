"""Find things in pictures with ncnn: python example.py PICTURE..."""

import json
import sys
from pathlib import Path

import cv2
import ncnn
import numpy as np

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "preprocess.json").read_text("utf-8"))
GIVEN, NAMES = TABLE["input"], {c["label"]: c["name"] for c in TABLE["classes"] or []}
net = ncnn.Net()
for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
    setattr(net.opt, name, False)  # as it was proven; true is faster on some devices
net.load_param(str(HERE / "net.param"))
net.load_model(str(HERE / "net.bin"))
for file in sys.argv[1:]:
    picture = cv2.imread(file, int(GIVEN["shape"][1] == 3))  # 0: gray, 1: blue, green, red
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (GIVEN["shape"][3], GIVEN["shape"][2])).astype(np.float32)
    values = small.reshape(*small.shape[:2], -1) - np.float32(GIVEN["mean"][: GIVEN["shape"][1]])
    values *= np.float32(GIVEN["scale"])
    values = np.ascontiguousarray(values.transpose(2, 0, 1))
    run = net.create_extractor()
    run.input(GIVEN["name"], ncnn.Mat(values).clone())
    mats = [run.extract(name)[1] for name in TABLE["outputs"]]
    found = [np.array(mat) if mat.dims else np.zeros((0, 6)) for mat in mats]  # nothing is found
    if TABLE["detection"]:  # locations and confidences
        from postprocess import Detector

        rows = Detector(HERE)(found[0][None], found[1][None])[:, 1:]
    else:
        rows = found[0].reshape(-1, 6)
    for label, score, *box in rows:
        corners = [round(v * s) for v, s in zip(box, (width, height) * 2, strict=True)]
        print(file, NAMES.get(int(label), int(label)), f"{score:.3f}", *corners)
