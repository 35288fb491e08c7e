"""What reading and writing YOLO's files share: its folders, and what a source says."""

from __future__ import annotations

from ssd_data.data.formats.shares import SharedSource

IMAGES, LABELS, DATA = "images", "labels", "data.yaml"
SLACK = 0.01  # how far a value may leave 0 to 1, as Ultralytics has it
LOW, HIGH = -SLACK, 1 + SLACK
# Keys of data.yaml and .data that name no split.
NO_SPLITS = frozenset(
    (
        *("path", "names", "nc", "channels", "kpt_shape", "kpt_names", "flip_idx", "masks_dir"),
        *("roboflow", "download", "colors", "augment", "line"),  # of data.yaml
        *("classes", "labels", "backup", "eval", "difficult", "leaders", "top", "results"),
    )
)
LINE = "class cx cy w h"  # what a line is; as ``line:`` of a data.yaml, that this is certain
LAYOUT = """\
data.yaml                    names, train, val (Ultralytics, Roboflow); or obj.data (Darknet)
images/<split>/<name>.jpg    or <split>/images/<name>.jpg, or beside the txt
labels/<split>/<name>.txt    class cx cy w h, in fractions of the picture"""


class YoloSource(SharedSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures with a txt each; all paths are below the root.

    Attributes:
        images: a folder, ``.`` for the root itself, or a list of pictures, a path a line.
        labels: the folder of their txt. Left out, Ultralytics' rule finds them: the last folder
            called ``images`` becomes ``labels``; where there is none, a txt lies beside its
            picture.
        names: what names the classes: a ``data.yaml``, a file of names, one a line, or Label
            Studio's ``notes.json``. Left out, classes are called 0, 1, …
    """

    images: str
    labels: str = ""
    names: str = ""


def needs(source: YoloSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [path for path in (source.images, source.labels, source.names) if path]
