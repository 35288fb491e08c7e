"""Find things in pictures with MNN: python example.py PICTURE..."""

import json
import sys
from pathlib import Path

import cv2
import MNN
import numpy as np

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "preprocess.json").read_text("utf-8"))
GIVEN, NAMES = TABLE["input"], {c["label"]: c["name"] for c in TABLE["classes"] or []}
net = MNN.Interpreter(str(HERE / "net.mnn"))
net.setSessionHint(3, 0)  # small tiles: slower and exact, as it was proven; leave it out for speed
session = net.createSession({"backend": "CPU", "precision": "high"})


def tensor(values):
    """Values as MNN takes them."""
    order = MNN.Tensor_DimensionType_Caffe
    return MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, order)


def output(name):
    """What the net gives."""
    given = net.getSessionOutput(session, name)
    if 0 in given.getShape():  # nothing is found
        return np.zeros(given.getShape(), np.float32)
    held = tensor(np.zeros(given.getShape(), np.float32))
    given.copyToHostTensor(held)
    return np.array(held.getNumpyData()).reshape(given.getShape())


for file in sys.argv[1:]:
    picture = cv2.imread(file, int(GIVEN["shape"][1] == 3))  # 0: gray, 1: blue, green, red
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (GIVEN["shape"][3], GIVEN["shape"][2])).astype(np.float32)
    values = small.reshape(*small.shape[:2], -1) - np.float32(GIVEN["mean"][: GIVEN["shape"][1]])
    values *= np.float32(GIVEN["scale"])
    values = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
    net.getSessionInput(session, GIVEN["name"]).copyFrom(tensor(values))
    net.runSession(session)
    found = [output(name) for name in TABLE["outputs"]]
    if TABLE["detection"]:  # locations and confidences, or boxes and scores
        from postprocess import Detector

        rows = Detector(HERE)(*found)[:, 1:]
    else:
        rows = found[0].reshape(-1, 6)
    for label, score, *box in rows[rows[:, 0] >= 0]:
        corners = [round(v * s) for v, s in zip(box, (width, height) * 2, strict=True)]
        print(file, NAMES.get(int(label), int(label)), f"{score:.3f}", *corners)
