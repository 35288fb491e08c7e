"""The topics: what is measured, each a function from a setting to a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import sources, standin
from benchmarks.shared import (
    MIB,
    Context,
    Memory,
    Result,
    Rounds,
    Topic,
    forget_pages,
    mebibytes,
    remove,
    run_child,
)
from ssd_data.data.build.builder import build
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import scan
from ssd_data.data.dataset import Dataset

SPLIT = "train"
SIDE = (640, 640)
ORIGINAL_KEPT, ORIGINAL_RESIZED = 81, 74  # pictures/s, measured once on a machine of 2 cores
ANON_LIMIT = 400 * MIB


def kept(setting: Context) -> Topic:
    """Bytes kept: against the stand-in, and against the copying of the same bytes."""
    pictures = _pictures(setting)
    count = len(pictures.files)
    rounds = Rounds(setting)
    works: dict[str, Callable[[Path], object]] = {
        "stand-in": partial(standin.convert, pictures.dataset, SPLIT),
        "copy": partial(standin.copy, pictures.files),
        "header": partial(_build, pictures.dataset, BuildOptions(), 2),
        "decode": partial(_build, pictures.dataset, BuildOptions(verify="decode"), 2),
    }
    for name in ("copy", "header"):
        forget_pages(pictures.files)
        rounds.time(f"{name}, cold", works[name])
    _turns(rounds, works, setting.rounds)
    speed = partial(rounds.speed, count=count)
    results = [
        Result("stand-in", "", speed("stand-in") + f"; the original {ORIGINAL_KEPT}"),
        _faster(rounds, count, "header", "stand-in", ">= 15"),
        _faster(rounds, count, "decode", "stand-in"),
        _slower(rounds, "header", "copy", "<= 2"),
        _slower(rounds, "decode", "copy"),
        _slower(rounds, "header, cold", "copy, cold"),
        _slower(rounds, "header, cold", "header", reference="header, warm"),
    ]
    return Topic("Bytes kept", results, [_about(pictures, setting), _busy(rounds)])


def resized(setting: Context) -> Topic:
    """Resized to 640x640 and encoded anew: against the stand-in."""
    pictures = _pictures(setting)
    count = len(pictures.files)
    rounds = Rounds(setting)
    works: dict[str, Callable[[Path], object]] = {
        "stand-in": partial(standin.convert, pictures.dataset, SPLIT, size=SIDE),
        "--size 640": partial(_build, pictures.dataset, BuildOptions(size=SIDE), 2),
    }
    _turns(rounds, works, setting.rounds)
    original = f"; the original {ORIGINAL_RESIZED}"
    results = [
        Result("stand-in", "", rounds.speed("stand-in", count) + original),
        _faster(rounds, count, "--size 640", "stand-in", ">= 3"),
    ]
    notes = [_about(pictures, setting), _busy(rounds)]
    return Topic("Resized to 640x640", results, notes)


def scaling(setting: Context) -> Topic:
    """Ever more small pictures: time a record, and memory."""
    counts = (20, 40) if setting.quick else (1_000, 10_000, 100_000)
    results = []
    for make in (sources.small_voc, sources.small_coco):
        layout = make.__name__.removeprefix("small_").upper()
        each: dict[int, float] = {}
        for count in counts:
            root = make(setting.folder, count).root
            runs = [_watched(setting, root) for _ in range(setting.rounds)]
            each[count] = median(run.answer["seconds"] for run in runs) / count
            results.append(_a_record(layout, count, each))
            remove(root)
        results.append(_memory(f"{layout}, {counts[-1]} records: peak anonymous memory", runs))
    base = mebibytes(run_child(setting, "nothing").anonymous)
    notes = [
        f"hard links to a few pictures of about 3 KB and their XMLs, {sources.FOLDER} a folder; "
        "COCO with 7 boxes a picture; 2 workers",
        f"of the memory, {base} are the imports'",
        f"median of {setting.rounds} rounds; the ratio is to the smaller count before it",
    ]
    return Topic("Ever more records", results, notes)


def _watched(setting: Context, root: Path) -> Memory:
    out = setting.folder / "out"
    remove(out)
    found = run_child(setting, "build", root=root, out=out, workers=2)
    remove(out)
    return found


def _a_record(layout: str, count: int, each: dict[int, float]) -> Result:
    """A record's time, compared to that of the count before."""
    now, *before = [f"{each[n] * 1e6:.0f} µs a record" for n in reversed(each)]
    what = f"{layout}, {count} records"
    if not before:
        return Result(what, now)
    last = list(each.values())[-2]
    return Result(what, now, before[0], each[count] / last, "<= 1.1")


def _memory(what: str, runs: list[Memory]) -> Result:
    peaks = [run.anonymous for run in runs if run.anonymous is not None]
    peak = max(peaks) if peaks else None
    ratio = None if peak is None else peak / ANON_LIMIT
    return Result(what, mebibytes(peak), mebibytes(ANON_LIMIT), ratio, "<= 1")


def coco(setting: Context) -> Topic:
    """One large instances JSON: memory as a multiple of the file, and time."""
    images = 50 if setting.quick else 25_000
    cases = ((False, 56, "boxes alone"), (True, 12, "segmentation"))
    results: list[Result] = []
    for outlines, boxes, what in cases[: 1 if setting.quick else 2]:
        root = setting.folder / f"json-{outlines}"
        path = root / "annotations/instances_train2017.json"
        (root / "train2017").mkdir(parents=True)
        names = [f"{number:012d}.jpg" for number in range(1, images + 1)]
        sources.write_instances(path, names, boxes, outlines)
        size = path.stat().st_size
        about = f"{what}, {mebibytes(size)}, {images * boxes} boxes"
        results += _one_json(setting, about, root, path)
        remove(root)
    base = mebibytes(run_child(setting, "nothing").anonymous)
    notes = [
        f"memory of the whole process, of which {base} are the imports'; mapped pages of the file "
        "are the system's to take back and stated apart",
        "entries: read and let go; scan: held with their labels, as a build holds them",
    ]
    return Topic("One large COCO JSON", results, notes)


def _one_json(setting: Context, what: str, root: Path, path: Path) -> list[Result]:
    size = path.stat().st_size
    reference = run_child(setting, "json", path=path)
    results = []
    for job in ("entries", "scan"):
        run = run_child(setting, job, root=root)
        ratio = None if run.anonymous is None else run.anonymous / size
        ours = f"{mebibytes(run.anonymous)} (and {mebibytes(run.file)} mapped)"
        other = f"the file; json.load {mebibytes(reference.anonymous)}"
        results.append(Result(f"{what}: {job}, peak", ours, other, ratio, "<= 3"))
        mine, theirs = run.answer["seconds"], reference.answer["seconds"]
        times = f"{mine:.2f} s", f"json.load {theirs:.2f} s"
        results.append(Result(f"{what}: {job}, time", *times, mine / theirs))
    seconds = run_child(setting, "classes", root=root).answer["seconds"]
    return [*results, Result(f"{what}: the classes alone, time", f"{seconds:.2f} s")]


def workers(setting: Context) -> Topic:
    """One worker against two, and what the phases before the pictures take."""
    pictures = _pictures(setting)
    voc = sources.small_voc(setting.folder, 20 if setting.quick else 10_000)
    cases: list[tuple[str, Dataset, str, BuildOptions]] = [
        ("pictures of 1024, bytes kept", pictures.dataset, SPLIT, BuildOptions()),
        ("the same, all decoded", pictures.dataset, SPLIT, BuildOptions(verify="decode")),
        ("the same, --size 640", pictures.dataset, SPLIT, BuildOptions(size=SIDE)),
        (f"{_count(voc)} small VOC pictures", voc, "trainval", BuildOptions()),
    ]
    results = []
    notes = [_about(pictures, setting)]
    for what, dataset, split, options in cases:
        rounds = Rounds(setting)
        works: dict[str, Callable[[Path], object]] = {
            "1 worker": partial(_build, dataset, options, 1),
            "2 workers": partial(_build, dataset, options, 2),
            "up to date": partial(_up_to_date, dataset, options),
            "annotations": partial(_annotations, dataset, split, options),
            "digest": _Digest(dataset, split, options),
        }
        _prepare(dataset, options, setting.folder / "before")
        _turns(rounds, works, setting.rounds)
        results += _phases(what, rounds)
        notes.append(f"{what}: {_busy(rounds)}")
    return Topic("Workers and phases", results, notes)


def _count(dataset: Dataset) -> int:
    return sum(1 for _ in (dataset.root / "ImageSets/Main/trainval.txt").open())


def _phases(what: str, rounds: Rounds) -> list[Result]:
    one, two = (f"{rounds.median(n):.2f} s" for n in ("1 worker", "2 workers"))
    gain = rounds.ratio("1 worker", "2 workers")
    results = [Result(f"{what}: 2 workers", two, f"{one} with 1", gain)]
    for name in ("annotations", "digest", "up to date"):
        share = rounds.ratio(name, "2 workers")
        results.append(Result(f"{what}: {name}", f"{rounds.median(name):.3f} s", two, share))
    return results


def _annotations(dataset: Dataset, split: str, options: BuildOptions, _: Path) -> None:
    scan(dataset, split, dataset.classes(), options)


class _Digest:
    """The digest of what goes in, of a scan made before."""

    def __init__(self, dataset: Dataset, split: str, options: BuildOptions) -> None:
        self.scan = scan(dataset, split, dataset.classes(), options)
        self.root = dataset.root

    def __call__(self, _: Path) -> None:
        self.scan.input_digest(self.root)


def _prepare(dataset: Dataset, options: BuildOptions, out: Path) -> None:
    """A build for those that then have nothing to do."""
    remove(out)
    build(dataset, out, options)


def _up_to_date(dataset: Dataset, options: BuildOptions, out: Path) -> None:
    assert build(dataset, out.with_name("before"), options, workers=2).up_to_date


def _pictures(setting: Context) -> sources.Pictures:
    """The large pictures, made once."""
    remove(setting.folder / "WIDER_FACE")
    remove(setting.folder / "drawn")
    return sources.wider(setting.folder, setting.data, 12 if setting.quick else 1000)


def _build(dataset: Dataset, options: BuildOptions, count: int, out: Path) -> None:
    build(dataset, out, options, workers=count)


def _turns(rounds: Rounds, works: dict[str, Callable[[Path], object]], count: int) -> None:
    for _ in range(count):
        for name, work in works.items():
            rounds.time(name, work)


def _faster(rounds: Rounds, count: int, name: str, other: str, target: str = "") -> Result:
    """How many times as fast as the other."""
    speeds = rounds.speed(name, count), rounds.speed(other, count)
    return Result(f"{name}: speed", *speeds, rounds.ratio(other, name), target)


def _slower(rounds: Rounds, name: str, other: str, target: str = "", reference: str = "") -> Result:
    """How many times the other's time it takes; the first of several rounds where it ran once."""
    ours, theirs = (f"{rounds.median(n):.2f} s" for n in (name, other))
    what = f"{name}: time"
    ratio = (
        rounds.ratio(name, other)
        if len(rounds.seconds[name]) == len(rounds.seconds[other])
        else rounds.median(name) / rounds.median(other)
    )
    return Result(what, ours, f"{reference or other} {theirs}", ratio, target)


def _about(pictures: sources.Pictures, setting: Context) -> str:
    size = mebibytes(pictures.bytes)
    return f"{pictures.note}; {size}; median of {setting.rounds} rounds; 2 workers"


def _busy(rounds: Rounds) -> str:
    names = (name for name in rounds.seconds if "cold" not in name)
    each = ", ".join(f"{name} {rounds.processors(name):.1f}" for name in names)
    others = median(rounds.others)
    return f"processors kept busy: {each}; other processes on the machine meanwhile: {others:.1f}"


TOPICS: dict[str, Callable[[Context], Topic]] = {
    "kept": kept,
    "resized": resized,
    "scaling": scaling,
    "coco": coco,
    "workers": workers,
}
