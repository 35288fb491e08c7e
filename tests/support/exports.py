"""Small data sets in the shape of people's folders, written from a list of paths."""

from __future__ import annotations

from pathlib import Path

from support.trees import jpeg, xml

ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".jfif")


def write(root: Path, paths: str, **texts: str) -> Path:
    """A folder with these files: pictures, VOC XML with the name ``<stem>.jpg``, lines of txt.

    >>> write(root, "images/a.jpg labels/a.xml train.txt", train="a")

    Args:
        paths: parted by spaces.
        texts: what files hold, by their name without ending (``.`` and spaces as ``_``).
    """
    for number, path in enumerate(paths.split()):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        key = file.stem.replace(".", "_").replace("-", "_")
        if file.suffix in ENDINGS:
            kind = "PNG" if file.suffix == ".png" else "JPEG"
            file.write_bytes(jpeg(seed=number, format=kind))
        elif key in texts:
            file.write_text(texts[key], "utf-8", newline="")
        elif file.suffix.lower() == ".xml":
            name = file.stem.removesuffix(".jpg")
            file.write_text(xml(name=f"{name}.jpg"), "utf-8")
        else:
            file.write_text("cat 5 6 30 40\n", "utf-8")
    return root
