"""Short programs that run a folder, written into it: one a runtime, in Python and in C++.

They are not imported: :func:`write_examples` copies their text.
"""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.files.whole import write_whole

PYTHON, NATIVE = "example.py", "example.cpp"
_HERE = Path(__file__).parent


def write_examples(runtime: str, folder: Path, *, native: bool) -> dict[str, str]:
    """Write a runtime's examples; files by name.

    Args:
        native: whether the one in C++ is written, too.
    """
    write_whole(folder / PYTHON, (_HERE / f"{runtime}_example.py").read_bytes())
    files = {PYTHON: "finds things in pictures: python example.py PICTURE"}
    if native:
        write_whole(folder / NATIVE, (_HERE / f"{runtime}_example.cpp").read_bytes())
        files[NATIVE] = "the same in C++, of a picture in PPM"
    return files
