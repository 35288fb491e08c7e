"""Measure builds by a Ray cluster on this machine: ``python -m benchmarks.ray``; see the README."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from benchmarks.shared import Context, Result, Rounds, Topic, mebibytes, run_topic
from ssd_data import build, find
from ssd_data.core.tasks import run
from ssd_data.data.dataset import Dataset
from ssd_data.data.synthetic.sample import draw_sample

WORKERS = (1, 2, 4)
A_SHARD = 500  # pictures
OBJECTS = 80 << 20
SAMPLE_SECONDS = 0.2
LOCAL = "local"
_CLUSTER = """\
import sys
import ray
made = ray.init(address="local", num_cpus={cpus}, object_store_memory={objects},
                include_dashboard=False, logging_level="ERROR", log_to_driver=False)
print(made.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all, and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.ray", description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000, help="how many are drawn")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is measured")
    return run_topic(
        parser,
        lambda setting, asked: measure(setting, 60 if asked.quick else asked.pictures),
        arguments,
    )


def measure(setting: Context, count: int) -> Topic:
    """Builds by one process and by 1, 2 and 4 workers; connecting is measured apart."""
    dataset = _drawn(setting.folder / "drawn", count)
    shards = max(4, count // A_SHARD)
    rounds, memory = Rounds(setting), Memory()
    for _ in range(setting.rounds):
        with memory.of(LOCAL, os.getpid()):
            rounds.time(LOCAL, lambda out: _build(dataset, out, shards))
        for workers in WORKERS[: 2 if setting.quick else None]:
            name = f"{workers} on ray"
            with _cluster(workers) as cluster:
                rounds.time(f"connecting, {name}", lambda _: list(run(len, [""], "ray")))
                with memory.of(name, os.getpid(), cluster):
                    rounds.time(name, lambda out: _build(dataset, out, shards, "ray"))
    results = list(_results(rounds, count))
    about = f"{count:,} pictures of 64x64, {shards} shards, {setting.rounds} rounds"
    return Topic("Builds by a Ray cluster", results, [about, *memory.told()])


def _build(dataset: Dataset, out: Path, shards: int, on: str = LOCAL) -> None:
    build(dataset, out, splits=["trainval"], workers=1, shards=shards, on=on)


def _results(rounds: Rounds, count: int) -> Iterator[Result]:
    one = rounds.seconds[LOCAL]
    yield Result("one process", rounds.speed(LOCAL, count))
    for name in rounds.seconds:
        if not name.endswith("on ray") or name.startswith("connecting"):
            continue
        begun = rounds.seconds[f"connecting, {name}"]
        pairs = zip(rounds.seconds[name], begun, one, strict=True)
        ratio = median((whole - start) / alone for whole, start, alone in pairs)
        whole, start = rounds.median(name), median(begun)
        text = f"{whole:.2f} s, of which {start:.2f} s to connect"
        target = "<= 1.2" if name.startswith("1 ") else ""
        alone = f"one process {median(one):.2f} s"
        yield Result(f"{name}: time less connecting", text, alone, ratio, target)


def _drawn(folder: Path, count: int) -> Dataset:
    """A VOC tree of small pictures; the same few again and again, under other names."""
    few = min(count, 200)
    draw_sample(folder, layouts=["voc"], train=few, test=1, size=64)
    root = folder / "voc"
    pictures, notes = root / "JPEGImages", root / "Annotations"
    listed = (root / "ImageSets/Main/trainval.txt").read_text().split()
    names = list(listed)
    for number in range(few, count):
        old, new = listed[number % few], f"more{number:07}"
        (pictures / f"{new}.jpg").write_bytes((pictures / f"{old}.jpg").read_bytes())
        text = (notes / f"{old}.xml").read_text().replace(f"{old}.jpg", f"{new}.jpg")
        (notes / f"{new}.xml").write_text(text)
        names.append(new)
    (root / "ImageSets/Main/trainval.txt").write_text("\n".join(names) + "\n")
    return find(root)


@contextmanager
def _cluster(cpus: int) -> Iterator[int]:
    """A cluster of so many CPUs, which RAY_ADDRESS names; gives the process that holds it."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    program = _CLUSTER.format(cpus=cpus, objects=OBJECTS)
    holder = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert holder.stdin is not None and holder.stdout is not None  # noqa: PT018
    try:
        os.environ["RAY_ADDRESS"] = holder.stdout.readline().strip()
        yield holder.pid
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


class Memory:
    """How much of their own each process keeps, as the work goes on."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._names: dict[int, str] = {}

    @contextmanager
    def of(self, name: str, *tops: int) -> Iterator[None]:
        """Look at some processes and all below them."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(SAMPLE_SECONDS):
                for pid in _below(tops):
                    self._seen[name][self._name(pid)].append(_own_bytes(pid))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _name(self, pid: int) -> str:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            text = " ".join(words[:3])
            if pid == os.getpid():
                return "this process"
            if words[0].startswith("ray::"):
                return f"worker {pid}" if "Agent" not in words[0] else ""
            return "the process beside it" if "_ray_driver" in text else ""
        return ""

    def told(self) -> Iterator[str]:
        """Of each process the most in the middle third of its time and in the last."""
        for name, seen in self._seen.items():
            parts = []
            for process, sizes in sorted(seen.items()):
                third = len(sizes) // 3
                if not process or not third:
                    continue
                middle, last = max(sizes[third : 2 * third]), max(sizes[2 * third :])
                parts.append(f"{process} {mebibytes(middle)}, then {mebibytes(last)}")
            yield f"memory of its own, {name}: {'; '.join(parts)}"


def _below(tops: Sequence[int]) -> list[int]:
    found = list(tops)
    for pid in found:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                text = Path(f"/proc/{pid}/task/{task}/children").read_text()
                found += [one for one in map(int, text.split()) if one not in found]
    return found


def _own_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    return 0


if __name__ == "__main__":
    sys.exit(main())
