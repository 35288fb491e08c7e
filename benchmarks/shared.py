"""What all measurements share: rounds, medians, the table, page-cache and memory readings."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.005
QUIET_SECONDS = 0.3
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours, reference: with their units, as shown.
        ratio: of the two, None where the line only informs.
        target: such as ">= 15" or "<= 2", empty where there is none.
    """

    what: str
    ours: str
    reference: str = ""
    ratio: float | None = None
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if not self.target or self.ratio is None:
            return None
        sign, _, limit = self.target.partition(" ")
        return self.ratio >= float(limit) if sign == ">=" else self.ratio <= float(limit)


@dataclass(frozen=True, slots=True)
class Topic:
    """The results of one topic and what has to be known to read them."""

    title: str
    results: list[Result]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The topic as JSON has it."""
        lines = [{**asdict(r), "met": r.met} for r in self.results]
        return {"title": self.title, "results": lines, "notes": self.notes}


@dataclass(frozen=True, slots=True)
class Context:
    """Where and how much to measure.

    Attributes:
        folder: everything is written below it.
        data: a folder in WIDER FACE's layout, None to draw pictures.
        quick: a smoke test of a few seconds; its figures mean nothing.
        rounds: how often each thing is measured.
        patience: for how many seconds at most each waits until the machine has nothing else to do.
    """

    folder: Path
    data: Path | None
    quick: bool
    rounds: int
    patience: float


def find_data(given: Path | None) -> Path | None:
    """The pictures: what was given, else where tests look for real data, else none."""
    if given is not None:
        return given
    shared = os.environ.get("SSD_DATA_SHARED", ROOT.parent / "shared" / "data")
    folder = Path(shared) / "WIDER_FACE"
    return folder if folder.is_dir() else None


def find_pictures(given: Path | None) -> Path | None:
    """A VOCdevkit: what was given, else where tests look for real data, else none."""
    if given is not None:
        return given
    shared = os.environ.get("SSD_DATA_SHARED", ROOT.parent / "shared" / "data")
    folder = Path(shared) / "VOCdevkit"
    return folder if folder.is_dir() else None


@contextmanager
def work_folder(given: Path | None, keep: bool = False) -> Iterator[Path]:
    """A new folder below ``given`` (else the current one), removed at the end."""
    parent = given or Path()
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="bench-", dir=parent)).resolve()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def run_topic(
    parser: argparse.ArgumentParser,
    measure: Callable[[Context, argparse.Namespace], Topic],
    arguments: Sequence[str] | None,
) -> int:
    """A program that measures one topic and prints its table.

    Args:
        parser: has the program's own options, ``--rounds`` among them where things are repeated;
            those that all have come to them.
    """
    parser.add_argument("--patience", type=float, default=0, help="seconds to wait for quiet")
    parser.add_argument("--dir", type=Path, help="work below this folder, else the current one")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    asked = parser.parse_args(arguments)
    with work_folder(asked.dir) as folder:
        rounds = 1 if asked.quick else vars(asked).get("rounds", 1)
        topic = measure(Context(folder, None, asked.quick, rounds, asked.patience), asked)
    print(show(topic), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(topic.to_json(), indent=1) + "\n")
    return 0


@dataclass(slots=True)
class Rounds:
    """Times of several things that are measured in turn, so that each round can be compared."""

    setting: Context
    seconds: dict[str, list[float]] = field(default_factory=dict)
    busy: dict[str, list[float]] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)

    def time(self, name: str, work: Callable[[Path], object]) -> None:
        """Time ``work(out)`` once; ``out`` does not exist, and nothing waits to be written."""
        out = self.setting.folder / "out"
        remove(out)
        os.sync()
        wait_for_quiet(self.setting.patience)
        all_before = machine_seconds()
        start, busy = time.perf_counter(), time.process_time()
        work(out)
        seconds, own = time.perf_counter() - start, time.process_time() - busy
        self.seconds.setdefault(name, []).append(seconds)
        self.busy.setdefault(name, []).append(own)
        self.others.append(max(machine_seconds() - all_before - own, 0) / seconds)
        remove(out)

    def median(self, name: str) -> float:
        """The median time."""
        return median(self.seconds[name])

    def processors(self, name: str) -> float:
        """How many processors were kept busy, by the median."""
        pairs = zip(self.busy[name], self.seconds[name], strict=True)
        return median(busy / seconds for busy, seconds in pairs)

    def ratio(self, name: str, other: str) -> float:
        """The median of ``name``'s time divided by ``other``'s of the same round."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return median(a / b for a, b in pairs)

    def speed(self, name: str, count: int, unit: str = "pictures/s") -> str:
        """Pieces a second by the median, with the spread of the times."""
        times = self.seconds[name]
        spread = f"{min(times):.2f}–{max(times):.2f} s" if len(times) > 1 else f"{times[0]:.2f} s"
        return f"{count / self.median(name):.0f} {unit} ({spread})"


def machine_seconds() -> float:
    """Processor seconds that the machine has spent since it started; 0 where it does not tell."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0
    user, nice, system, _, _, *interrupts = map(int, words[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(patience: float) -> None:
    """Wait until other processes take less than a tenth of a processor, if that comes in time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = machine_seconds()
        time.sleep(QUIET_SECONDS)
        if machine_seconds() - before < QUIET_SECONDS / 10:
            return


def remove(path: Path) -> None:
    """Remove a file or a folder, whichever it is."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def forget_pages(files: Iterable[Path]) -> None:
    """Drop the files' contents from the page cache; their names and inodes stay in memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    os.sync()
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Memory:
    """A child process: what it reported, and the peaks of it and its own children.

    Attributes:
        answer: the JSON that it printed.
        anonymous: peak of anonymous memory in bytes; None where the system does not tell.
        file: peak of mapped file pages in bytes, which the system may take back at any time.
    """

    answer: dict[str, Any]
    anonymous: int | None
    file: int | None


def run_child(setting: Context, job: str, **arguments: object) -> Memory:
    """Run a job of ``benchmarks.child`` in a fresh process and watch its memory."""
    wait_for_quiet(setting.patience)
    command = [sys.executable, "-m", "benchmarks.child", job, json.dumps(arguments, default=str)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        watch = _Watch(child.pid)
        watch.start()
        text, _ = child.communicate()
        watch.stop()
    if child.returncode:
        raise SystemExit(f"the child process failed: {' '.join(command)}")
    peaks = watch.peaks
    return Memory(json.loads(text), peaks.get("RssAnon"), peaks.get("RssFile"))


class _Watch(threading.Thread):
    """Samples the resident memory of a process and all below it."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.peaks: dict[str, int] = {}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            for name, value in _resident(self.process).items():
                self.peaks[name] = max(self.peaks.get(name, 0), value)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _resident(process: int) -> dict[str, int]:
    """Resident bytes by kind, summed over a process and its children."""
    total: dict[str, int] = {}
    for one in (process, *_children(process)):
        for name, value in _status(one).items():
            total[name] = total.get(name, 0) + value
    return total


def _status(process: int) -> Mapping[str, int]:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.startswith(("RssAnon:", "RssFile:")))
    return {name.rstrip(":"): int(value) * 1024 for name, value, _ in fields}


def _children(process: int) -> list[int]:
    try:
        words = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    found = [int(word) for word in words]
    return [*found, *(below for one in found for below in _children(one))]


def show(topic: Topic) -> str:
    """The topic as a Markdown table with its notes."""
    head = ["what", "ours", "reference", "ratio", "target", "met"]
    rows = [head, *([_cell(value) for value in _row(r)] for r in topic.results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [f"\n{note}" for note in topic.notes]
    return "\n".join([f"### {topic.title}\n", *lines, *notes]) + "\n"


def _row(result: Result) -> list[object]:
    met = {True: "yes", False: "NO", None: ""}[result.met]
    ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
    return [result.what, result.ours, result.reference, ratio, result.target, met]


def _cell(value: object) -> str:
    return str(value).replace("|", "/")


def mebibytes(size: float | None) -> str:
    """``123 MiB``, or that the system does not tell."""
    return "not known" if size is None else f"{size / MIB:.0f} MiB"
