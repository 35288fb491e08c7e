"""A mapped file that is cut short under a command: one sentence and status 1, no signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.changing import two_builds
from support.coco_trees import roboflow

LMDB = "OUT/raw_trainval_lmdb"
SAID = (
    "error: {}: it was cut short while it was being read\n"
    "  Run this again when nobody writes it: what is to be replaced is written anew and renamed\n"
)
# Cut after the last look at its size, just before the map is read.
OF_LMDBS = """
import os
from ssd_data.data.lmdb.single import SingleLmdb
looked = SingleLmdb._require_whole

def cut(self):
    looked(self)
    os.truncate(f"{self.path}/data.mdb", 0)

SingleLmdb._require_whole = cut
"""
OF_JSON = """
import os
from ssd_data.data.formats.coco import jsonfile
mapped = jsonfile.mapped

def cut(path, what, name):
    found = mapped(path, what, name)
    os.truncate(path, 0)
    return found

jsonfile.mapped = cut
"""
IN_A_THREAD = """
import threading
from ssd_data import cli
run = cli._run

def threaded(args):
    thread = threading.Thread(target=run, args=(args,))
    thread.start()
    thread.join()

cli._run = threaded
"""
CALL = "import sys; from ssd_data.cli import main; main(sys.argv[1:])"
ANOTHER = """
import os, sys
from ssd_data.cli.parts.cuts import cuts_said
with cuts_said([]):
    {}
"""
KILL = "os.kill(os.getpid(), 7)"
THREADED = f"import threading; threading.Thread(target=lambda: {KILL}).start()"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only there the file can be told")


def ended(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@linux
@pytest.mark.parametrize("thread", ["", IN_A_THREAD])
@pytest.mark.parametrize(
    "words",
    [
        ("check", LMDB),
        ("inspect", LMDB),
        ("export", LMDB, "--to", "voc", "-o", "out"),
    ],
    ids=lambda words: words[0],
)
def test_an_lmdb(words: tuple[str, ...], thread: str) -> None:
    two_builds()
    done = ended(OF_LMDBS + thread + CALL, *words)
    assert (done.returncode, done.stderr) == (1, SAID.format(f"{LMDB}/data.mdb"))
    assert not Path("out", "labelmap.prototxt").exists()


@linux
def test_as_json() -> None:
    two_builds()
    done = ended(OF_LMDBS + CALL, "inspect", LMDB, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["where"] == f"{LMDB}/data.mdb"


@linux
def test_a_json() -> None:
    roboflow(Path("raw"))
    done = ended(OF_JSON + CALL, "check", "raw")
    assert done.returncode == 1
    assert done.stderr.startswith("error: raw/test/_annotations.coco.json: ")
    assert done.stderr.endswith(SAID.partition("{}")[2])


@linux
@pytest.mark.parametrize("how", [KILL, THREADED], ids=["sent", "in a thread"])
def test_a_bus_error_of_another_kind_ends_it_as_ever(how: str) -> None:
    done = ended(ANOTHER.format(how))
    assert done.returncode == -signal.SIGBUS
    assert not done.stderr
