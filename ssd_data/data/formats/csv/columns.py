"""Which column of a CSV is what, by the names that tools give them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.core.legible import few, legible
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.pictures import has_picture_ending

Form = Literal["corners", "sides", "centre", "four", "many", "vertices"]
_NAMED = {
    "picture": (
        "filename imagefilename imgfilename imagefile imgfile imagename imgname imagepath imgpath "
        "filepath fullpath relativeimpath path fname file image img frame picture photo imageid "
        "imgid imageuri uri imageurl url previewurl gcsuri sourceref name"
    ),
    "xmin": (
        "xmin x1 left xtl minx bboxxmin bboxx1 bboxleft boxxmin roix1 xrelativemin startx topleftx "
        "leftx xleft"
    ),
    "ymin": (
        "ymin y1 top ytl miny bboxymin bboxy1 bboxtop boxymin roiy1 yrelativemin starty toplefty "
        "topy ytop"
    ),
    "xmax": (
        "xmax x2 right xbr maxx bboxxmax bboxx2 bboxright boxxmax roix2 xrelativemax endx "
        "bottomrightx rightx xright"
    ),
    "ymax": (
        "ymax y2 bottom ybr maxy bboxymax bboxy2 bboxbottom boxymax roiy2 yrelativemax endy "
        "bottomrighty bottomy ybottom"
    ),
    "x": "x bboxx boxx",
    "y": "y bboxy boxy",
    "cx": "xcenter xcentre centerx centrex xc cx bboxxcenter bboxcx",
    "cy": "ycenter ycentre centery centrey yc cy bboxycenter bboxcy",
    "w": "w bboxw bboxwidth boxw boxwidth bw",
    "h": "h bboxh bboxheight boxh boxheight bh",
    "four": "bbox boundingbox box bboxes bndbox",
    "many": "boxesstring",
    "class": (
        "classname labelname categoryname objectclass objectname class label labels category cls "
        "object tag tags name classid categoryid labelid clsid classes"
    ),
    "split": "split set subset mluse usage partition phase fold dataset datasplit istest test",
    "difficult": "difficult iscrowd",
    "score": "score confidence conf probability",
    "width": "imagewidth imgwidth imwidth imgw imagew imw width",
    "height": "imageheight imgheight imheight imgh imageh imh height",
}
KNOWN: Mapping[str, tuple[str, ...]] = {role: tuple(t.split()) for role, t in _NAMED.items()}
_FORMS: tuple[tuple[Form, tuple[str, ...]], ...] = (
    ("corners", ("xmin", "ymin", "xmax", "ymax")),
    ("sides", ("xmin", "ymin", "w", "h")),
    ("sides", ("x", "y", "w", "h")),
    ("centre", ("cx", "cy", "w", "h")),
    ("four", ("four",)),
    ("many", ("many",)),
)
# Beside them a column may hold the class, but these never do.
_NO_CLASS = (
    "id index source area timestamp domain depth channels unnamed0 radid license occluded "
    "truncated pose rotation comment createdat annotator imageid crowd generated"
)
_SIDES = ("width", "height")
SHOWN = (
    "Known are filename, image, path … for the picture; xmin ymin xmax ymax, x1 y1 x2 y2, "
    "x y w h, cx cy w h, bbox … for the box; class, label, category … for the class"
)


class ColumnLayout(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a row what stands; -1 where nowhere.

    Attributes:
        form: how a box is written: its corners, its top left corner and sides, its centre and
            sides; in one cell, ``four`` numbers or ``many`` boxes; or as four ``vertices``.
        box: the columns that it is written in.
        width, height: of the picture.
        bare: whether the box begins at columns called x and y, which might be its centre.
        flags: whether the column of splits says 0 for training, 1 for test.
        size: how many columns there are.
        first: whether the first row is a row, not the names.
    """

    picture: int
    form: Form
    box: tuple[int, ...]
    label: int = -1
    split: int = -1
    difficult: int = -1
    score: int = -1
    width: int = -1
    height: int = -1
    bare: bool = False
    flags: bool = False
    size: int = 0
    first: bool = False

    @property
    def needed(self) -> int:
        """How many cells a row has at least."""
        box = () if self.form == "vertices" else self.box  # whose last are often left out
        return 1 + max(self.picture, *box, self.label, self.split)


def plain(name: str) -> str:
    """A column's name by its letters and digits only.

    >>> plain(" Bbox_X-1"), plain("\\ufefffilename")
    ('bboxx1', 'filename')
    """
    return "".join(c for c in name.lower() if c.isalnum())


def layout_of(
    header: Sequence[str],
    rows: Sequence[Sequence[str]] = (),
    stated: Mapping[str, str] | None = None,
) -> ColumnLayout:
    """The layout that a header's names say.

    >>> layout_of(["frame", "xmin", "xmax", "ymin", "ymax", "class_id"]).box
    (1, 3, 2, 4)

    Args:
        rows: some that follow, which tell whether ``name`` is the picture or the class.
        stated: names of columns by what they are, that count before all others.

    Raises:
        InputError: what is needed has no column; nothing says where.
    """
    stated = stated or {}
    found = _found(header, rows, stated)
    form, box = next(((f, c) for f, c in _FORMS if all(n in found for n in c)), (None, ()))
    missing = [] if form else ["the box"]
    if "picture" not in found:
        missing.insert(0, "the picture")
    known = "class" in found or "class" in stated
    if form and not known and (odd := _maybe_class(header, found)):
        missing.append(f'the class (is it "{listable(odd[:40])}"?)')
    if form is None or missing:
        raise _unknown(header, " and ".join(missing))
    return ColumnLayout(
        picture=found["picture"],
        form=form,
        box=tuple(found[role] for role in box),
        label=found.get("class", -1),
        split=found.get("split", -1),
        difficult=found.get("difficult", -1),
        score=found.get("score", -1),
        width=found.get("width", -1),
        height=found.get("height", -1),
        bare=form == "sides" and plain(header[found[box[0]]]) == "x",
        flags="split" in found and plain(header[found["split"]]) in ("istest", "test"),
        size=len(header),
    )


def _found(
    header: Sequence[str], rows: Sequence[Sequence[str]], stated: Mapping[str, str]
) -> dict[str, int]:
    """The column of each role that there is."""
    at = {plain(name): index for index, name in reversed(list(enumerate(header)))}
    if "x0" in at and "y0" in at and "x2" not in at:  # corners 0 and 1
        at = {{"x0": "x1", "y0": "y1", "x1": "x2", "y1": "y2"}.get(n, n): i for n, i in at.items()}
    found: dict[str, int] = {}
    for role, names in KNOWN.items():
        columns = [at[name] for name in names if name in at]
        columns = [column for column in columns if column not in found.values()]
        if role == "picture":
            columns.sort(key=lambda column: not _holds_pictures(rows, column))
            if columns and plain(header[columns[0]]) == "name":
                columns = columns if _holds_pictures(rows, columns[0]) else []
        if role == "class":  # a name says more than a number
            columns.sort(key=lambda column: _holds_numbers(rows, column))
        if columns:
            found[role] = columns[0]
    for role, name in stated.items():
        found.pop(role, None)
        if role not in KNOWN:
            raise InputError(f'a column is not "{role}"', hint=f"They are {', '.join(KNOWN)}")
        if name and plain(name) not in at:
            raise _unknown(header, f'"{name}", which is to be "{role}"')
        if name:
            found[role] = at[plain(name)]
    _give_box_its_sides(found, at, stated)
    return found


def _give_box_its_sides(
    found: dict[str, int], at: Mapping[str, int], stated: Mapping[str, str]
) -> None:
    """Where a box has one corner or a centre only, ``width`` and ``height`` are its own.

    ``image_width`` and ``image_height`` stay the picture's.
    """
    if not {"x", "xmin", "cx"} & found.keys() or {"xmax", "ymax", "w", "h"} & found.keys():
        return
    sides = [found.get(side, -1) if side in stated else at.get(side, -1) for side in _SIDES]
    if min(sides) < 0:
        return
    for side, role, column in zip(_SIDES, ("w", "h"), sides, strict=True):
        found[role] = column
        if found.get(side) == column:
            del found[side]


def _holds_pictures(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column's cells end as pictures do."""
    cells = [row[column].strip() for row in rows if column < len(row)]
    return any(cells) and all(has_picture_ending(cell) for cell in cells if cell)


def _holds_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column's cells are numbers."""
    cells = [row[column].strip() for row in rows if column < len(row)]
    return any(cells) and not any(math.isnan(number(cell)) for cell in cells if cell)


def _maybe_class(header: Sequence[str], found: Mapping[str, int]) -> str:
    """A column that nothing is known of, so that it may be the class; empty where none is."""
    known = {name for names in KNOWN.values() for name in names} | {*_NO_CLASS.split(), ""}
    odd = (n for i, n in enumerate(header) if i not in found.values() and plain(n) not in known)
    return next(odd, "")


def _unknown(header: Sequence[str], what: str) -> InputError:
    names = few([f'"{legible(name, 40)}"' for name in header], 12)
    return InputError(
        f"no column is known for {what}; the columns are {names}",
        hint=[
            f"{SHOWN}.",
            "Rename the columns, or say in a recipe which is which: "
            'sources = [{ csv = "FILE", columns = { picture = "…", xmin = "…", class = "…" } }]',
        ],
    )
