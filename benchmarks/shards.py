"""Measure shards: ``python -m benchmarks.shards``; the README explains what is compared."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks import sources, standin
from benchmarks.shared import (
    Context,
    Result,
    Rounds,
    Topic,
    find_data,
    mebibytes,
    remove,
    show,
    work_folder,
)
from ssd_data import Batches, LmdbReader, Tally, build, families
from ssd_data.core.files.remote.address import as_path
from ssd_data.data.dataset import Dataset
from ssd_data.data.lmdb.merge import merge
from ssd_data.data.lmdb.split import shard

SHARDS, BUILT, SPLIT = 16, 4, "train"
Work = Callable[[Path], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all, and print a table each."""
    parser = argparse.ArgumentParser("python -m benchmarks.shards", description=__doc__)
    parser.add_argument("--dir", type=Path, help="work below this folder, else the current one")
    parser.add_argument("--data", type=Path, help="pictures in WIDER FACE's layout")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--patience", type=float, default=0, help="seconds to wait for quiet")
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    options = parser.parse_args(arguments)
    with work_folder(options.dir) as folder:
        rounds = 1 if options.quick else options.rounds
        data = find_data(options.data)
        setting = Context(folder, data, options.quick, rounds, options.patience)
        topics = _measured(setting)
    for topic in topics:
        print(show(topic), flush=True)
    if options.json:
        options.json.write_text(json.dumps([one.to_json() for one in topics], indent=1) + "\n")
    return 0


def _measured(setting: Context) -> list[Topic]:
    pictures = sources.wider(setting.folder, setting.data, 12 if setting.quick else 1000)
    one, cut = setting.folder / "one", setting.folder / "cut"
    build(pictures.dataset, one, splits=[SPLIT], workers=2)
    lmdb = one / pictures.dataset.lmdb_name(SPLIT)
    shard(lmdb, cut, SHARDS)
    about = f"{pictures.note}; {mebibytes(pictures.bytes)}; {setting.rounds} rounds; 16 shards"
    return [
        _merging(setting, about, lmdb, cut),
        _reading(setting, about, lmdb, cut),
        _building(setting, about, pictures.dataset),
    ]


def _merging(setting: Context, about: str, lmdb: Path, cut: Path) -> Topic:
    """Merging, over copying the shards' files into one file; cutting, over copying the LMDB."""
    rounds = Rounds(setting)
    files = sorted(cut.glob("*/data.mdb"))
    works: dict[str, Work] = {
        "copy": lambda out: standin.copy(files, out),
        "merge": lambda out: merge(cut, out),
        "shard": lambda out: shard(lmdb, out, SHARDS),
    }
    _turns(rounds, works)
    results = [_slower(rounds, "merge", "copy", "<= 1.5"), _slower(rounds, "shard", "copy")]
    return Topic("Merging and cutting", results, [about, _busy(rounds)])


def _reading(setting: Context, about: str, lmdb: Path, cut: Path) -> Topic:
    """Reading shards, as they are and through the cache, over reading the LMDB: all values, single
    ones, and what a net is fed."""
    rounds = Rounds(setting)
    works: dict[str, Work] = {}
    places: dict[str, Path] = {"one": lmdb, "shards": cut}
    if find_spec("fsspec"):
        places["cache"] = _stored(setting.folder, cut)
        works["fetched"] = lambda out: _read_anew(places["cache"], out)
        _read_all(places["cache"])
    for name, path in places.items():
        works[f"all, {name}"] = lambda out, path=path: _read_all(path)  # type: ignore[misc]
        works[f"single, {name}"] = lambda out, path=path: _read_single(path)  # type: ignore[misc]
        works[f"fed, {name}"] = lambda out, path=path: _fed(path, setting)  # type: ignore[misc]
    _turns(rounds, works)
    results = [
        _slower(rounds, f"{what}, {name}", f"{what}, one", "<= 1.1" if what == "fed" else "")
        for name in places
        for what in ("all", "single", "fed")
        if name != "one"
    ]
    if "fetched" in works:
        results.append(_slower(rounds, "fetched", "all, one"))
    return Topic("Reading", results, [about, _busy(rounds)])


def _read_all(path: Path) -> None:
    with LmdbReader(path) as reader:
        for _ in reader.items():
            pass


def _stored(folder: Path, cut: Path) -> Path:
    """The shards in a store that is this process's memory, and a cache in a folder."""
    import fsspec

    os.environ["SSD_DATA_CACHE"] = str(folder / "cache")
    fsspec.filesystem("memory").put(str(cut), "/shards/cut", recursive=True)
    return as_path("memory://shards/cut")


def _read_anew(path: Path, cache: Path) -> None:
    """All values, fetched into a cache that has nothing."""
    with patch.dict(os.environ, {"SSD_DATA_CACHE": str(cache)}):
        _read_all(path)


def _read_single(path: Path) -> None:
    """Each record by its place, as data layers read."""
    with LmdbReader(path) as reader:
        for index in range(len(reader)):
            reader.value(reader.key_at(index))


def _fed(path: Path, setting: Context) -> None:
    layer = families.generate("mobilenet_ssd", 21).nets["train"].layer[0]
    layer.data_param.source, layer.data_param.batch_size = str(path), 8
    with Batches(layer, workers=2) as batches:
        for _ in range(1 if setting.quick else 40):
            next(batches)


def _building(setting: Context, about: str, dataset: Dataset) -> Topic:
    """Building shards over building one LMDB; and once more when one picture has changed."""
    rounds = Rounds(setting)
    works: dict[str, Work] = {
        "one": lambda out: build(dataset, out, splits=[SPLIT], workers=2),
        "shards": lambda out: build(dataset, out, splits=[SPLIT], workers=2, shards=BUILT),
    }
    _turns(rounds, works)
    kept = setting.folder / "kept"
    build(dataset, kept, splits=[SPLIT], workers=2, shards=BUILT)
    picture = dataset.root / next(iter(dataset.entries(SPLIT, Tally()))).image
    for number in range(setting.rounds):
        os.utime(picture, (number, number))
        rounds.time("one changed", lambda out: _again(dataset, kept))
    remove(kept)
    results = [
        _slower(rounds, "shards", "one", "<= 1.3"),
        _slower(rounds, "one changed", "one"),
    ]
    return Topic("Building", results, [about, f"built as {BUILT} shards", _busy(rounds)])


def _again(dataset: Dataset, out: Path) -> None:
    found = build(dataset, out, splits=[SPLIT], workers=2, shards=BUILT, redo=True)
    assert found.shards[SPLIT][0] == 1


def _turns(rounds: Rounds, works: dict[str, Work]) -> None:
    for _ in range(rounds.setting.rounds):
        for name, work in works.items():
            rounds.time(name, work)


def _slower(rounds: Rounds, name: str, other: str, target: str = "") -> Result:
    """How many times the other's time it takes."""
    ours, theirs = (f"{rounds.median(n):.3f} s" for n in (name, other))
    return Result(f"{name}: time", ours, f"{other} {theirs}", rounds.ratio(name, other), target)


def _busy(rounds: Rounds) -> str:
    each = ", ".join(f"{name} {rounds.processors(name):.1f}" for name in rounds.seconds)
    return f"processors kept busy: {each}; other processes meanwhile: {median(rounds.others):.1f}"


if __name__ == "__main__":
    sys.exit(main())
