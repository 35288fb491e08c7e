"""A build of an S3's data set: what is asked of the store, and what becomes of its faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import commands, everyformat, s3
from support.s3 import S3, Asked

from ssd_data import build, find
from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.remote.fetching import StoreError
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.check.check import check
from ssd_data.data.find import from_list
from ssd_data.data.synthetic.sample import draw_sample

Run = Callable[..., commands.Result]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_sample(folder / "sample", ["voc"], train=20, test=5, size=64)
    return folder / "sample" / "voc"


def files_of(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_one_listing_and_one_request_a_file(name: str, tmp_path: Path, store: S3) -> None:
    here = everyformat.make(name, tmp_path / "raw")
    address = store.holding(here)
    build(find(address), tmp_path / "out")
    assert store.counted()["LIST"] == 1
    assert set(store.counted()) == {"LIST", "GET"}
    assert store.twice() == []
    assert store.counted()["GET"] <= len(files_of(here))


def test_many_requests_are_on_their_way_at_once(sample: Path, tmp_path: Path, store: S3) -> None:
    address = store.holding(sample)
    store.always = lambda asked: s3.slow(0.02) if asked.what == "GET" else None
    build(find(address), tmp_path / "out")
    assert 8 < store.most <= 32
    assert store.counted() == {"LIST": 1, "GET": len(files_of(sample))}
    assert store.twice() == []


def test_a_split_alone_fetches_no_other(sample: Path, tmp_path: Path, store: S3) -> None:
    address = store.holding(sample)
    made = build(find(address), tmp_path / "out", splits=["test"])
    assert made.built == ["test"]
    pictures = [one.key for one in store.asked if one.key.endswith(".jpg")]
    assert len(pictures) == 5


def test_check_reads_it_too(sample: Path, store: S3) -> None:
    address = store.holding(sample)
    here, there = check(sample), check(address)
    assert {**there.to_json(), "labelmap": ""} == {**here.to_json(), "labelmap": ""}
    assert store.twice() == []


def test_what_fails_now_and_then_is_asked_again(sample: Path, tmp_path: Path, store: S3) -> None:
    """Every third request fails, each in its own way; the result is the same to the byte."""
    address, count = store.holding(sample), iter(range(1 << 30))
    ways = [
        s3.failing("503 Slow Down", "SlowDown"),
        s3.failing("500 Internal Server Error"),
        s3.sending(b"cut short", 5000),
        s3.sending(b"another length"),
    ]

    def now_and_then(asked: Asked) -> s3.Way | None:
        number = next(count)
        return ways[number // 3 % len(ways)] if number % 3 == 1 else None

    store.always = now_and_then
    made = build(find(address), tmp_path / "out")
    wanted = build(find(sample), tmp_path / "here")
    for split, one in wanted.record.splits.items():
        assert made.record.splits[split].content_digest == one.content_digest


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (s3.failing("503 Slow Down", "SlowDown"), "the store failed, 5 times"),
        (s3.failing("403 Forbidden", "AccessDenied"), "the store does not let you in"),
        (s3.failing("404 Not Found", "NoSuchKey"), "it was listed, and is gone now"),
        (s3.sending(b"short"), "the store lists .* bytes, and sends 5"),
        (s3.sending(bytes(1 << 20)), "the store lists .* bytes, and sends more"),
    ],
)
@pytest.mark.parametrize("name", ["Annotations/train000007.xml", "JPEGImages/train000007.jpg"])
def test_a_store_that_fails_is_no_picture_that_is_missing(
    way: s3.Way, said: str, name: str, sample: Path, tmp_path: Path, store: S3
) -> None:
    """Not with ``--missing skip``, which would leave out what is there."""
    address = store.holding(sample)
    store.always = lambda asked: way if asked.key.endswith(name) else None
    with pytest.raises(StoreError, match=said) as caught:
        build(find(address), tmp_path / "out", BuildOptions(missing="skip"))
    assert caught.value.where == f"{address}/{name}"
    assert not (tmp_path / "out").exists()
    store.always = lambda asked: None
    assert build(find(address), tmp_path / "out").record.splits["trainval"].records == 20


def test_a_listing_that_fails_is_no_empty_folder(sample: Path, store: S3) -> None:
    address = store.holding(sample)
    store.always = lambda asked: (
        s3.failing("500 Internal Server Error") if asked.what == "LIST" else None
    )
    with pytest.raises(StoreError, match="the store failed, 5 times"):
        find(address)


def test_nothing_there(store: S3, run: Run) -> None:
    for address in ("s3://no-such-bucket/voc", "s3://no-such-bucket"):
        result = run("build", address)
        assert result.status == 1
        assert result.err.startswith(f"error: {address}: nothing lies at this address")


def test_a_picture_that_is_replaced_is_built_anew(sample: Path, tmp_path: Path, store: S3) -> None:
    address = store.holding(sample)
    assert build(find(address), tmp_path / "out").built == ["trainval", "test"]
    assert build(find(address), tmp_path / "out").up_to_date
    fs, place = store.fs(), address.removeprefix("s3://")
    same = fs.cat_file(f"{place}/JPEGImages/train000003.jpg")
    fs.pipe_file(f"{place}/JPEGImages/train000003.jpg", same)  # another time, the same bytes
    assert build(find(address), tmp_path / "out").up_to_date
    fs.pipe_file(f"{place}/JPEGImages/train000003.jpg", same[:-2] + b"\0\xff\xd9")
    with pytest.raises(OutputError, match='"trainval" have changed since it was built'):
        build(find(address), tmp_path / "out")


def test_hostile_keys(sample: Path, store: S3) -> None:
    for key in ("../../etc/passwd", "a//b.jpg", "./c.jpg", "Annotations/../d.xml"):
        address = store.holding(sample)
        bucket, _, folder = address.removeprefix("s3://").partition("/")
        store.put(bucket, f"{folder}/{key}", b"")
        with pytest.raises(InputError, match="is no path"):
            find(address)


def test_a_list_and_a_labelmap_of_a_store(sample: Path, tmp_path: Path, store: S3) -> None:
    lines = "".join(f"JPEGImages/test{n:06}.jpg Annotations/test{n:06}.xml\n" for n in range(1, 4))
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "few.txt").write_text(lines)
    names = "circle\nsquare\ntriangle\n"
    (tmp_path / "faces" / "names.txt").write_text(names)
    beside, address = store.holding(tmp_path / "faces"), store.holding(sample)
    found = from_list(f"{beside}/few.txt", address, f"{beside}/names.txt")
    assert build(found, tmp_path / "out").record.splits["few"].records == 3
    assert store.twice() == []


def test_the_command_line(sample: Path, tmp_path: Path, store: S3, run: Run) -> None:
    address = store.holding(sample)
    key, secret = s3.KEY, s3.SECRET.replace("/", "%2F")
    given = address.replace("s3://", f"s3://{key}:{secret}@")
    out = tmp_path / "out"
    for args in (("build", given, "-o", out), ("check", given), ("labelmap", given)):
        result = run(*args)
        assert result.status == 0, result.err
        assert not any(word in result.out + result.err for word in (secret, s3.SECRET))
    text = (out / "build.json").read_text()
    assert f'"root": "{address}"' in text
    assert not any(word in text for word in (key, secret, s3.SECRET))


def test_where_only_a_folder_of_this_machine_will_do(run: Run) -> None:
    result = run("sample", "s3://bucket/sample")
    assert result.status == 2
    assert "s3://bucket/sample: this is an address" in result.err


def test_it_is_said_what_is_missing_without_fsspec(
    sample: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    result = run("build", "s3://bucket/never")
    assert "pip install 'ssd-data[remote]'" in result.err
