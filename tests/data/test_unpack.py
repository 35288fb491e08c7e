"""Archives that attack: nothing is ever written outside the folder, and little inside."""

import bz2
import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.servers import special, tarred, zipped

from ssd_data.core.errors import InputError, OutputError
from ssd_data.data.download import unpack as unpacking
from ssd_data.data.download.unpack import unpack

FILES = {"set/a.jpg": b"a" * 3000, "set/deep/b.xml": b"<b/>", "empty": b""}


def report(what: str, done: int, total: int) -> None:
    assert done <= total


def opened(tmp_path: Path, data: bytes, name: str = "set.bin") -> tuple[dict[str, int], Path]:
    archive, folder = tmp_path / name, tmp_path / "in" / "folder"
    archive.write_bytes(data)
    folder.mkdir(parents=True)
    return unpack(archive, folder, report), folder


def read(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


TAR = tarred(*FILES.items())


@pytest.mark.parametrize(
    "data",
    [
        zipped(FILES),
        TAR,
        gzip.compress(TAR),
        bz2.compress(TAR),
        tarred(
            special("./", tarfile.DIRTYPE),
            special("set", tarfile.DIRTYPE),
            *FILES.items(),
            special("set", tarfile.DIRTYPE),
        ),
    ],
    ids=["zip", "tar", "tar.gz", "tar.bz2", "tar with folders"],
)
def test_every_kind_gives_its_files(tmp_path: Path, data: bytes) -> None:
    sizes, folder = opened(tmp_path, data)
    assert read(folder) == FILES
    assert sizes == {name: len(text) for name, text in FILES.items()}


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "a/../../out",
        "/tmp/out",
        "a/../b",
        "..",
        "a\nb",
        "",
        ".downloads/x",
        "a/.downloads",
    ],
)
@pytest.mark.parametrize(
    "pack", [lambda n: zipped({n: b"x"}), lambda n: tarred((n, b"x"))], ids=["zip", "tar"]
)
def test_no_name_leads_out(tmp_path: Path, name: str, pack: object) -> None:
    with pytest.raises(InputError, match="leave the folder|name of this program|broken"):
        opened(tmp_path, pack(name))  # type: ignore[operator]
    assert read(tmp_path / "in") == {}


@pytest.mark.parametrize(
    "entry",
    [
        special("link", tarfile.SYMTYPE, "/etc"), special("link", tarfile.SYMTYPE, "../.."),
        special("link", tarfile.SYMTYPE, "inside"), special("link", tarfile.LNKTYPE, "/etc/passwd"),
        special("link", tarfile.LNKTYPE, "../../set.bin"), special("null", tarfile.CHRTYPE),
        special("disk", tarfile.BLKTYPE), special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda e: f"{e[0].name}-{e[0].linkname}",
)  # fmt: skip
def test_links_and_devices_are_refused(
    tmp_path: Path, entry: tuple[tarfile.TarInfo, bytes]
) -> None:
    with pytest.raises(InputError, match="link or device"):
        opened(tmp_path, tarred(entry, (f"{entry[0].name}/owned", b"x")))
    assert not any(p.is_symlink() or not (p.is_file() or p.is_dir()) for p in tmp_path.rglob("*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_in_a_zip_are_refused(tmp_path: Path, kind: int) -> None:
    out, info = io.BytesIO(), zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(InputError, match="link or device"):
        opened(tmp_path, out.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        tarred(("a", b"1"), ("a", b"2")), tarred(("a", b"1"), ("./a", b"2")),
        tarred(("a", b"1"), ("a/b", b"2")), tarred(("a/b", b"1"), ("a", b"2")),
    ],
)  # fmt: skip
def test_a_name_comes_once(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match="twice"):
        opened(tmp_path, data)


def test_a_name_comes_once_in_a_zip(tmp_path: Path) -> None:
    data = zipped({"a": b"1", "b": b"2"}).replace(b"b", b"a")
    with pytest.raises(InputError, match="twice"):
        opened(tmp_path, data)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_does_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 1 << 20)
    files = {f"{i}": bytes(1 << 19) for i in range(20)}
    bomb = zipped(files) if kind == "zip" else gzip.compress(tarred(*files.items()))
    with pytest.raises(InputError, match="would grow to more than"):
        opened(tmp_path, bomb)
    assert sum(map(len, read(tmp_path / "in").values())) <= 1 << 20


def test_a_bomb_of_names(tmp_path: Path) -> None:
    """tarfile reads a name whole, however long its header says it is."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    with pytest.raises(InputError, match="unheard-of length"):
        opened(tmp_path, gzip.compress(info.tobuf() + bytes(10240)))


@pytest.mark.parametrize("data", [zipped, lambda files: tarred(*files.items())], ids=["zip", "tar"])
def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: object) -> None:
    monkeypatch.setattr(unpacking, "MOST_FILES", 5)
    with pytest.raises(InputError, match="more than 5 files"):
        opened(tmp_path, data({f"{i}": b"" for i in range(6)}))  # type: ignore[operator]


def test_a_size_below_zero(tmp_path: Path) -> None:
    """Such a header made older tarfiles go in circles."""
    header = bytearray(tarfile.TarInfo("a").tobuf())
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header[:512])
    with pytest.raises(InputError):
        opened(tmp_path, bytes(header) + bytes(2048))


def test_the_disk_is_too_small_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = unpacking.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="3,004 bytes, and 100 are free"):
        opened(tmp_path, zipped(FILES))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "broken, or none"), (b"hello", "broken, or none"), (bytes(2048), "no files"),
        (b"<html>No</html>", "web page"), (b"\n\n<!DOCTYPE HTML>", "web page"),
        (zipped({}), "no files"), (b"BZh9" + bytes(99), "broken"),
        (TAR[:1500], "another size|broken"), (zipped(FILES)[:-30], "broken"),
        (gzip.compress(TAR)[:60], "broken"), (bz2.compress(TAR)[:60], "broken"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_archive(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        opened(tmp_path, data)


def test_a_damaged_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": os.urandom(5000)}))
    data[2000] ^= 1
    with pytest.raises(InputError, match="broken"):
        opened(tmp_path, bytes(data))


def test_a_locked_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"secret"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    with pytest.raises(InputError, match="password"):
        opened(tmp_path, bytes(data))


PARTS = st.sampled_from(["a", "b", "..", ".", "", "/", "x\\y", "é", "A", "etc", "\udcff"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 4
    + [tarfile.DIRTYPE] * 2
    + [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"Z"]
)
ENTRIES = st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6)


@given(ENTRIES, st.booleans(), st.data())
def test_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, bytes, str]],
    as_zip: bool,
    data: st.DataObject,
) -> None:
    world = tmp_path_factory.mktemp("world", numbered=True)
    (world / "a").mkdir()
    (world / "a" / "b").write_bytes(b"mine")
    archive, folder = world / "archive", world / "in"
    folder.mkdir()
    if as_zip:
        packed = zipped({name.encode("utf-8", "replace").decode(): b"x" for name, _, _ in entries})
    else:
        packed = tarred(*((special(n, kind, to)[0], b"x") for n, kind, to in entries))
    damage = data.draw(
        st.lists(st.tuples(st.integers(0, len(packed) - 1), st.integers(0, 255)), max_size=3)
    )
    bytes_ = bytearray(packed)
    for place, value in damage:
        bytes_[place] = value
    archive.write_bytes(bytes_)
    try:
        sizes = unpack(archive, folder, lambda *_: None)
    except InputError:
        sizes = None
    outside = {p for p in world.rglob("*") if not p.is_relative_to(folder)}
    assert outside == {archive, world / "a", world / "a" / "b"}
    assert (world / "a" / "b").read_bytes() == b"mine"
    assert all(not p.is_symlink() and (p.is_file() or p.is_dir()) for p in folder.rglob("*"))
    if sizes is not None:
        assert {name: len(text) for name, text in read(folder).items()} == sizes
