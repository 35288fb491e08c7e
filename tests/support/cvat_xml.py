"""CVAT XML 1.1 as CVAT writes it, in small: of pictures, of a project, of a video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from support.trees import jpeg

SIZE = (160, 120)


def box(
    label: str, corners: Sequence[float], inside: str = "", tag: str = "box", **more: object
) -> str:
    keys = dict(zip(("xtl", "ytl", "xbr", "ybr"), (f"{v:.2f}" for v in corners), strict=True))
    return shape(tag, label, inside, occluded=0, **keys, z_order=0, **more)


def shape(tag: str, label: str, inside: str = "", **keys: object) -> str:
    named = "".join(f' {key}="{value}"' for key, value in keys.items())
    return f'<{tag} label="{label}" source="manual"{named}>\n{inside}</{tag}>\n'


def attribute(name: str, value: str) -> str:
    return f'<attribute name="{name}">{value}</attribute>\n'


def image(name: str, *shapes: str, number: int = 0, project: tuple[str, int] | None = None) -> str:
    inside = f'subset="{project[0]}" task_id="{project[1]}" ' if project else ""
    size = f'width="{SIZE[0]}" height="{SIZE[1]}"'
    return f'<image id="{number}" name="{name}" {inside}{size}>\n{"".join(shapes)}</image>\n'


def labels(*names: str, parts: Iterable[str] = (), kind: str = "any") -> str:
    items = "".join(
        f"<label><name>{n}</name><color>#fff</color><type>{kind}</type><attributes/></label>\n"
        for n in names
    )
    items += "".join(
        f"<label><name>{n}</name><type>any</type><parent>man</parent></label>\n" for n in parts
    )
    return f"<labels>{items}</labels>\n"


def task(
    inside: str = "", subset: str = "default", mode: str = "annotation", **keys: object
) -> str:
    said = "".join(f"<{key}>{value}</{key}>" for key, value in keys.items())
    return (
        f"<meta><task><id>4</id><name>t</name><mode>{mode}</mode><subset>{subset}</subset>{said}\n"
        f"{inside}</task><dumped>2024-01-02</dumped></meta>\n"
    )


def project(subsets: Sequence[str], inside: str = "") -> str:
    tasks = "".join(
        f"<task><id>{i}</id><mode>annotation</mode><subset>{s}</subset></task>"
        for i, s in enumerate(subsets, 1)
    )
    named = "\n".join(subsets)
    return (
        f"<meta><project><id>1</id><tasks>{tasks}</tasks><subsets>{named}</subsets>{inside}"
        "</project><dumped>2024-01-02</dumped></meta>\n"
    )


def document(*parts: str) -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    return f"{head}{''.join(parts)}</annotations>\n"


def track(label: str, *shapes: str, **keys: object) -> str:
    named = "".join(f' {key}="{value}"' for key, value in keys.items())
    return f'<track id="0" label="{label}" source="manual"{named}>\n{"".join(shapes)}</track>\n'


def at(
    frame: int, corners: Sequence[float], *, key: bool = True, outside: bool = False, **more: object
) -> str:
    """A box of a track."""
    keys = dict(zip(("xtl", "ytl", "xbr", "ybr"), (f"{v:.2f}" for v in corners), strict=True))
    state = {"frame": frame, "keyframe": int(key), "outside": int(outside), "occluded": 0}
    named = "".join(f' {k}="{v}"' for k, v in {**state, **keys, **more}.items())
    return f'<box{named} z_order="0"></box>\n'


def pictures(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if name.lower().endswith("png") else "JPEG"
        path.write_bytes(jpeg(*SIZE, seed=seed, format=kind))


def write(root: Path, text: str, name: str = "annotations.xml") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
