"""A raw data set checked as a build would read it; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ssd_data.core.boxes import normalize
from ssd_data.core.errors import InputError, as_input_error
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.data.build.convert import BuiltRecord, make_record
from ssd_data.data.build.frames import FrameError
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import LabelledImage, Scan, scan, unknown_classes
from ssd_data.data.build.units import settle_unit
from ssd_data.data.check.cases import RecordCase, SplitSummary
from ssd_data.data.check.findings import ERROR, WARNING, Findings
from ssd_data.data.check.job import UNREADABLE_LABELMAP, Job, picture_digest
from ssd_data.data.classes import require_matched
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats.splits import require_apart
from ssd_data.data.lmdb.survey import Look, look

UNREADABLE_SPLIT = (ERROR, "unreadable-split", "split cannot be read")
UNREADABLE_ANNOTATION = (ERROR, "unreadable-annotation", "annotation cannot be read")
UNREADABLE_PICTURE = (ERROR, "unreadable-picture", "picture cannot be read")
UNKNOWN_CLASS = (ERROR, "unknown-class", "class is not in the labelmap")
DUPLICATED_LINE = (WARNING, "duplicated-line", "picture is listed once more")
CHOSEN = (WARNING, "layout", "the folder leaves it open; this is how it is read")
OTHER_SIZE = (ERROR, "size-contradicts", "boxes contradict the stated size (build: --sizes)")
SKIPPED = (WARNING, "skipped", "picture is left out (--missing skip)")
SHARED_PICTURE = (ERROR, "shared-picture", "picture is in two splits that exclude each other")
FRACTIONS = (ERROR, "fractions", "boxes are fractions, not pixels (build: --boxes fractions)")


def check_dataset(
    dataset: Dataset,
    labelmap: LabelMap | None = None,
    splits: Collection[str] = (),
    reading: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Findings:
    """Check a raw data set as a build would read it; takes what :func:`check_lmdb` takes.

    Nothing is written. Without ``splits`` those are checked that are linked as training and test.

    Args:
        reading: those of :data:`ssd_data.data.build.options.READING` that the build is given.

    Raises:
        UsageError: there is no such split, or a class that is to be renamed.
    """
    job = Job(labelmap, **settings)
    job.findings.add(CHOSEN, dataset.said)
    verify = "decode" if job.decode else "header"
    options = BuildOptions.reading(reading or {}, empty="keep", shuffle=False, verify=verify)
    try:
        renamed = dataset.with_map(options.map, labelmap)
        job.labelmap = labelmap or renamed.classes()
    except InputError as error:
        job.findings.add(UNREADABLE_LABELMAP, [error.sentence])
        return job.findings
    job.judge_labelmap(job.labelmap)
    if not splits:
        job.findings.left_out = renamed.left_out(renamed.default_splits())
    check = _RawCheck(job, renamed, job.labelmap, replace(options, map=renamed.map))
    return check.run(splits or renamed.default_splits(), options.map)


class _RawCheck:
    def __init__(
        self, job: Job, dataset: Dataset, labelmap: LabelMap, options: BuildOptions
    ) -> None:
        self.job, self.dataset, self.labelmap, self.options = job, dataset, labelmap, options

    def run(self, splits: Collection[str], given: Mapping[str, str]) -> Findings:
        """Args: given: the names that were asked to be renamed."""
        found = self.job.findings
        scans = {split: one for split in splits if (one := self._scan(split)) is not None}
        stated = {word for one in scans.values() for word in one.stated}
        require_matched(given, self.dataset.words | stated)
        if self.options.unknown == "fail":
            found.add(UNKNOWN_CLASS, unknown_classes(scans, self.labelmap))
        try:
            require_apart({name: dict(one.lines) for name, one in scans.items()})
        except InputError as error:
            found.add(SHARED_PICTURE, [error.sentence])
        try:
            settle_unit(scans.values(), self.options, self.dataset.root)
        except InputError as error:
            found.add(FRACTIONS, [error.sentence])
        self.job.leaks({split: self._split(split, one) for split, one in scans.items()})
        return found

    def _scan(self, split: str) -> Scan | None:
        """A split's annotations, and all that reading them told; None where that failed."""
        found = self.job.findings
        try:
            with as_input_error():
                scanned = scan(self.dataset, split, self.labelmap, self.options)
        except InputError as error:
            found.add(UNREADABLE_SPLIT, [f"{split}: {error.sentence}"])
            return None
        kind = SKIPPED if self.options.missing == "skip" else UNREADABLE_ANNOTATION
        for entry in scanned.failures:
            cure = f" ({entry.error.hint})" if entry.unannotated or entry.boxless else ""
            found.add(kind, [entry.error.sentence + cure])
        again = Counter(image for image, _ in scanned.lines)
        found.add(DUPLICATED_LINE, (f"{split}: {n}" for n in again for _ in range(again[n] - 1)))
        self.job.take_notes(scanned.notes)
        return scanned

    def _split(self, split: str, scanned: Scan) -> SplitSummary:
        """Judge a split as its build would make it."""
        job = self.job
        job.prefix = f"{split}: "
        summary = SplitSummary(split, self.labelmap)
        with picture_limits():
            found = ordered_map(self._make, scanned.images, job.workers or default_workers())
            for image, made, seen, picture in job.track(found, len(scanned.images), split):
                if (judged := self._image(image, made, seen)) is not None:
                    summary.add(judged, picture)
        job.judge_split(summary)
        return summary

    def _make(self, image: LabelledImage) -> tuple[LabelledImage, BuiltRecord, Look, bytes]:
        made = make_record(self.dataset.root, image, self.options)
        seen = look(made.key, made.value)
        return image, made, seen, picture_digest(seen)

    def _image(self, image: LabelledImage, made: BuiltRecord, seen: Look) -> Look | None:
        """Judge one picture; None where there is nothing to add up."""
        self.job.take_notes(made.notes)
        if made.error is not None or seen.record is None:
            text = made.error.sentence if made.error else seen.fault
            kind = OTHER_SIZE if isinstance(made.error, FrameError) else UNREADABLE_PICTURE
            kind = SKIPPED if self.options.missing == "skip" else kind
            self.job.findings.add(kind, [text])
            return None
        # The record's own boxes are grouped by label; these are in the annotation's order.
        entry = made.entry or image.entry
        boxes = normalize(entry.boxes, *entry.unit(seen.record.width, seen.record.height))
        record = replace(seen.record, labels=image.labels, boxes=boxes, difficult=entry.difficult)
        seen = replace(seen, name=entry.image, record=record)
        places = [entry.place(index) for index in range(len(boxes))]
        self.job.judge(RecordCase(seen, self.labelmap, places), "")
        return seen
