"""Scores by the rules of VOC, COCO and WIDER FACE: one folder a metric; its name registers it.

A metric's folder has ``METRIC``, a :class:`Metric`: all that anybody asks of it. Beside that
usually lie ``files``, which reads and writes its formats, ``truth``, which says what of a data set
is true to it, and ``rules``, which scores. What they share is here: ``scores`` has the nouns,
``truth`` gathers true boxes, ``files`` reads lines, ``comparable`` refuses what does not belong
together, ``average_precision`` and ``detection_evaluate`` have the sums, ``analysis`` what is asked
for besides, ``plots`` draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.fences import keep_inside
from ssd_data.core.files.there import is_folder, is_there
from ssd_data.core.registry import METRICS

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.core.structures import Detections
    from ssd_data.data.dataset import Dataset
    from ssd_data.metrics.scores import Found, Numbers, Scores, Truth
    from ssd_data.metrics.truth import TruthBuilder

FoundByName: TypeAlias = "Mapping[str, Detections]"
SizesByName: TypeAlias = Mapping[str, tuple[int, int]]
MissingPolicy = Literal["fail", "count", "skip"]
Extra = Literal["by-size", "confusion", "thresholds", "errors"]
SSD_VERSIONS = ("11point", "MaxIntegral", "Integral")  # of average precision
NO, PERHAPS, SURELY = range(3)


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How to score.

    >>> ScoreOptions(missing="count").iou
    (0.5,)

    Attributes:
        missing: pictures without detections are an error, have every object missed, or leave the
            truth.
        split: which image set of a VOC folder, or the path of a list.
        labelmap: VOC's classes; by default all that the truth has.
        iou: thresholds of overlap, for VOC.
        extras: what to tell besides, see :mod:`ssd_data.metrics.analysis`.
        own_boxes: the boxes are this package's own: nobody asks in which convention they are.
        follow_links: read through links that leave the folders of truth and detections, too.

    Raises:
        UsageError: ``missing`` is no :data:`MissingPolicy`.
    """

    missing: MissingPolicy = "fail"
    split: str | None = None
    labelmap: Path | None = None
    iou: tuple[float, ...] = (0.5,)
    extras: tuple[Extra, ...] = ()
    own_boxes: bool = False
    follow_links: bool = False

    def __post_init__(self) -> None:
        if self.missing not in get_args(MissingPolicy):
            known = ", ".join(get_args(MissingPolicy))
            raise UsageError(f'--missing is one of {known}, not "{self.missing}"')


def by_path(pictures: TruthBuilder) -> tuple[str, ...]:
    """Names for pictures: their paths without ending."""
    return tuple(str(Path(image).with_suffix("")) for image in pictures.images)


def all_labels(labelmap: LabelMap) -> list[int]:
    """Every label but the background's."""
    return [item.label for item in labelmap if item.label > 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a metric is. Whatever its files hold, boxes are pixels, xmin ymin xmax ymax, once read.

    Attributes:
        title: what people call it.
        example: what its detections look like, in words.
        read_truth: (path, options) → the true boxes, from files that any tool made.
        sniff: how much a file or folder that is there looks like its detections: :data:`NO`,
            :data:`PERHAPS` or :data:`SURELY`.
        read_detections: (path, truth, options) → what was found; the truth names the pictures and
            classes.
        write_detections: (path, detections, sizes, truth, labelmap); writes what
            ``read_detections`` reads, whole or not at all. ``detections``: the pictures by
            ``names`` → what was found, boxes as fractions, read one by one; ``sizes``: the same
            names → width and height in pixels.
        score: (truth, found, options) → its numbers; the two speak of the same pictures.
        truth: (pictures, labelmap, origin, place) → the true boxes of a data set's pictures by its
            rules; boxes are in pixels, ``origin`` names them in errors, ``place`` is what
            ``read_truth`` reads, None where the pictures' own boxes are the truth.
        output: the file or (without an ending) folder in which an evaluation keeps detections.
        plus: what it adds to a box's sides: 1 where ``xmax`` and ``ymax`` are the last pixel.
        file_a_picture: whether pictures have files of their own, so that one in which nothing was
            found differs from one that is missing.
        needs_sizes: whether its numbers need the pictures' sizes, so that an evaluation adds those
            that the truth does not state.
        takes: the fields of :class:`ScoreOptions` that it takes and not every metric does.
        names: what its files call the pictures.
        labels: the labels that it scores, in the order of the classes of ``truth``.
        find_truth: (root, data set, split) → the ``place`` of the truth below a data set's root,
            None where there is none; the data set is None where only an LMDB of it is known.
        remark: what people should know of how pictures are called, empty as a rule.
        usual: what it tells, where layouts that have no metric of their own are scored by it; one
            metric says so.
    """

    title: str
    example: str
    read_truth: Callable[[Path, ScoreOptions], Truth]
    sniff: Callable[[Path], int]
    read_detections: Callable[[Path, Truth, ScoreOptions], Found]
    write_detections: Callable[[Path, FoundByName, SizesByName, Truth, LabelMap], None]
    score: Callable[[Truth, Found, ScoreOptions], Numbers]
    truth: Callable[[TruthBuilder, LabelMap, Path, Path | None], Truth]
    output: str = "detections"
    plus: int = 0
    file_a_picture: bool = False
    needs_sizes: bool = False
    takes: tuple[str, ...] = ()
    names: Callable[[TruthBuilder], tuple[str, ...]] = by_path
    labels: Callable[[LabelMap], list[int]] = all_labels
    find_truth: Callable[[Path, Dataset | None, str], Path | None] = lambda root, data, split: None
    remark: Callable[[TruthBuilder], str] = lambda pictures: ""
    usual: str = ""


def load(metric: str) -> Metric:
    """A metric by name.

    Raises:
        UsageError: there is no such metric.

    >>> load("coco").output
    'detections.json'
    """
    found: Metric = METRICS.load(metric).METRIC
    return found


def taking(option: str) -> list[str]:
    """The metrics that take a field of :class:`ScoreOptions` that others do not.

    >>> taking("iou")
    ['voc']
    """
    return [name for name in METRICS.names() if option in load(name).takes]


def usual() -> tuple[str, str]:
    """The metric of layouts that have none of their own, and what is said of it.

    >>> usual()[0]
    'coco'
    """
    return next((name, said) for name in METRICS.names() if (said := load(name).usual))


def recognise(detections: Path) -> Metric:
    """The metric whose detections a file or folder looks like.

    Raises:
        InputError: there is nothing, or it looks like nobody's.
    """
    if not is_there(detections):
        raise InputError("there are no detections here", where=detections)
    known = [load(name) for name in METRICS.names()]
    found = max(known, key=lambda metric: metric.sniff(detections))
    if found.sniff(detections) == NO:
        known.sort(key=lambda metric: bool(Path(metric.output).suffix))  # folders first
        hint = "; ".join(f"{metric.title}: {metric.example}" for metric in known)
        raise InputError("there is no file of detections", where=detections, hint=hint)
    return found


def score(
    metric: str, truth: Path, detections: Path, options: ScoreOptions | None = None
) -> Scores:
    """Score files that any tool made.

    Args:
        metric: "voc", "coco" or "widerface".
        truth: VOC: an image set's list or its folder, or an LMDB; COCO: an instances JSON; WIDER
            FACE: the official evaluation's ``ground_truth``.
        detections: VOC: a folder of ``comp4_det_test_<class>.txt``; COCO: a results JSON; WIDER
            FACE: a folder ``EVENT/picture.txt``.
        options: the defaults where None.

    Raises:
        InputError: a file cannot be read, or the two do not belong together.
        UsageError: there is no such metric.
        SsdDataError: what reads or scores it is not installed.

    >>> Path("nothing").mkdir()
    >>> Path("nothing/comp4_det_test_circle.txt").touch()
    >>> score("voc", Path("test_lmdb"), Path("nothing"), ScoreOptions(missing="count")).ap["VOC10"]
    0.0
    """
    by, options = load(metric), options or ScoreOptions()
    for place in map(Path, (truth, detections)):
        if is_folder(place):
            keep_inside(place, options.follow_links)
    true = by.read_truth(Path(truth), options)
    return score_arrays(metric, true, by.read_detections(Path(detections), true, options), options)


def score_arrays(metric: str, truth: Truth, found: Found, options: ScoreOptions) -> Scores:
    """The same from what has been read.

    Raises:
        InputError, UsageError, SsdDataError: as :func:`score`.
    """
    from ssd_data.metrics.analysis import extras
    from ssd_data.metrics.comparable import require_comparable
    from ssd_data.metrics.scores import Scores

    by, total = load(metric), len(truth.pictures)
    truth, found, subset = require_comparable(by, truth, found, options)
    numbers = by.score(truth, found, options)
    return Scores(
        metric,
        numbers.ap,
        rules={**numbers.rules, "missing": options.missing, **truth.rules},
        counts={
            "pictures": len(truth.pictures),
            "pictures_of_the_set": total,
            f"pictures_without_{'file' if by.file_a_picture else 'detections'}": int(
                (~found.has_entry).sum()
            ),
            "truths": len(truth.boxes),
            **numbers.counts,
            "detections": len(found.boxes),
        },
        subset=subset,
        classes=numbers.classes,
        notes=found.notes,
        more=extras(truth, found, options.extras, by.plus),
        curves=numbers.curves,
    )
