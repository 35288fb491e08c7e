"""``ssd-data download``, from a server in the process that prepares it."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

from support.servers import Server, entry, recipe, zipped
from support.writers.scene import Scene, ignored

SHM = Path("/dev/shm")
FILES = {"set/a.bin": random.Random(0).randbytes(3000), "set/in/b.txt": b"b", "set/c.txt": b"c"}
MORE = {"more/d.txt": b"d"}
ARCHIVES = {"a.zip": zipped(FILES), "b.zip": zipped(MORE)}


@cache
def server() -> Server:
    return Server(ARCHIVES).__enter__()


def record(data: bytes) -> object:
    """What is noted of an archive, but for whence: one that lay there already came from nowhere."""
    table = json.loads(data)
    del table["url"]
    return json.dumps(table)


def _recipe() -> None:
    entries = [entry(data, server().url(name)) for name, data in ARCHIVES.items()]
    recipe(Path("shapes.toml"), *entries)
    Path("out/set").mkdir(parents=True)


DOWNLOAD = ("download", "shapes.toml", "-o", "out", "-q")
PARTS = {
    "out/.downloads/*.part*": ignored,
    "out/.downloads/*.zip": ignored,
    "out/.downloads/*.json": record,
}
SCENES = {"download": Scene(_recipe, DOWNLOAD, pieces=True, grows=PARTS, helper=server)}
if SHM.is_dir() and SHM.stat().st_dev != Path.cwd().stat().st_dev:
    SCENES["download_elsewhere"] = Scene(
        _recipe, DOWNLOAD, pieces=True, grows=PARTS, helper=server, elsewhere=("out/set", SHM)
    )
