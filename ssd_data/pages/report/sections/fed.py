"""The pictures that the net was fed, made anew, and the priors that their boxes got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ssd_data.batches import NO_PLAN, Batches
from ssd_data.batches.augment.rows import BOX
from ssd_data.batches.mix import Share
from ssd_data.batches.plan import FeedPlan
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.legible import count_of, visible
from ssd_data.core.scene import Mark, Scene
from ssd_data.core.structures import Batch, Boxes, Pixels
from ssd_data.data.lmdb.survey import class_name
from ssd_data.families.fit.layout import Layout, read_layout
from ssd_data.families.fit.matching import Indices, pairs
from ssd_data.nets.preprocessing import Array, Preprocessing, from_transform
from ssd_data.pages.report.blocks import (
    Block,
    Cell,
    Gallery,
    Note,
    Panel,
    Section,
    Table,
    Thumbnail,
)
from ssd_data.pages.report.history import table
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.run_subject import RunSubject, processes
from ssd_data.pages.report.thumbnails import to_thumbnail
from ssd_data.proto import caffe_pb2
from ssd_data.training.recipe.change import settle_recipe
from ssd_data.training.recipe.feeding import plan_of

LEAD = (
    "Thick: true boxes as the loss is given them. Thin: the priors that are matched with them; "
    "dashed where only the bipartite rule does, below the threshold."
)
MOST_WEIGHT = 1 << 16
MOST_PRIORS = 40  # drawn on a picture, those that overlap most


def section(subjects: Sequence[RunSubject], view: RunView) -> Section:
    """The first pictures of an iteration."""
    panels = [Panel(s.title, _blocks(s, view)) for s in subjects]
    return Section("fed", "What the net was fed", LEAD, (), panels)


def _blocks(subject: RunSubject, view: RunView) -> list[Block]:
    try:
        return _fed(subject, view.pictures, view.iteration)
    except (InputError, UsageError, MemoryError) as error:
        what = error.sentence if isinstance(error, (InputError, UsageError)) else "too large"
        return [Note(f"These pictures cannot be made: {what}", "warning")]


@dataclass(slots=True)
class _Matched:
    """What came of the matching.

    Attributes:
        layout: the net's priors; None where the net does not say. boxes: float32 (P, 4); owner: the
            map of each, (P,).
        by_map: how many priors of each map were matched. counts: boxes by what became of them.
    """

    layout: Layout | None
    boxes: Boxes
    owner: Indices
    by_map: Counter[int] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


def _fed(subject: RunSubject, count: int, iteration: int) -> list[Block]:
    if subject.train is None:
        return [Note("The training net is not there.", "warning")]
    facts = subject.session(iteration).facts
    mix = _mix(subject, facts)
    layer, batch = _layer(subject, mix)
    options = table(facts, "options")
    position = subject.position(iteration, batch)
    matched, notes = _priors(subject, options)
    prepare = from_transform(layer.transform_param, subject.train)
    with Batches(
        layer,
        caffe_pb2.TRAIN,
        seed=_seed(subject, facts, options),
        workers=0,
        jpeg_roundtrip=options.get("jpeg_roundtrip") is not False,
        start=position,
        min_box=_whole(table(options, "extras").get("min_face")) or 0,
        mix=mix,
        plan=_plan(subject, options, layer, batch * processes(subject.session(iteration))),
    ) as batches:
        pictures = [_picture(next(batches), prepare, matched, subject) for _ in range(count)]
    title = f"iteration {iteration:,}: the first {len(pictures)} of its {batch:,} pictures"
    if subject.on_caffe:
        text = (
            "A real Caffe drew other random numbers: these are made by the same rules, not its own."
        )
        notes.insert(0, Note(text))
    return [*notes, Gallery(title, pictures), *_tables(matched)]


def _mix(subject: RunSubject, facts: dict[str, object]) -> list[Share]:
    """The LMDBs that the run read by turns, where they are now; none where it read one.

    Raises:
        InputError: one of them is not there.
    """
    found = facts.get("mix")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    shares = []
    for row in rows:
        source, weight = row.get("source"), row.get("weight")
        if not isinstance(source, str) or type(weight) is not int or not 0 < weight <= MOST_WEIGHT:
            raise InputError("its log does not say what it was a mix of")
        shares.append(Share(str(subject.find_lmdb(source)), weight))
    return shares


def _layer(subject: RunSubject, mix: Sequence[Share]) -> tuple[caffe_pb2.LayerParameter, int]:
    """The data layer, one picture a batch, and how many its batch has."""
    assert subject.train is not None
    layer = caffe_pb2.LayerParameter()
    layer.CopyFrom(subject.data_layer(subject.train, "TRAIN").param)
    batch = layer.data_param.batch_size
    layer.data_param.batch_size = 1  # what happens to a picture depends on its position alone
    source = layer.data_param.source
    layer.data_param.source = mix[0].source if mix else str(subject.find_lmdb(source))
    return layer, batch


def _plan(
    subject: RunSubject, options: dict[str, object], layer: caffe_pb2.LayerParameter, batch: int
) -> FeedPlan:
    """What the run's recipe changes, for batches of one picture.

    Args:
        batch: pictures of its batches, of all processes together.
    """
    recorded = options.get("recipe")
    recipe = settle_recipe(None, recorded, "the run's log") if recorded else None
    if recipe is None or subject.solver is None:
        return NO_PLAN
    solver = caffe_pb2.SolverParameter()
    solver.CopyFrom(subject.solver)
    solver.max_iter = _whole(options.get("max_iter")) or solver.max_iter
    plan = plan_of(recipe, solver, layer.transform_param, batch)
    return replace(plan, every=plan.every * batch)


def _priors(subject: RunSubject, options: dict[str, object]) -> tuple[_Matched, list[Block]]:
    notes: list[Block] = []
    if table(options, "extras").get("scale_compensation") is True:
        notes.append(Note("The second stage of --scale-compensation is not drawn."))
    assert subject.train is not None
    try:
        layout = read_layout(subject.train)
        return _Matched(layout, *layout.boxes()), notes
    except (InputError, UsageError) as error:
        notes.append(Note(f"Priors are not drawn: {error.sentence}", "warning"))
        return _Matched(None, np.zeros((0, 4), np.float32), np.zeros(0, np.int64)), notes


def _picture(
    batch: Batch, prepare: Preprocessing, matched: _Matched, subject: RunSubject
) -> Thumbnail:
    rows = batch.label.reshape(-1, 8)
    rows = rows[rows[:, 0] >= 0]
    marks = [
        Mark(label, class_name(label, subject.labelmap), note=", true", marked=True)
        for label in rows[:, 1].astype(int).tolist()
    ]
    scene, facts = Scene(rows[:, BOX], marks), []
    if matched.layout is not None:
        scene, said = _match(scene, rows, matched, matched.layout)
        facts.append(said)
    if batch.others:
        names = ", ".join(visible(key) for key in dict.fromkeys(batch.others[0]))
        facts.append(f"with something of {names}")
    return to_thumbnail(visible(batch.keys[0]), to_pixels(batch.data[0], prepare), scene, facts)


def _match(scene: Scene, rows: Array, matched: _Matched, layout: Layout) -> tuple[Scene, str]:
    """The scene with the priors in it, and how many there are."""
    rules = layout.rules
    taken = np.arange(len(rows)) if rules.use_difficult else np.flatnonzero(rows[:, 7] == 0)
    box, prior, overlap = pairs(rows[taken][:, BOX], matched.boxes, rules)
    box, forced = taken[box], overlap < np.float32(rules.overlap)
    owner = matched.owner[prior]
    matched.by_map.update(owner.tolist())
    reached = {*box[~forced].tolist()}
    matched.counts["matched"] += len(reached)
    matched.counts["forced"] += len({*box[forced].tolist()} - reached)
    matched.counts["none"] += len(rows) - len({*box.tolist()})
    order = np.argsort(-overlap, kind="stable")[:MOST_PRIORS]
    priors = []
    for i in order.tolist():
        true = scene.marks[box[i]]
        name = f"prior of {layout.maps[owner[i]].blob} for {true.name}, {overlap[i]:.2f}"
        priors.append(Mark(true.label, name, dashed=bool(forced[i]), counted=False))
    boxes = np.concatenate([scene.boxes, matched.boxes[prior[order]]])
    scene = Scene(boxes, [*scene.marks, *priors])
    said = f"{count_of(len(prior), 'prior')} matched, {int(forced.sum())} forced"
    if len(prior) > MOST_PRIORS:
        said += f"; the {MOST_PRIORS} best are drawn"
    return scene, said


def _tables(matched: _Matched) -> list[Block]:
    layout = matched.layout
    if layout is None:
        return []
    counts = matched.counts
    rows: list[list[Cell]] = [
        ["matched at the threshold or more", counts["matched"]],
        ["by the bipartite rule alone (forced)", counts["forced"]],
        ["no prior", counts["none"]],
    ]
    maps: list[list[Cell]] = [
        [one.blob, f"{one.size[1]}x{one.size[0]}", one.count, matched.by_map[i]]
        for i, one in enumerate(layout.maps)
    ]
    return [
        Table("Boxes of these pictures", ["", "boxes"], rows),
        Table("Priors of these pictures", ["map", "size", "priors", "matched"], maps),
    ]


def to_pixels(values: Array, prepare: Preprocessing) -> Pixels:
    """A picture of a net's input, float32 (C, H, W), mean and scale taken back."""
    mean = np.array(prepare.mean[: len(values)], np.float32)
    pixels = values.transpose(1, 2, 0) / np.float32(prepare.scale or 1) + mean
    return np.ascontiguousarray(np.nan_to_num(pixels).round().clip(0, 255).astype(np.uint8))


def _seed(subject: RunSubject, facts: dict[str, object], options: dict[str, object]) -> int:
    """The run's seed, else the solver's ``random_seed``, else 0, as a training takes it."""
    for value in (facts.get("seed"), options.get("seed")):
        if (seed := _whole(value)) is not None:
            return seed
    return max(subject.solver.random_seed, 0) if subject.solver is not None else 0


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 63 else None
