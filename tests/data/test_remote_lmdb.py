"""LMDBs in a store: read through the cache of this machine, written shard by shard."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support import commands, data_layers, s3
from support.places import Elsewhere
from support.s3 import S3, Asked

from ssd_data import LmdbReader, build, find
from ssd_data.batches import Batches
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.remote import cache
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.remote.fetching import StoreError
from ssd_data.data.build import builder
from ssd_data.data.lmdb.identity import digest
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.synthetic.sample import draw_sample

Run = Callable[..., commands.Result]
TRAIN, TEST = "voc_trainval_lmdb", "voc_test_lmdb"


@pytest.fixture
def store(store: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3:
    """The same; what comes of it lies in a cache of its own."""
    monkeypatch.setenv("SSD_DATA_CACHE", str(tmp_path / "cache"))
    return store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its build in shards and its build in one."""
    top = tmp_path_factory.mktemp("made")
    draw_sample(top / "sample", ["voc"], train=18, test=5, size=64)
    build(find(top / "sample" / "voc"), top / "shards", shards=3)
    build(find(top / "sample" / "voc"), top / "whole")
    return top


def fetched(store: S3) -> list[str]:
    """The LMDBs' files that were asked for."""
    return [one.key for one in store.asked if one.what == "GET" and one.key.endswith("data.mdb")]


@pytest.mark.parametrize("form", ["shards", "whole"])
def test_records_are_those_of_the_disk(form: str, made: Path, store: S3) -> None:
    address = store.holding(made / form)
    for name in (TRAIN, TEST):
        with LmdbReader(f"{address}/{name}") as there, LmdbReader(made / form / name) as here:
            assert list(there.items()) == list(here.items())
            assert there.keys() == here.keys()
            assert digest(there) == digest(here)
            assert [record.key for record in there] == [record.key for record in here]
    assert store.twice() == []
    store.forget()
    with LmdbReader(f"{address}/{TEST}") as again:
        assert len(again) == 5
        assert len(list(again.items())) == 5
    assert fetched(store) == []


def test_only_the_shards_that_are_asked_for(made: Path, store: S3) -> None:
    address = store.holding(made / "shards")
    with LmdbReader(f"{address}/{TRAIN}") as records:
        assert len(records) == 18
        assert fetched(store) == []
        assert records[-1].boxes.shape[1] == 4
        assert len(fetched(store)) == 1


def test_batches_are_those_of_the_disk(made: Path, store: S3) -> None:
    address = store.holding(made / "shards")
    layers = [data_layers.training(f"{top}/{TRAIN}") for top in (address, made / "shards")]
    with Batches(layers[0], seed=3) as there, Batches(layers[1], seed=3) as here:
        for _ in range(6):
            one, other = next(there), next(here)
            assert one.data.tobytes() == other.data.tobytes()
            assert one.label.tobytes() == other.label.tobytes()


def test_the_cache_keeps_to_its_size(
    made: Path, store: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = store.holding(made / "shards"), tmp_path / "cache" / "files"
    files = list((made / "shards" / TRAIN).glob("*/data.mdb"))
    most = max(file.stat().st_size for file in files)
    monkeypatch.setenv("SSD_DATA_CACHE_SIZE", str(2 * most))
    for _ in range(2):
        with LmdbReader(f"{address}/{TRAIN}") as records:
            assert len(list(records.items())) == 18
        held = [file.stat().st_size for file in folder.rglob("data.mdb")]
        assert held
        assert sum(held) <= 2 * most
    monkeypatch.setenv("SSD_DATA_CACHE_SIZE", str(most - 1))
    shutil.rmtree(folder)
    with (
        pytest.raises(InputError, match="all of the cache may have"),
        LmdbReader(f"{address}/{TRAIN}") as records,
    ):
        list(records.items())
    monkeypatch.setenv("SSD_DATA_CACHE_SIZE", "much")
    with (
        pytest.raises(UsageError, match='"much" is no size'),
        LmdbReader(f"{address}/{TEST}") as records,
    ):
        list(records.items())


def test_the_file_that_nobody_asked_for_the_longest_goes(
    made: Path, store: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = store.holding(made / "whole"), tmp_path / "cache" / "files"

    def read(name: str) -> None:
        with LmdbReader(f"{address}/{name}") as records:
            list(records.items())

    read(TRAIN)
    read(TEST)
    sizes = sum(file.stat().st_size for file in folder.rglob("data.mdb"))
    monkeypatch.setenv("SSD_DATA_CACHE_SIZE", str(sizes))
    read(TRAIN)
    other = store.holding(made / "whole")
    store.forget()
    with LmdbReader(f"{other}/{TEST}") as records:
        list(records.items())
    read(TRAIN)
    assert [key for key in fetched(store) if TRAIN in key] == []


def test_what_is_open_may_go(made: Path, store: S3, tmp_path: Path) -> None:
    address = store.holding(made / "whole")
    with LmdbReader(f"{address}/{TEST}") as records, LmdbReader(made / "whole" / TEST) as here:
        shutil.rmtree(tmp_path / "cache" / "files")
        assert list(records.items()) == list(here.items())


@pytest.mark.parametrize("left", ["part", "short", "file"])
def test_what_a_killed_process_left_is_of_no_use(
    left: str, made: Path, store: S3, tmp_path: Path
) -> None:
    address, folder = store.holding(made / "whole"), tmp_path / "cache" / "files"
    with LmdbReader(f"{address}/{TEST}") as records:
        wanted = list(records.items())
    (kept,) = [path.parent for path in folder.rglob("data.mdb")]
    if left == "part":
        kept.rename(folder / f"{kept.name}.12345.part")
    elif left == "short":
        with (kept / "data.mdb").open("r+b") as file:
            file.truncate(5000)
    else:
        shutil.rmtree(kept)
        kept.write_bytes(b"")
    with LmdbReader(f"{address}/{TEST}") as records:
        assert list(records.items()) == wanted
    assert not list(folder.glob("*.part"))


def _read(address: str, folder: str) -> int:
    os.environ["SSD_DATA_CACHE"] = folder
    with LmdbReader(address) as records:
        return sum(1 for _ in records.items())


def test_processes_share_it(made: Path, store: S3, tmp_path: Path) -> None:
    address = store.holding(made / "whole")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        given = [(f"{address}/{TRAIN}", str(tmp_path / "shared"))] * 3
        assert pool.starmap(_read, given) == [18] * 3
    assert len(fetched(store)) == 1


def test_a_cache_that_cannot_be_written(
    made: Path, store: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SSD_DATA_CACHE", str(tmp_path / "file"))
    address = store.holding(made / "whole")
    with pytest.raises(OutputError, match="the cache of what is read of stores"):
        LmdbReader(f"{address}/{TEST}")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSD_DATA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.place() == tmp_path / "ssd-data"
    monkeypatch.delenv("SSD_DATA_CACHE_SIZE", raising=False)
    assert cache.most() == 50 * 10**9
    for text, size in (("7", 7), ("3k", 3000), ("2 GB", 2 * 10**9), ("1T", 10**12)):
        monkeypatch.setenv("SSD_DATA_CACHE_SIZE", text)
        assert cache.most() == size


def test_a_download_that_fails_leaves_nothing(made: Path, store: S3, tmp_path: Path) -> None:
    address = store.holding(made / "whole")
    store.always = lambda asked: s3.sending(b"no") if asked.key.endswith("data.mdb") else None
    with pytest.raises(StoreError, match="the store lists .* bytes, and sends"):
        LmdbReader(f"{address}/{TEST}")
    assert not list((tmp_path / "cache").rglob("data.mdb"))


def test_one_that_is_built_anew_while_it_is_read(made: Path, store: S3) -> None:
    address = store.holding(made / "whole")
    bucket, _, folder = address.removeprefix("s3://").partition("/")
    reading = one_build(as_path(f"{address}/{TEST}"))
    reading.__enter__()
    store.put(bucket, f"{folder}/build.json", b"{}")
    with pytest.raises(InputError, match="built anew, or changed, while it was being read"):
        reading.__exit__(None, None, None)


@pytest.mark.parametrize(
    "args",
    [
        ("inspect", "{lmdb}"), ("check", "{lmdb}"), ("check", "{top}"), ("labelmap", "{lmdb}"),
        ("report", "{top}", "-o", "{out}.html"), ("merge", "{lmdb}", "-o", "{out}"),
        ("shard", "{lmdb}", "-o", "{out}", "--shards", "2"),
        ("export", "{lmdb}", "--to", "voc", "-o", "{out}"), ("diff", "{top}", "{here}"),
        ("model", "tiny_ssd", "--build", "{top}", "-o", "{out}"),
    ],
    ids=lambda args: args[0],
)  # fmt: skip
def test_commands(args: tuple[str, ...], made: Path, store: S3, tmp_path: Path, run: Run) -> None:
    address = store.holding(made / "shards")
    key = f"s3://{s3.KEY}:{s3.SECRET.replace('/', '%2F')}@"
    words = {
        "top": address.replace("s3://", key),
        "lmdb": f"{address}/{TEST}".replace("s3://", key),
        "out": str(tmp_path / "out"),
        "here": str(made / "whole"),
    }
    result = run(*(arg.format(**words) for arg in args))
    assert result.status == 0, result.err
    assert s3.SECRET not in result.out + result.err
    if args[0] == "model":
        nets = (tmp_path / "out" / "train.prototxt").read_text()
        assert f'source: "{address}/{TRAIN}"' in nets
        assert f'label_map_file: "{address}/labelmap.prototxt"' in nets
    for file in tmp_path.glob("out*"):
        texts = [file] if file.is_file() else [one for one in file.rglob("*") if one.is_file()]
        assert not any(s3.SECRET.encode() in text.read_bytes() for text in texts)


def test_a_build_into_a_store(made: Path, store: S3) -> None:
    raw = store.holding(made / "sample" / "voc")
    out = f"{raw.rpartition('/')[0]}/built"
    result = build(find(raw), out, shards=3)
    assert result.shards == {"trainval": (3, 3), "test": (3, 3)}
    sent = [one.key.removeprefix("built/") for one in store.asked if one.what == "PUT"]
    assert sent[-1] == "build.json"
    assert [name.rpartition("/")[2] for name in sent[-3:-1]] == ["shards.json"] * 2
    for name in (TRAIN, TEST):
        with LmdbReader(f"{out}/{name}") as there, LmdbReader(made / "whole" / name) as here:
            assert list(there.items()) == list(here.items())
    for name in ("test.txt", "trainval_name_size.txt", "labelmap.prototxt"):
        there = store.fs().cat_file(f"{out.removeprefix('s3://')}/{name}")
        assert there == (made / "whole" / name).read_bytes()
    assert build(find(raw), out, shards=3).up_to_date


def test_a_build_that_is_interrupted_goes_on(made: Path, store: S3) -> None:
    raw = store.holding(made / "sample" / "voc")
    out, puts = f"{raw.rpartition('/')[0]}/built", iter(range(1 << 30))

    def refuses(asked: Asked) -> s3.Way | None:
        stops = asked.what == "PUT" and next(puts) >= 6
        return s3.failing("403 Forbidden", "AccessDenied") if stops else None

    store.always = refuses
    with pytest.raises(StoreError, match="does not let you in"):
        build(find(raw), out, shards=4)
    assert not store.fs().exists(f"{out.removeprefix('s3://')}/build.json")
    store.always = lambda asked: None
    assert build(find(raw), out, shards=4).shards["trainval"] == (3, 4)


def test_shards_that_are_wanted_stay_and_others_go(made: Path, store: S3, tmp_path: Path) -> None:
    raw = store.holding(made / "sample" / "voc")
    place = raw.removeprefix("s3://").rpartition("/")[0]
    out = f"s3://{place}/built"
    build(find(raw), out, splits=["test"], shards=3)
    store.put(place, f"built/{TEST}/{'0' * 32}/data.mdb", b"of another that builds now")
    picture = f"{place}/voc/JPEGImages/test000002.jpg"
    data = store.fs().cat_file(picture)
    store.fs().pipe_file(picture, data[:-2] + b"\0\xff\xd9")
    result = build(find(raw), out, splits=["test"], shards=3, redo=True)
    assert result.shards["test"] == (1, 3)
    names = {key.split("/")[3] for key in store.fs().find(f"{place}/built/{TEST}")}
    assert len(names - {"shards.json"}) == 4
    with LmdbReader(f"{out}/{TEST}") as there:
        assert len(list(there.items())) == 5


def test_nothing_is_read_where_nothing_can_be_written(made: Path, store: S3) -> None:
    raw = store.holding(made / "sample" / "voc")
    found = find(raw)
    found.classes()
    store.forget()
    store.always = lambda asked: (
        s3.failing("403 Forbidden", "AccessDenied") if asked.what == "PUT" else None
    )
    with pytest.raises(StoreError, match="does not let you in"):
        build(found, f"{raw.rpartition('/')[0]}/built")
    assert not any(one.key.endswith(".jpg") for one in store.asked)


def test_no_links_into_a_store(made: Path, store: S3, run: Run, tmp_path: Path) -> None:
    raw = made / "sample" / "voc"
    result = run("build", raw, "-o", "s3://bucket/x", "--link", tmp_path)
    assert result.status == 2
    assert "--link: what lies in a store cannot be linked" in result.err


def test_it_is_browsed(made: Path, store: S3) -> None:
    viewed = pytest.importorskip("support.viewed")
    address = store.holding(made / "shards")
    with viewed.viewing(as_path(f"{address}/{TEST}"), labelmap=None) as viewer:
        page = viewed.get(viewer, "/")
        assert page.status_code == 200
        assert TEST in page.text


def test_workers_of_other_machines_need_no_folder_in_common(
    made: Path, store: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "Pool", Elsewhere)
    raw = store.holding(made / "sample" / "voc")
    out = f"{raw.rpartition('/')[0]}/built"
    store.forget()
    result = build(find(raw), out, splits=["trainval"], shards=3, on="elsewhere")
    assert result.shards == {"trainval": (3, 3)}
    pictures = Counter(one.key for one in store.asked if one.key.endswith(".jpg"))
    assert len(pictures) == 18
    assert set(pictures.values()) == {1}
    annotations = Counter(one.key for one in store.asked if one.key.endswith(".xml"))
    assert set(annotations.values()) <= {1, 2}  # some here, to see what they are
    listed = Counter(one.key for one in store.asked if one.what == "LIST")
    assert listed["voc/"] == 2  # before all, and once more when all is built
    with LmdbReader(f"{out}/{TRAIN}") as there, LmdbReader(made / "whole" / TRAIN) as here:
        assert list(there.items()) == list(here.items())
