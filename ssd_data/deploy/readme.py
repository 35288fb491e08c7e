"""What a shipped folder says of itself, to programs (``preprocess.json``) and to people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ssd_data.core.legible import QUOTE, legible
from ssd_data.core.version import __version__
from ssd_data.deploy.extras_files import PRIORS
from ssd_data.deploy.targets import WrittenNet
from ssd_data.evaluation.compare import Difference

FORMAT = 1
_CHANNELS = {
    1: "1. One channel, gray, values from 0 to 255: of colours 0.114 blue + 0.587 green + 0.299 "
    "red, as OpenCV's IMREAD_GRAYSCALE reads a file.",
    3: "1. Three channels in the order BGR, values from 0 to 255.",
}
_NUMBERS = " (int8: a value is (number - {zero}) * {step:g})"
_AXES = {"N": "batch", "C": "channels", "H": "height", "W": "width"}
_MARKS = re.compile(r"([\\`*\[\]<>|~&]|\b_|_\b)")  # what Markdown would not show as it is


def preprocess_table(profile: str, written: WrittenNet) -> dict[str, Any]:
    """The content of ``preprocess.json``."""
    net = written.net
    batch, channels, height, width = net.shape
    settings = net.head.settings
    return {
        "format": FORMAT,
        "made_by": f"ssd-data {__version__}",
        "profile": profile,
        "made_of": {"deploy": net.deploy.name, "weights": net.weights.name},
        "net": written.facts,
        "input": {
            "name": written.input,
            "shape": [batch, channels, height, width],
            "layout": "NCHW",
            "type": "float32",
            "channels": "gray" if net.preprocessing.gray else "BGR",
            "resize": "bilinear, to width and height, without keeping the aspect ratio",
            "mean": list(net.preprocessing.mean),
            "scale": net.preprocessing.scale,
            "formula": "(value - mean) * scale, value from 0 to 255",
            **written.given,
        },
        "outputs": written.outputs,
        "detection": written.detection,
        "priors": PRIORS if PRIORS in written.facts["files"] else None,
        "thresholds": {
            name: settings[name]
            for name in ("confidence_threshold", "nms_threshold", "top_k", "keep_top_k")
        },
        "classes": None
        if net.labelmap is None
        else [
            {"label": item.label, "name": item.name, "display_name": item.display_name}
            for item in net.labelmap
        ],
    }


def readme(
    profile: str,
    summary: str,
    table: dict[str, Any],
    written: WrittenNet,
    proofs: Sequence[Difference],
    notes: Iterable[str],
) -> str:
    """The content of ``README.md``."""
    parts = [
        f"# {_plain(table['made_of']['weights'])}, for {profile}\n\n{summary}\n",
        _section(
            "Files",
            *(f"- {_code(name)}: {what}" for name, what in written.facts["files"].items()),
            "- `preprocess.json`: all of this page, for programs",
        ),
        _section("Input", *_input(table["input"])),
        _section(
            "Outputs",
            *(
                f"- {_code(n)} {_shape(o['shape'])}: {o['holds']}" + "".join(_whole(_NUMBERS, o))
                for n, o in written.outputs.items()
            ),
            "",
            "Boxes are fractions of the picture, xmin ymin xmax ymax, not clipped.",
        ),
        _section("Thresholds", _thresholds(table["thresholds"])),
        _section("Left to do after the net", *_left_to_do(written)),
        _section("Classes", *_class_lines(table)),
        _section("Proof", *_proof(table["proven"], written, proofs)),
        _section("Notes", *(f"- {_plain(note)}" for note in notes)),
    ]
    return "\n".join(filter(None, parts))


def _section(title: str, *lines: str) -> str:
    """A part of the page; nothing where it has no lines."""
    return "\n".join([f"## {title}", "", *lines, ""]) if lines else ""


def _proof(proven: bool, written: WrittenNet, proofs: Sequence[Difference]) -> list[str]:
    if not proven:
        return [
            "**None.** It was written without being run: nothing shows that it gives what the net "
            "gives. Compare it before you use it."
        ]
    return [
        "Run before it was written, against the embedded engine:",
        "",
        *(f"- {_plain(proof.sentence())}" for proof in proofs),
        *(f"- {_plain(name)}: {_loss(loss)}" for name, loss in written.losses.items()),
    ]


def _input(given: dict[str, Any]) -> list[str]:
    axes = [_AXES[letter] for letter in given["layout"]]
    _, channels, height, width = (given["shape"][given["layout"].index(i)] for i in "NCHW")
    return [
        f"{_code(given['name'])}: {given['type']}, {' x '.join(map(str, given['shape']))} "
        f"({', '.join(axes)}).",
        "",
        _CHANNELS[channels],
        f"2. Resize the picture to {width} x {height} (width x height), bilinear, without keeping "
        "the aspect ratio.",
        _normalising(given, channels),
        *_whole("4. As a whole number: the value / {step:g}, rounded, + {zero}.", given),
        *_example(given),
    ]


def _normalising(given: dict[str, Any], channels: int) -> str:
    mean = ", ".join(f"{v:g}" for v in given["mean"])
    numbers = f"the mean{' of each channel' if channels == 3 else ''} ({mean})"
    if given["type"] == "uint8":
        return f"3. Nothing more: the net subtracts {numbers} and multiplies by {given['scale']:g}."
    return f"3. Subtract {numbers}, then multiply by {given['scale']:g}."


def _example(given: dict[str, Any]) -> list[str]:
    """The same as a program, where that is short."""
    if (given["layout"], given["type"]) != ("NCHW", "float32"):
        return []
    _, channels, height, width = given["shape"]
    numbers = ", ".join(f"{v:g}" for v in given["mean"])
    gray = channels == 1
    return [
        "",
        "```python",
        "import cv2",
        "import numpy as np",
        "",
        f'picture = cv2.imread("photo.jpg", cv2.{"IMREAD_GRAYSCALE" if gray else "IMREAD_COLOR"})',
        f"values = cv2.resize(picture, ({width}, {height})).astype(np.float32)",
        f"values = (values - np.float32([{numbers}])) * np.float32({given['scale']:g})",
        f"batch = values{'' if gray else '.transpose(2, 0, 1)'}[None{', None' if gray else ''}]",
        "```",
    ]


def _whole(text: str, given: dict[str, Any]) -> list[str]:
    """What whole numbers mean, where there are some."""
    if "scale_of_one" not in given:
        return []
    return [text.format(step=given["scale_of_one"], zero=given["zero"])]


def _thresholds(thresholds: dict[str, Any]) -> str:
    return (
        f"Score above {thresholds['confidence_threshold']:g}; boxes of a class that overlap a "
        f"better one by more than {thresholds['nms_threshold']:g} go; of each class "
        f"{_best(thresholds['top_k'])} before that, of each picture "
        f"{_best(thresholds['keep_top_k'])} after it."
    )


def _left_to_do(written: WrittenNet) -> list[str]:
    if written.detection is None:
        return []
    names = "boxes, scores" if "boxes" in written.outputs else "locations, confidences"
    if "maps" in written.facts:
        names = "*detector.joined(outputs)"
    return [
        "`postprocess.py` does it with NumPy alone, as Caffe's DetectionOutput; "
        "`preprocess.json` has its numbers:",
        "",
        "```python",
        "from postprocess import Detector",
        "",
        'detector = Detector(".")',
        f"rows = detector({names})  # picture, label, score, xmin, ymin, xmax, ymax",
        "```",
    ]


def _class_lines(table: dict[str, Any]) -> list[str]:
    if table["classes"] is None:
        return []
    rows = [
        f"| {c['label']} | {_plain(c['name'])} | {_plain(c['display_name'])} |"
        for c in table["classes"]
    ]
    return ["| label | name | |", "|---|---|---|", *rows]


def _plain(text: str) -> str:
    """A stranger's text as Markdown that shows it as it is; it ends no line and no table's cell."""
    return _MARKS.sub(r"\\\1", legible(text))


def _code(name: str) -> str:
    """A stranger's name as code: between more backticks than any that it holds."""
    text = legible(name, QUOTE)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def _shape(shape: Iterable[Any]) -> str:
    return f"({', '.join(map(str, shape))})"


def _best(number: int) -> str:
    return "all" if number < 0 else f"the {number} best"


def _loss(loss: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in loss.items()
    )
