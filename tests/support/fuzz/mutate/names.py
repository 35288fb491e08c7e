"""Changes to what files are called and where they lie."""

from __future__ import annotations

import posixpath
from random import Random

from support.fuzz.mutate import odd

ENDINGS = (
    *(
        ".jpg",
        ".JPG",
        ".jpeg",
        ".png",
        ".PNG",
        ".tif",
        ".txt",
        ".xml",
        ".XML",
        ".json",
        ".csv",
        ".yaml",
    ),
    *(
        "",
        ".",
        ".jpg.jpg",
        ".jpg~",
        ".bak",
        ".part",
        ".jpg ",
        ".mdb",
        ".prototxt",
        ".tmp",
        ".jp\u0307g",
    ),
)
FOLDERS = (
    "train",
    "val",
    "test",
    "images",
    "labels",
    "JPEGImages",
    "a b",
    ".x",
    "..a",
    "é",
    "0",
    "Train",
)


def renamed(name: str, others: list[str], random: Random) -> str:
    """Another path below the same folder; the same where none is made of it."""
    folder, file = posixpath.split(name)
    stem, ending = posixpath.splitext(file)
    kind = random.randrange(10)
    if kind == 0:
        file = stem + random.choice(ENDINGS)
    elif kind == 1:
        file = random.choice(
            [file.upper(), file.title(), file.swapcase(), f" {file}", f"{stem} {ending}"]
        )
    elif kind == 2:
        file = random.choice([f"{odd.word(random)}{ending}", f"{stem}{odd.word(random)}{ending}"])
    elif kind == 3:
        folder = posixpath.dirname(folder)
    elif kind == 4:
        folder = posixpath.join(folder, random.choice(FOLDERS))
    elif kind == 5:
        file = posixpath.join(file, "x")  # a folder of that name
    elif kind == 6 and folder:
        folder, file = posixpath.split(folder)  # a file in the place of its folder
    elif kind == 7:
        folder = posixpath.dirname(random.choice(others))
    elif kind == 8:
        file = posixpath.basename(random.choice(others))
    else:
        file = random.choice(["\udcff", "._", ".", "~", "\u0301", "\u202e"]) + file
    made = posixpath.normpath(posixpath.join(folder, file))
    return made if is_fit(made) else name


def is_fit(name: str) -> bool:
    """Whether a file below a folder can be called that."""
    parts = name.split("/")
    if name.startswith("/") or "\0" in name or any(part in ("", ".", "..") for part in parts):
        return False
    try:
        return len(name) < 400 and all(
            len(p.encode("utf-8", "surrogateescape")) < 250 for p in parts
        )
    except UnicodeEncodeError:
        return False
