"""Each format reads a data set of a store as it reads the same one of the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import everyformat, stores

from ssd_data import build, find


def recorded(result: Any) -> dict[str, Any]:
    table = result.manifest
    digests = {split: made.pop("input_digest") for split, made in table["splits"].items()}
    assert all(digests.values())
    return {key: value for key, value in table.items() if key not in ("root", "name")}


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_a_store_gives_the_records_of_the_disk(name: str, tmp_path: Path) -> None:
    here = everyformat.make(name, tmp_path / "raw")
    wanted = build(find(here), tmp_path / "here")
    address = stores.in_memory(here)
    with stores.disk_unasked(address):
        dataset = find(address)
        made = build(dataset, tmp_path / "there")
        assert build(find(address), tmp_path / "there").up_to_date
    assert str(dataset.root).startswith(address)
    assert dataset.said == find(here).said
    assert recorded(made) == recorded(wanted)
    for split in wanted.record.splits.values():
        files = (split.list, split.name_size, "labelmap.prototxt")
        assert [(made.out / f).read_bytes() for f in files] == [
            (wanted.out / f).read_bytes() for f in files
        ]
