"""``ssd-data download`` against a server on 127.0.0.1 that misbehaves."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.servers import (
    Server,
    announces,
    answer,
    breaks_off,
    entry,
    etag,
    ignores_ranges,
    page,
    recipe,
    redirects,
    status,
    tarred,
    without_length,
    zipped,
)
from support.trees import Voc

from ssd_data.core.errors import InputError, OutputError
from ssd_data.data import recipes
from ssd_data.data.download import download as downloading
from ssd_data.data.download import transfer as transferring
from ssd_data.data.download.download import download

NOISE = random.Random(0).randbytes(700_000)  # more than two pieces
FILES = {"set/a.bin": NOISE, "set/b.txt": b"b"}
DATA = zipped(FILES)
OTHER = zipped({"set/a.bin": NOISE[::-1], "set/b.txt": b"c"})
assert len(OTHER) == len(DATA)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transferring, "PAUSE", 0)
    monkeypatch.setattr(transferring, "LONGEST_PAUSE", 0)
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"a.zip": DATA}) as server:
        yield server


class Case:
    """A recipe of one archive, and the folder to download into."""

    def __init__(self, folder: Path, server: Server, **more: Any) -> None:
        urls = more.pop("urls", [server.url("a.zip")])
        self.out = folder / "out"
        self.recipe = recipe(folder / "shapes.toml", entry(DATA, *urls, **more))
        self.part = self.out / ".downloads" / "a.zip.part"

    def fetch(self, **options: Any) -> str:
        (step,) = download(recipes.load(str(self.recipe)), self.out, lambda *_: None, **options)
        assert self.files() == FILES
        assert not self.part.exists()
        return step.state

    def fails(self, says: str, kind: type[Exception] = InputError) -> str:
        with pytest.raises(kind, match=says) as caught:
            download(recipes.load(str(self.recipe)), self.out, lambda *_: None)
        assert self.files() == {}
        return str(caught.value)

    def files(self) -> dict[str, bytes]:
        found = (p for p in self.out.rglob("*") if p.is_file())
        names = {p.relative_to(self.out).as_posix(): p for p in found}
        return {n: p.read_bytes() for n, p in names.items() if not n.startswith(".downloads")}


@pytest.fixture
def case(tmp_path: Path, server: Server) -> Case:
    return Case(tmp_path, server)


@pytest.fixture
def unchecked(tmp_path: Path, server: Server) -> Case:
    """Of a file without a known checksum."""
    return Case(tmp_path, server, checksum=False)


def test_what_is_whole_is_not_fetched_again(case: Case, server: Server) -> None:
    assert case.fetch() == "fetch"
    assert case.fetch() == "up to date"
    assert server.asked == [("a.zip", "")]
    left = {p.name for p in (case.out / ".downloads").iterdir()}
    assert left == {"a.zip.json"}, "the archive is removed"


def test_what_is_no_longer_whole_is_fetched_again(case: Case, server: Server) -> None:
    case.fetch()
    (case.out / "set" / "b.txt").unlink()
    other = (case.out / "set" / "a.bin").stat().st_ino
    assert case.fetch() == "fetch"
    assert (case.out / "set" / "a.bin").stat().st_ino == other, "the same file stays"
    (case.out / "set" / "a.bin").write_bytes(b"cut short")
    assert case.fetch(keep=True) == "fetch"
    (case.out / "set" / "b.txt").unlink()
    assert case.fetch() == "unpack", "the archive was kept"
    assert len(server.asked) == 3


@pytest.mark.parametrize("record", ["", "{", '{"files": {"../x": 1}}', "[]", "\udcff"])
def test_a_broken_record_counts_as_none(case: Case, record: str) -> None:
    case.fetch()
    (case.out / ".downloads" / "a.zip.json").write_bytes(os.fsencode(record))
    assert case.fetch() == "fetch"


def test_files_of_others_are_not_overwritten(case: Case) -> None:
    (case.out / "set").mkdir(parents=True)
    (case.out / "set" / "b.txt").write_text("mine")
    with pytest.raises(OutputError, match="something else lies"):
        case.fetch()
    assert case.files() == {"set/b.txt": b"mine"}
    (case.out / "set" / "b.txt").write_bytes(FILES["set/b.txt"])
    assert case.fetch() == "unpack", "the same file is no obstacle"


def test_two_archives_share_folders_and_a_file(tmp_path: Path) -> None:
    first = tarred(("kit/readme", b"1"), ("kit/a/1", b"a"))
    second = tarred(("kit/readme", b"two"), ("kit/a/2", b"b"), ("kit/b/3", b"c"))
    with Server({"1.tar": first, "2.tar": second}) as server:
        path = recipe(
            tmp_path / "r.toml",
            entry(first, server.url("1.tar")),
            entry(second, server.url("2.tar"), into="in"),
            entry(second, server.url("2.tar"), name="again.tar"),
        )
        for expected in (["fetch"] * 3, ["up to date"] * 3):
            steps = download(recipes.load(str(path)), tmp_path / "out", lambda *_: None)
            assert [step.state for step in steps] == expected
    assert (tmp_path / "out" / "kit" / "readme").read_text() == "two"
    assert (tmp_path / "out" / "in" / "kit" / "a" / "2").read_text() == "b"
    assert {p.name for p in (tmp_path / "out" / "kit" / "a").iterdir()} == {"1", "2"}


# Transfers that break off


def test_a_transfer_goes_on_where_it_broke_off(case: Case, server: Server) -> None:
    server.ways["a.zip"] = [breaks_off(100), breaks_off(300_000), breaks_off(5)]
    case.fetch()
    assert [asked for _, asked in server.asked] == [
        "", "bytes=100-", "bytes=300100-", "bytes=300105-",
    ]  # fmt: skip


def test_without_an_end_it_is_given_up_and_kept(case: Case, server: Server) -> None:
    server.ways["a.zip"] = [breaks_off(1000), *[breaks_off(0)] * 3]
    text = case.fails("cannot be fetched")
    assert "1,000 of" in text
    assert "are kept" in text
    assert case.part.stat().st_size == 1000
    assert case.fetch() == "resume"
    assert server.asked[-1] == ("a.zip", "bytes=1000-")


def test_a_changed_file_starts_anew(unchecked: Case, server: Server) -> None:
    server.files["a.zip"] = OTHER
    server.ways["a.zip"] = [breaks_off(1000), *[breaks_off(0)] * 3]
    unchecked.fails("cannot be fetched")
    server.files["a.zip"] = DATA
    unchecked.fetch()
    last = [asked for _, asked in server.asked[4:]]
    assert last == ["bytes=1000-"], "If-Range: the whole new file came at once"


def test_a_changed_file_starts_anew_though_the_server_ignores_if_range(
    unchecked: Case, server: Server
) -> None:
    server.files["a.zip"] = OTHER
    server.ways["a.zip"] = [breaks_off(1000), *[breaks_off(0)] * 3]
    unchecked.fails("cannot be fetched")
    server.files["a.zip"] = DATA
    server.ways["a.zip"] = [breaks_off(10**9)]
    unchecked.fetch()
    assert [asked for _, asked in server.asked[-2:]] == ["bytes=1000-", ""]


def test_pieces_that_do_not_belong_together_are_told_by_the_checksum(
    case: Case, server: Server
) -> None:
    case.part.parent.mkdir(parents=True)
    case.part.write_bytes(OTHER[:1000])
    case.fetch()
    assert [asked for _, asked in server.asked] == ["bytes=1000-", ""]


def test_without_version_and_checksum_nothing_is_built_upon(
    unchecked: Case, server: Server
) -> None:
    unchecked.part.parent.mkdir(parents=True)
    unchecked.part.write_bytes(OTHER[:1000])
    unchecked.fetch()
    assert server.asked == [("a.zip", "")]


def test_a_server_that_ignores_ranges(case: Case, server: Server) -> None:
    server.ways["a.zip"] = [breaks_off(1000), ignores_ranges]
    case.fetch()


def test_one_that_ignores_ranges_and_always_breaks_off_does_not_keep_us_for_ever(
    case: Case, server: Server
) -> None:
    server.ways["a.zip"] = [breaks_off(n % 7 + 1000, ranges=False) for n in range(99)]
    case.fails("it broke off")
    assert len(server.asked) < 20


def test_one_that_answers_with_another_part(case: Case, server: Server) -> None:
    def lies(http: Any, data: bytes) -> None:
        headers = {"Content_Range": f"bytes 5-{len(data) - 1}/{len(data)}"}
        answer(http, 206, data[5:], **headers)

    server.ways["a.zip"] = [breaks_off(1000), lies]
    case.fetch()
    assert server.asked[-1] == ("a.zip", "")


def test_one_that_is_slow(case: Case, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(http: Any, data: bytes) -> None:
        breaks_off(1000)(http, data)
        http.wfile.flush()
        time.sleep(0.5)

    monkeypatch.setattr(transferring, "TIMEOUT", (1, 0.1))
    server.ways["a.zip"] = [hangs]
    case.fetch()
    assert server.asked[-1] == ("a.zip", "bytes=1000-")


def test_kill_and_resume(case: Case, server: Server) -> None:
    def drips(http: Any, data: bytes) -> None:
        answer(http, 200, data[:300_000], len(data), ETag=etag(data))
        http.wfile.flush()
        time.sleep(20)

    server.ways["a.zip"] = [drips]
    command = [sys.executable, "-m", "ssd_data", "download", str(case.recipe), "-o", str(case.out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment) as process:
        while process.poll() is None and not (
            case.part.is_file() and case.part.stat().st_size >= 262_144
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert case.files() == {}
    have = case.part.stat().st_size
    assert case.fetch() == "resume"
    assert server.asked == [("a.zip", ""), ("a.zip", f"bytes={have}-")]


@pytest.mark.parametrize("moment", ["unpack", "place"])
def test_killed_while_unpacking(
    case: Case, server: Server, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whatever is there by then, the next run ends with all of it, without the network."""
    with monkeypatch.context() as patch:
        if moment == "unpack":
            patch.setattr(downloading.Records, "place", _dies)
        else:
            patch.setattr("ssd_data.data.download.records.write_whole", _dies)
        with pytest.raises(KeyboardInterrupt):
            case.fetch()
    assert case.fetch() == "unpack"
    assert len(server.asked) == 1


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


# Servers that lie


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (page(), r'a web page came instead of the file \("Virus scan warning"\)'),
        (page(kind="application/zip"), "a web page came"),
        (page("", "text/html; charset=utf-8"), "a web page came"),
        (announces(17), "has 17 bytes instead of"),
        (without_length(DATA + b"x"), "sends more than"),
        (without_length(DATA[:-1] + b"x"), "its sha256 is"),
        (status(404), "HTTP 404 Not Found"),
        (status(403), "HTTP 403 Forbidden; it may want a person's consent"),
        (status(999), "HTTP 999"),
        (redirects("ftp://127.0.0.1/a.zip"), "ftp"),
        (redirects("/a.zip"), "redirects"),
        (redirects("http://[/"), "."),
    ],
)
def test_an_answer_that_is_not_the_file(case: Case, server: Server, way: Any, says: str) -> None:
    server.ways["a.zip"] = [way] * 40
    text = case.fails(says)
    assert server.url("a.zip") in text
    assert "run the same command again" in text
    assert not case.part.exists()
    server.ways.clear()
    case.fetch()


@pytest.mark.parametrize(
    "way",
    [status(503, Retry_After="7"), status(429), without_length(b""), without_length(DATA[:9])],
)
def test_a_server_that_is_busy_for_a_while(case: Case, server: Server, way: Any) -> None:
    server.ways["a.zip"] = [way, way]
    case.fetch()
    assert len(server.asked) == 3


def test_chunks(case: Case, server: Server) -> None:
    def chunked(http: Any, data: bytes) -> None:
        http.send_response(200)
        http.send_header("Transfer-Encoding", "chunked")
        http.end_headers()
        for start in range(0, len(data), 100_000):
            piece = data[start : start + 100_000]
            http.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        http.wfile.write(b"0\r\n\r\n")

    server.ways["a.zip"] = [chunked]
    case.fetch()


def test_an_md5_is_checked_too(tmp_path: Path, server: Server) -> None:
    digest = hashlib.md5(DATA).hexdigest()
    urls = [server.url("b"), server.url("a.zip?download=1")]
    server.files["b"] = OTHER
    server.files["a.zip?download=1"] = DATA
    case = Case(tmp_path, server, urls=urls, checksum=False, md5=digest.upper(), name="a.zip")
    case.fetch()
    assert [path for path, _ in server.asked] == ["b", "a.zip?download=1"]


def test_redirects_and_lengths_that_are_not_told(case: Case, server: Server) -> None:
    server.files["elsewhere"] = DATA
    server.ways["a.zip"] = [redirects("/elsewhere")]
    server.ways["elsewhere"] = [without_length(DATA)]
    case.fetch()


def test_a_page_without_known_checksum_never_becomes_an_archive(
    tmp_path: Path, server: Server
) -> None:
    text = b"just some words"
    server.files["a.zip"] = text
    path = recipe(tmp_path / "r.toml", entry(text, server.url("a.zip"), checksum=False))
    with pytest.raises(InputError, match="broken, or none"):
        download(recipes.load(str(path)), tmp_path / "out", lambda *_: None)
    assert not (tmp_path / "out").exists()


def test_mirrors_in_order(tmp_path: Path, server: Server) -> None:
    server.ways.update(a=[status(404)], b=[page()], c=[breaks_off(9)] + [status(500)] * 3)
    gone = "http://127.0.0.1:1/a.zip"
    urls = [gone, *map(server.url, ("a", "b", "c", "a.zip"))]
    server.files["c"] = DATA
    case = Case(tmp_path, server, urls=urls)
    case.fetch()
    assert server.asked[-1] == ("a.zip", "bytes=9-"), "the checksum lets another mirror go on"
    server.ways.update({n: [status(404)] for n in ("a", "b", "c", "a.zip")})
    (case.out / "set" / "a.bin").unlink()
    with pytest.raises(InputError) as caught:
        download(recipes.load(str(case.recipe)), case.out, lambda *_: None)
    lines = str(caught.value).split("\n")
    assert [line.split(": ")[0].strip() for line in lines[1:6]] == urls
    assert "Connection refused" in lines[1]


def test_the_proxy_of_the_environment(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    Case(tmp_path, server, urls=["http://data.invalid/there/a.zip"]).fetch()


# What only a person can fetch


def test_a_page_to_open(tmp_path: Path, server: Server, run: Any) -> None:
    hand = entry(OTHER, name="hand.zip", page="https://example.org/consent", into="more")
    path = recipe(tmp_path / "r.toml", hand, entry(DATA, server.url("a.zip")))
    out = tmp_path / "out"
    done = run("download", path, "-o", out, "--dry-run")
    assert "by hand" in done.out
    done = run("download", path, "-o", out)
    assert done.status == 1
    assert "only a person can fetch hand.zip" in done.err
    assert "https://example.org/consent" in done.err
    assert (out / "set" / "b.txt").exists(), "the rest was fetched"
    (out / "hand.zip").write_bytes(OTHER[:-1] + b"?")
    done = run("download", path, "-o", out)
    assert "sha256" in done.err
    (out / "hand.zip").write_bytes(OTHER)
    done = run("download", path, "-o", out)
    assert done.status == 0
    assert (out / "more" / "set" / "b.txt").read_bytes() == b"c"
    assert (out / "hand.zip").exists(), "what a person put there stays"


# The disk


def test_the_disk_is_too_small(case: Case, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = downloading.shutil.disk_usage("/")._replace(free=len(DATA) + 10)
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda path: usage)
    case.fails("bytes are needed", OutputError)
    assert server.asked == []
    assert not case.out.exists()


def test_a_folder_that_another_process_uses(case: Case) -> None:
    with downloading.OutFolder(case.out / ".downloads", inside=True):
        case.fails("another ssd-data", OutputError)


# The command


def test_the_command(case: Case, server: Server, run: Any) -> None:
    name = ["download", case.recipe, "-o", case.out]
    dry = run(*name, "--dry-run", "--json").json
    assert dry["missing"] == len(DATA)
    assert dry["files"][0]["state"] == "fetch"
    assert dry["files"][0]["checked_by"] == "sha256"
    assert server.asked == []
    assert not case.out.exists()
    text = run(*name, "--dry-run").out
    assert f"0.7 MB would be fetched and unpacked into {case.out}" in text
    assert run(*name, "-q").out == ""
    done = run(*name)
    assert done.status == 0
    assert "up to date" in done.out
    assert f"ssd-data build {case.recipe} --root {case.out}" in done.out
    assert run(*name, "--json").json["files"][0]["missing"] == 0


def test_wrong_usage(case: Case, run: Any, tmp_path: Path) -> None:
    assert run("download", "voc2077").status == 2
    assert run("download", case.recipe, "--split", "tset").status == 2
    done = run("download", recipe(tmp_path / "none.toml"), "--json")
    assert done.status == 2
    assert "lists no downloads" in done.json["error"]["what"]
    assert run("build", "--list", "x", "--download").status == 2


def test_only_what_a_split_needs(tmp_path: Path, server: Server, run: Any) -> None:
    path = recipe(
        tmp_path / "r.toml",
        entry(DATA, server.url("train.zip"), splits=["train"]),
        entry(DATA, server.url("a.zip"), splits=["test"]),
        entry(DATA, server.url("both.zip")),
    )
    files = run("download", path, "--split", "test", "--dry-run", "--json").json["files"]
    assert [file["name"] for file in files] == ["a.zip", "both.zip"]


def test_build_and_download(
    tmp_path: Path, server: Server, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    voc = Voc(tmp_path / "raw")
    voc.list(["1", "2", "3"], "test")
    files = {p.relative_to(tmp_path).as_posix(): p for p in voc.root.rglob("*") if p.is_file()}
    data = server.files["raw.zip"] = zipped({name: p.read_bytes() for name, p in files.items()})
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    path = recipe(work / "shapes.toml", entry(data, server.url("raw.zip")))
    assert run("build", path, "--json").status == 1
    done = run("build", path, "--download", "--json")
    assert done.status == 0, done.err
    assert done.json["splits"]["test"]["records"] == 3
    assert (work / "data" / "raw").is_dir()
    assert run("build", path, "--download").status == 0
    assert len(server.asked) == 1
    (work / "data" / "raw" / "JPEGImages" / "1.jpg").unlink()
    assert run("build", path, "--download", "--redo").status == 0, "what is missing is mended"
    other = tmp_path / "mine"
    other.mkdir()
    voc.root.rename(other / "raw")
    assert run("build", path, "--download", "--root", other, "-o", "mine").status == 0
    (other / ".downloads").mkdir()
    (other / ".downloads" / "else.zip.json").touch()
    assert run("build", path, "--download", "--root", other, "-o", "mine").status == 0
    assert len(server.asked) == 2, "a copy of one's own is taken as it is"


def test_requests_is_an_extra(case: Case, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    done = run("download", case.recipe, "-o", case.out)
    assert done.status == 1
    assert "pip install 'ssd-data[download]'" in done.err


# The recipes


def test_the_shipped_recipes_agree_about_shared_archives() -> None:
    by_name: dict[str, Any] = {}
    for name in recipes.names():
        recipe = recipes.load(name)
        assert recipe.downloads, name
        for one in recipe.downloads:
            facts = (one.urls, one.bytes, one.sha256, one.into)
            assert by_name.setdefault(one.name, facts) == facts
            assert one.sha256
    assert len(by_name) == 13


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"urls": ["file:///etc/passwd"]}, "http://"),
        ({"urls": ["http://a/b c.zip"]}, "http://"),
        ({"urls": []}, "cannot name a file"),
        ({"urls": [], "name": "a.zip"}, "neither urls nor a page"),
        ({"urls": ["http://a/"]}, "cannot name a file"),
        ({"name": "../a.zip"}, "cannot name a file"),
        ({"name": ".a"}, "cannot name a file"),
        ({"bytes": 0}, "bytes is the size"),
        ({"bytes": "1"}, "should be a int"),
        ({"sha256": "ab"}, "64 hexadecimal digits"),
        ({"md5": "g" * 32}, "md5 32"),
        ({"into": "/tmp"}, "no folder to unpack into"),
        ({"into": "a/../b"}, "no folder to unpack into"),
        ({"splits": ["tset"]}, 'no split "tset"'),
        ({"page": "javascript:alert(1)"}, "http://"),
        ({"size": 3}, "unknown key"),
    ],
)
def test_recipes_that_are_wrong(tmp_path: Path, change: dict[str, object], says: str) -> None:
    table = {**entry(DATA, "http://127.0.0.1/a.zip"), **change}
    path = recipe(tmp_path / "r.toml", table)
    with pytest.raises(InputError, match=says):
        recipes.parse(path)
    twice = entry(DATA, "http://127.0.0.1/a.zip")
    with pytest.raises(InputError, match="two downloads"):
        recipes.parse(recipe(path, twice, twice))
