"""A data set, and an LMDB, that a plain web server has: it lists folders as pages, and no sizes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from ssd_data import LmdbReader, build, find
from ssd_data.core.errors import InputError
from ssd_data.core.files import inside
from ssd_data.core.files.remote import fetching
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.remote.fetching import StoreError
from ssd_data.core.notes import Tally
from ssd_data.data.synthetic.sample import draw_sample

ODD = "odd #1 %41?.txt"


class Served:
    def __init__(self, folder: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.refused: list[str] = []
        handler = partial(_handler(self.asked, self.refused), directory=str(folder))
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(asked: Counter[str], refused: list[str]) -> type[SimpleHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in refused:
                self.send_error(503)
            else:
                super().do_GET()

        def send_response(self, code: int, message: str | None = None) -> None:
            asked[f"{self.command} {self.path}"] += 1
            super().send_response(code, message)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("http")
    draw_sample(top / "sample", ["voc"], train=6, test=3, size=64)
    build(find(top / "sample" / "voc"), top / "built", shards=2)
    (top / "sample" / "voc" / ODD).write_text("odd")
    return top


@pytest.fixture
def served(made: Path) -> Iterator[Served]:
    server = Served(made)
    yield server
    server.close()


def test_a_build_is_that_of_the_disk(made: Path, served: Served, tmp_path: Path) -> None:
    there = build(find(f"{served.address}/sample/voc"), tmp_path / "out")
    here = build(find(made / "sample" / "voc"), tmp_path / "here")
    for split, one in here.record.splits.items():
        assert there.record.splits[split].content_digest == one.content_digest
    times = {asked: n for asked, n in served.asked.items() if "." in asked.rpartition("/")[2]}
    assert len([asked for asked in times if asked.startswith("GET")]) >= 2 * 9
    assert set(times.values()) == {1}


def test_odd_names(served: Served) -> None:
    root = as_path(f"{served.address}/sample/voc")
    assert ODD in inside.names_in(root)
    assert inside.read_text(root / ODD, "text") == "odd"


def test_an_lmdb(
    made: Path, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSD_DATA_CACHE", str(tmp_path))
    name = "built/voc_test_lmdb"
    with LmdbReader(f"{served.address}/{name}") as there, LmdbReader(made / name) as here:
        assert list(there.items()) == list(here.items())


def test_what_it_cannot(served: Served, made: Path) -> None:
    with pytest.raises(InputError, match="nothing lies at this address"):
        find(f"{served.address}/nothing")
    with pytest.raises(StoreError, match="the store failed: 501"):
        build(find(made / "sample" / "voc"), f"{served.address}/new")


def test_a_folder_that_cannot_be_listed_is_not_empty(
    made: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsspec alone would go on, and leave out what lies in it."""
    monkeypatch.setattr(fetching, "FIRST", 0.001)
    served.refused.append("/sample/voc/JPEGImages/")
    with pytest.raises(StoreError, match="503"):
        find(f"{served.address}/sample/voc")


def test_an_index(served: Served, made: Path) -> None:
    (made / "yolo" / "images").mkdir(parents=True)
    (made / "yolo" / "labels").mkdir()
    picture = next((made / "sample" / "voc" / "JPEGImages").glob("*.jpg"))
    (made / "yolo" / "images" / "a.jpg").write_bytes(picture.read_bytes())
    (made / "yolo" / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (made / "yolo" / "data.yaml").write_text("train: images\nnames: [cat]\n")
    found = find(f"{served.address}/yolo/data.yaml")
    assert found.format == "yolo"
    assert [entry.classes for entry in found.entries("train", Tally())] == [("cat",)]


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FIRST", 0.001)
    with pytest.raises(StoreError, match="the store failed, 5 times"):
        find("http://127.0.0.1:9/voc")
    with pytest.raises(StoreError, match="Protocol not known: qq"):
        find("qq://host/voc")


def test_an_address_of_the_disk(made: Path) -> None:
    assert find(f"file://{made}/sample/voc").root == made / "sample" / "voc"
