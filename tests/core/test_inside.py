"""What lies in a folder that was named: which links leave it, and what is said of them."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ssd_data import InputError
from ssd_data.core.files import fences, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """``set`` with a file, a folder and links: in, out, through one another, in circles."""
    (tmp_path / "set" / "deep").mkdir(parents=True)
    (tmp_path / "set2").mkdir()
    for path in ("set/a", "set/deep/b", "set2/c", "d"):
        (tmp_path / path).write_text(path)
    for name, target in (
        ("near", "a"),
        ("far", "../d"),
        ("absolute", str(tmp_path / "set" / "a")),
        ("neighbour", "../set2/c"),
        ("folder", "../set2"),
        ("back", "../set/deep"),
        ("through", "folder/c"),
        ("circle", "circle"),
        ("nothing", "nowhere"),
        ("gone", "../nowhere"),
    ):
        (tmp_path / "set" / name).symlink_to(target)
    fences.keep_inside(tmp_path / "set")
    return tmp_path / "set"


OUT = {"far", "neighbour", "folder", "folder/c", "through", "gone", "folder/../d", "folder/.."}
IN = {"a", "deep", "deep/b", "near", "absolute", "back", "back/b", "circle", "nothing", "no/such"}


def test_which_lead_out(root: Path) -> None:
    for name in OUT | IN:
        assert fences.leads_out(f"{root}/{name}") == (name in OUT), name
    assert not fences.leads_out(root)
    assert not fences.leads_out(root.parent / "d")  # nobody named what it lies in


@pytest.mark.parametrize(
    ("path", "link", "target"),
    [
        ("far", "far", "d"),
        ("folder/c", "folder", "set2"),
        ("folder/../d", "folder", "set2"),
        ("through", "through", "set2/c"),
        ("gone", "gone", "nowhere"),
    ],
)
def test_the_link_is_named(path: str, link: str, target: str, root: Path) -> None:
    with pytest.raises(InputError) as caught:
        inside.read_bytes(f"{root}/{path}", "file", 10)
    assert str(caught.value) == (
        f"{root / link}: this link leaves the data set's folder: it leads to "
        f'"{root.parent / target}"\n  {fences.HINT}'
    )


def test_each_way_of_reading_asks(root: Path) -> None:
    def opened(path: Path) -> bytes:
        with inside.open_regular(path, "file", 10) as file:
            return file.read()

    readers = (
        opened,
        lambda path: inside.read_bytes(path, "file", 10),
        lambda path: inside.read_text(path, "file"),
        lambda path: inside.read_lines(path, "file"),
    )
    for read in readers:
        assert read(root / "near")
        with pytest.raises(InputError, match="this link leaves"):
            read(root / "far")
    with pytest.raises(InputError, match="this link leaves"):
        inside.entries(root / "folder")
    with pytest.raises(InputError, match="this link leaves"):
        inside.names_in(root / "folder")
    assert inside.names_in(root / "back") == ["b"]
    assert inside.names_in(root / "none") == []


def test_it_is_followed_or_allowed_on_request(root: Path) -> None:
    fences.keep_inside(root, also=[root.parent / "set2"])
    assert inside.read_text(root / "folder" / "c", "file") == "set2/c"
    assert fences.leads_out(root / "far")
    fences.keep_inside(root, follow=True)
    assert inside.read_text(root / "far", "file") == "d"
    fences.keep_inside(root)
    assert fences.leads_out(root / "folder" / "c")


def test_a_link_that_is_named_itself(root: Path) -> None:
    fences.keep_inside(root / "folder")
    assert inside.read_text(root / "folder" / "c", "file") == "set2/c"
    fences.keep_inside(root)  # what holds it is named after it
    assert fences.leads_out(root / "folder" / "c")


def test_relative_paths(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    for name in (".", ""):
        fences.keep_inside(name)
        assert inside.read_text(Path("near"), "file") == "set/a"
        with pytest.raises(InputError, match=r"^folder: this link leaves"):
            inside.read_bytes(Path("folder/c"), "file", 10)
        with pytest.raises(InputError, match=r"^\./far: this link leaves"):
            inside.read_bytes("./far", "file", 10)
    monkeypatch.chdir(root / "deep")
    fences.keep_inside("..")
    with pytest.raises(InputError, match=r"^\.\./far: this link leaves"):
        inside.read_bytes("../far", "file", 10)


def test_what_was_passed_over_is_said_in_the_end(root: Path) -> None:
    fences.require_none_refused(root)
    for name in ("through", "far"):
        with pytest.raises(InputError):
            inside.read_bytes(root / name, "file", 10)
    with pytest.raises(InputError, match="through: this link leaves"):
        fences.require_none_refused(root / "deep")


def test_names_are_shown_as_they_can_be(root: Path) -> None:
    (root / "bell\a").symlink_to("/dev/\x1b[31m")
    with pytest.raises(InputError) as caught:
        inside.read_bytes(root / "bell\a", "file", 10)
    assert caught.value.where.endswith(r"bell\x07")
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@given(st.lists(st.sampled_from(["set", "set2", "deep", "folder", "back", "..", "a", "b", "c"])))
@example(["set", "..", "folder"])  # through a folder that is not there
def test_no_way_leads_out_unseen(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    """Whatever a path goes through: where it ends decides."""
    top = tmp_path_factory.mktemp("w", numbered=True)
    for folder in ("set/deep", "set2/deep"):
        (top / folder).mkdir(parents=True)
    (top / "set" / "folder").symlink_to("../set2")
    (top / "set" / "back").symlink_to("../set2/deep/../../set")
    (top / "set2" / "deep" / "back").symlink_to("../../set/deep")
    fences.keep_inside(top / "set")
    path = "/".join([str(top / "set"), *parts])
    real = Path(path).resolve()
    absolute = Path(fences._absolute(path))
    if absolute.is_relative_to(top / "set"):  # what ``below`` lets pass
        assert fences.leads_out(path) == (not real.is_relative_to(top / "set"))
