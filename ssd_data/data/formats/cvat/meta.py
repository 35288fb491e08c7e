"""What a CVAT file says of its task, job or project before the first picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from ssd_data.data.formats.cvat.document import steps

# Labels of these types are never boxes: classes of them would never be learnt.
_BOXLESS = frozenset({"tag", "points", "polyline", "skeleton"})
DEFAULT = "default"  # CVAT's own name for tasks without a subset


@dataclass(frozen=True, slots=True)
class Meta:
    """What is said of the task, job or project; what is not there is empty or None.

    Attributes:
        labels: the classes, in the order of their ids; those that are never boxes left out.
        subset: the one of all pictures; subsets: those of a project's tasks.
        mode: ``annotation`` for pictures, ``interpolation`` for a video.
        dumped: whether CVAT wrote the file, which then holds every frame of a track.
        start, stop: a video's first and last frame; step: how far its frames are apart.
        count: how many pictures the task has.
        width, height: a video's.
        source: the video's name.
    """

    labels: tuple[str, ...] = ()
    subset: str = ""
    subsets: tuple[str, ...] = ()
    mode: str = ""
    dumped: bool = False
    start: int = 0
    stop: int | None = None
    step: int = 1
    count: int | None = None
    width: int | None = None
    height: int | None = None
    source: str = ""

    @property
    def is_video(self) -> bool:
        """Whether the pictures are a video's frames."""
        return self.mode == "interpolation"


def read_meta(element: etree._Element) -> Meta:
    """``<meta>`` as a :class:`Meta`."""
    subject = next(
        (s for kind in ("task", "job", "project") for s in element.iterchildren(kind)), None
    )
    dumped = element.find("dumped") is not None
    if subject is None:
        return Meta(dumped=dumped)
    if subject.tag == "project":
        words = _text(subject, "subsets").split("\n")
        named = tuple(dict.fromkeys(w.strip() for w in words if w.strip()))
        return Meta(tuple(_labels(subject)), subsets=named, dumped=dumped)
    size = next(iter((*subject.iter("original_size"), *element.iter("original_size"))), None)
    return Meta(
        labels=tuple(_labels(subject)),
        subset=_text(subject, "subset"),
        mode=_text(subject, "mode"),
        dumped=dumped,
        start=_count(subject, "start_frame") or 0,
        stop=_count(subject, "stop_frame"),
        step=_step(_text(subject, "frame_filter")),
        count=_count(subject, "size"),
        width=None if size is None else _count(size, "width") or None,
        height=None if size is None else _count(size, "height") or None,
        source=_text(element, "source") or _text(subject, "source"),
    )


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins: its meta, and whether pictures or tracks follow.

    Attributes:
        owner: ``image``, ``track``, or empty where there is neither.
        subset: of the first of them.
    """

    meta: Meta
    owner: str = ""
    subset: str = ""

    @property
    def is_video(self) -> bool:
        """Whether the pictures are a video's frames."""
        return self.meta.is_video or self.owner == "track"


def read_head(path: Path, name: str) -> Head:
    """The beginning of a file, up to the first picture or track.

    Raises:
        InputError: as :func:`ssd_data.data.formats.cvat.document.steps`.
    """
    meta = Meta()
    with closing(steps(path, name)) as found:  # type: ignore[type-var]
        for kind, element in found:
            if kind == "meta":
                meta = read_meta(element)
            else:
                return Head(meta, str(element.tag), element.get("subset", ""))
    return Head(meta)


def stated_subsets(path: Path, name: str, head: Head) -> list[str]:
    """The subsets that pictures of a file are in; the file is read through where no meta says it.

    Raises:
        InputError: as :func:`read_head`.
    """
    if head.meta.subsets:
        return list(head.meta.subsets)
    if head.subset:
        found = (e.get("subset", "") for kind, e in steps(path, name) if kind == "open")
        return sorted({subset for subset in found if subset})
    return [head.meta.subset] if head.meta.subset else []


def _labels(subject: etree._Element) -> Iterator[str]:
    """The names of a task's or project's labels, once each; parts of skeletons are none."""
    seen: set[str] = set()
    for labels in subject.iterchildren("labels"):
        for label in labels.iterchildren("label"):
            name = _text(label, "name")
            boxless = _text(label, "type") in _BOXLESS or label.find("parent") is not None
            if name and name not in seen and not boxless:
                seen.add(name)
                yield name


def _text(element: etree._Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _count(element: etree._Element, tag: str) -> int | None:
    text = _text(element, tag)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _step(text: str) -> int:
    """The number of ``step=5``, 1 where it says none."""
    word = text.replace(" ", "").partition("step=")[2]
    digits = word[: len(word) - len(word.lstrip("0123456789"))]
    return max(int(digits), 1) if digits and len(digits) < 10 else 1
