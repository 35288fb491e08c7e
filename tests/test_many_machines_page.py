"""From one machine to many: each command of that page runs, in the page's order: those that need a
cluster on one of this machine, those that need a store on a server of this process."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from support import ROOT, clusters, commands

from ssd_data.cli import root

PAGE = ROOT / "docs" / "from-one-machine-to-many.md"
BLOCK = re.compile(r"^```sh(.*)\n((?:.*\n)*?)```", re.M)
ON_CLUSTER = "on a cluster"


def lines() -> list[tuple[str, str]]:
    """The commands of all blocks, with what the block says that they need."""
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    found = [(word.strip(), line) for word, text in blocks for line in text.splitlines()]
    assert {word for word, _ in found} == {"", ON_CLUSTER}
    assert all(line.startswith("ssd-data ") for _, line in found)
    return found


@contextmanager
def cluster(patch: pytest.MonkeyPatch) -> Iterator[bool]:
    """A machine with two CPUs, and a store with two buckets; whether there are such here."""
    pytest.importorskip("torch")
    if not clusters.HERE:
        yield False
        return
    from support import s3

    patch.setenv("SSD_DATA_CACHE", "cache")
    with s3.serving() as server, clusters.ray_cluster(2) as made:
        patch.setenv("RAY_ADDRESS", made.address)
        server.fs().mkdir("pictures")
        server.fs().mkdir("builds")
        yield True


def test_each_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with cluster(monkeypatch) as there:
        for word, line in lines():
            if word and not there:
                continue
            if "s3://pictures" in line:
                upload(Path("shapes/voc"), "pictures/voc")
            status = commands.run(*shlex.split(line)[1:])
            assert status == 0, f"{line}: {capfd.readouterr().err}"
    assert Path("BIG/voc_trainval_lmdb/shards.json").is_file()
    assert Path("found").is_dir()


def upload(folder: Path, place: str) -> None:
    import fsspec

    fsspec.filesystem("s3").put(str(folder), place, recursive=True)


@pytest.mark.parametrize("line", [line for word, line in lines() if word])
def test_what_needs_a_cluster_is_taken(line: str) -> None:
    """Where there is none to try it on."""
    name, *args = shlex.split(line)[1:]
    command = root.get_command(click.Context(root), name)
    assert command is not None
    command.make_context(name, args)  # parses options and arguments, runs nothing
