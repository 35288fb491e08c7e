"""Workers of other machines read a store: what it has they are told, and what they build is one
build's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import everyformat
from support.places import Elsewhere
from support.s3 import S3

from ssd_data import LmdbReader, build, find
from ssd_data.core.errors import InputError
from ssd_data.data.build import builder
from ssd_data.data.formats import manyfiles
from ssd_data.data.synthetic.sample import draw_sample

pytest.importorskip("fsspec")


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    draw_sample(tmp_path / "sample", ["voc"], train=9, test=2, size=64)
    return tmp_path / "sample/voc"


@pytest.mark.parametrize("name", ["voc", "yolo", "labelme", "kitti", "folders", "parquet"])
def test_workers_read_annotations_of_a_store(
    name: str, tmp_path: Path, store: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = everyformat.make(name, tmp_path / "raw")
    monkeypatch.setattr(builder, "Pool", Elsewhere)
    monkeypatch.setattr(manyfiles, "SLICE", 2)
    found = find(store.holding(here))
    store.forget()  # what was looked at to recognise it
    read: list[Path] = []
    monkeypatch.setattr(manyfiles.inside, "expect", lambda root, files: read.extend(files))
    result = build(found, tmp_path / "out", shards=2, on="elsewhere")
    assert not read  # here
    if name != "parquet":  # of which parts are read, by each who needs some
        assert store.twice() == []
    wanted = build(find(here), tmp_path / "one")
    for split in wanted.record.splits.values():
        for file in (split.list, split.name_size, "labelmap.prototxt"):
            assert (result.out / file).read_bytes() == (wanted.out / file).read_bytes()
        with LmdbReader(result.out / split.lmdb) as a, LmdbReader(wanted.out / split.lmdb) as b:
            assert list(a.items()) == list(b.items())


@pytest.mark.parametrize("place", [builder.Pool, Elsewhere])
def test_a_picture_that_is_replaced_while_it_is_built(
    place: Any, drawn: Path, store: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By one of the same length: nothing but the listing tells."""
    monkeypatch.setattr(builder, "Pool", lambda on, say: place("local", say))
    raw = store.holding(drawn)
    bucket = raw.split("/")[2]
    name = (drawn / "ImageSets/Main/trainval.txt").read_text().split()[0]
    key = f"voc/JPEGImages/{name}.jpg"
    old = (drawn.parent / key).read_bytes()
    new = old[:-3] + bytes([old[-3] ^ 1]) + old[-2:]

    def replacing(app: Any, environ: Any, start: Any) -> Any:
        store.put(bucket, key, new)
        return app(environ, start)

    store.ways[key] = [replacing]
    with pytest.raises(InputError, match="a picture was changed while it was built") as found:
        build(find(raw), tmp_path / "out", splits=["trainval"], shards=3)
    assert f"{name}.jpg" in str(found.value)
    assert not (tmp_path / "out").exists()
    result = build(find(raw), tmp_path / "out", splits=["trainval"], shards=3)
    assert result.shards == {"trainval": (1, 3)}
    with LmdbReader(tmp_path / "out" / "voc_trainval_lmdb") as records:
        assert any(new in value for _, value in records.items())
