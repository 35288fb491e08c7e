"""Short programs that run a folder, written into it: one a runtime, in Python and in C++.

They are not imported: :func:`write_examples` copies their text.
"""

from __future__ import annotations

import json
from pathlib import Path

from ssd_data.core.files.whole import write_whole
from ssd_data.nets.prepare import PreparedNet

PYTHON, NATIVE = "example.py", "example.cpp"
_HERE = Path(__file__).parent


def write_examples(
    runtime: str, net: PreparedNet, folder: Path, own: str, output: str = ""
) -> dict[str, str]:
    """Write a runtime's examples; files by name.

    Args:
        own: the input's name.
        output: name of the detections, where the net gives them: then there is one in C++, too.
    """
    write_whole(folder / PYTHON, (_HERE / f"{runtime}_example.py").read_bytes())
    files = {PYTHON: "finds things in pictures: python example.py PICTURE"}
    if output:
        text = (_HERE / f"{runtime}_example.cpp").read_text("utf-8")
        for key, value in _constants(net, own, output).items():
            text = text.replace(f"@{key}@", value)
        write_whole(folder / NATIVE, text)
        files[NATIVE] = "the same in C++, of a picture in PPM"
    return files


def _constants(net: PreparedNet, own: str, output: str) -> dict[str, str]:
    """What the program in C++ knows of the net, as C++ has it."""
    channels, (width, height) = net.shape[1], net.size
    means = net.preprocessing.mean[:channels]
    return {
        "WIDTH": str(width),
        "HEIGHT": str(height),
        "CHANNELS": str(channels),
        "MEAN": ", ".join(f"{float(mean)!r}f" for mean in means),
        "SCALE": f"{float(net.preprocessing.scale)!r}f",
        "INPUT": json.dumps(own)[1:-1],
        "OUTPUT": json.dumps(output)[1:-1],
    }
