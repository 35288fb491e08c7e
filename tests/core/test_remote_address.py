"""Addresses in the place of paths: what they hold, and what they refuse."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files import fences, paths, there
from ssd_data.core.files.remote.address import RemotePath, as_path, is_address, remote
from ssd_data.core.files.remote.stores import is_named, store_of

SECRETS = ("hunter2", "AKIA")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("s3://bucket/voc", "s3://bucket/voc"),
        ("S3://bucket/voc/", "s3://bucket/voc"),
        ("s3://AKIA:hunter2@bucket/voc", "s3://bucket/voc"),
        ("ftp://me:hunter2@host/a@b", "ftp://host/a@b"),
        ("http://host:8080/a", "http://host:8080/a"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_an_address_is_shown_without_who_asks(given: str, shown: str) -> None:
    path = as_path(given)
    assert str(path) == f"{path}" == shown
    assert repr(path) == f"RemotePath({shown!r})"
    assert pickle.dumps(path).find(b"hunter2") < 0


def test_an_address_of_the_disk_is_a_path() -> None:
    assert as_path("file:///data/voc") == as_path("local:///data/voc") == Path("/data/voc")
    assert as_path("data/voc") == as_path(Path("data/voc")) == Path("data/voc")


@pytest.mark.parametrize(
    "given",
    [
        "zip://a::s3://bucket/a.zip", "zip::s3://bucket/a.zip", "s3://", "s3://AKIA:hunter2@",
        "http://host/a?token=hunter2", "http://host/a#hunter2", "s3://AKIA:hunter2@b/a/../c",
        "s3://b/a//c", "s3://b/./a", "abfs://c/a?sig=hunter2",
    ],
)  # fmt: skip
def test_what_is_no_folder_of_a_store_is_refused_and_tells_no_secret(given: str) -> None:
    with pytest.raises(InputError) as caught:
        as_path(given)
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_only_the_start_of_a_text_makes_an_address() -> None:
    for text in ("data/s3://bucket/a", "/s3://b", "://b", "a b://c", "c:/data", "1://b"):
        assert not is_address(text)
        assert remote(text) is None


def test_the_disk_is_never_asked_for_an_address() -> None:
    path = as_path("memory://nowhere/a")
    for ask in (os.stat, open, os.listdir, Path, os.fspath, os.path.exists, os.path.isfile):
        with pytest.raises(UsageError, match="this is an address"):
            ask(path)  # type: ignore[operator]


def test_what_nobody_named_is_not_asked_for() -> None:
    """A text of a data set that looks like an address reaches no network."""
    hostile = RemotePath("http://169.254.169.254/latest/meta-data")
    assert not is_named(hostile)
    for ask in (there.is_file, there.is_there, there.is_folder, there.stamp):
        with pytest.raises(RuntimeError, match="nobody has named it"):
            ask(str(hostile))
    with pytest.raises(RuntimeError, match="nobody has named it"):
        paths.read_bytes(str(hostile), "picture", 100)
    with pytest.raises(RuntimeError, match="nobody has named it"):
        store_of(hostile)


def test_it_has_the_parts_of_a_path() -> None:
    path, twin = RemotePath("s3://bucket/voc/Annotations/a.b.xml"), Path("/voc/Annotations/a.b.xml")
    assert (path.name, path.stem, path.suffix) == (twin.name, twin.stem, twin.suffix)
    assert [str(one) for one in path.parents] == [
        "s3://bucket/voc/Annotations", "s3://bucket/voc", "s3://bucket",
    ]  # fmt: skip
    bucket = RemotePath("s3://bucket")
    assert bucket.parent == bucket
    assert bucket.name == "bucket"
    assert str(path.relative_to(bucket / "voc")) == "Annotations/a.b.xml"
    assert path == bucket / "voc" / "Annotations/a.b.xml" == path / "" == path / "."
    assert path != twin
    assert len({path, bucket / "voc/Annotations/a.b.xml"}) == 1
    assert sorted([path, bucket]) == [bucket, path]
    assert path.resolve() == path.absolute() == path


def test_another_process_may_read_what_this_one_named() -> None:
    path = as_path("memory://elsewhere/a")
    assert pickle.loads(pickle.dumps(path)) == path
    assert is_named(path)


def test_links_are_no_matter() -> None:
    path = as_path("memory://linkless/a")
    fences.keep_inside(path)
    assert fences.is_kept(path)
    assert not fences.leads_out(f"{path}/b")


def test_nothing_of_it_is_imported_for_the_disk(tmp_path: Path) -> None:
    code = (
        "import sys; from ssd_data import build, find; "
        "from ssd_data.data.synthetic.sample import draw_sample; "
        "draw_sample('s', ['voc'], train=2, test=1, size=64); "
        "assert build(find('s/voc'), 'out').built; "
        "assert 'fsspec' not in sys.modules and 'aiohttp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
