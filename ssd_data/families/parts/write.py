"""A family's nets and solver as files, fitted to a labelmap or to a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.remote.address import as_path, remote
from ssd_data.core.files.together import write_together
from ssd_data.core.labelmap import CAFFE, LabelMap, read_labelmap
from ssd_data.core.legible import count_of
from ssd_data.core.registry import FAMILIES
from ssd_data.data.lmdb.manifest import Manifest, read_manifest
from ssd_data.families import Model, generate
from ssd_data.families.parts.data import LABEL_MAP_FILE, TEST_SOURCE, TRAIN_SOURCE
from ssd_data.nets.prototxt import to_text
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class Written:
    """What :func:`write_model` wrote.

    Attributes:
        model: the nets and their settings.
        files: ``train``, ``test``, ``deploy`` and ``solver`` to their paths, and ``labelmap`` where
            one had to be written.
        solver: the solver as it was written.
        notes: what one should know about the files.
    """

    model: Model
    files: Mapping[str, Path]
    solver: caffe_pb2.SolverParameter
    notes: list[str] = field(default_factory=list)


def write_model(
    family: str,
    out: Path | str,
    *,
    num_classes: int | None = None,
    labelmap: Path | str | None = None,
    build: Path | str | None = None,
    redo: bool = False,
    **options: Any,
) -> Written:
    """Write ``train``, ``test``, ``deploy`` and ``solver.prototxt`` of a family.

    Paths in the files are relative to the folder that this runs in, as Caffe reads them: the
    nets lie in ``out``, the data at the links ``trainval_lmdb``, ``test_lmdb`` and
    ``labelmap.prototxt``.

    >>> written = write_model("tiny_ssd", "nets", build="SHAPES")
    >>> [path.name for path in written.files.values()]
    ['train.prototxt', 'test.prototxt', 'deploy.prototxt', 'solver.prototxt']

    Args:
        family: one of :data:`~ssd_data.core.registry.FAMILIES`.
        out: the folder that the files go to; made if it is not there.
        num_classes: classes, the background included; or
        labelmap: a labelmap, which the nets then name instead of the link; in TensorFlow's or
            another form it is written in Caffe's to ``out``; or
        build: the folder of a build, whose ``build.json`` has the classes and how many pictures
            are tested.
        redo: replace files that are there with other content.
        options: see :func:`ssd_data.families.generate`.

    Raises:
        UsageError: a wrong option, or not one of ``num_classes``, ``labelmap`` and ``build``.
        InputError: labelmap or build cannot be read.
        OutputError: another file is there already, or they cannot be written; none is, then.
    """
    manifest = _manifest(as_path(build)) if build is not None else None
    model = generate(family, count_classes(num_classes, labelmap, build), **options)
    files = {name: Path(out) / f"{name}.prototxt" for name in (*model.nets, "solver")}
    foreign = None if labelmap is None else _foreign(labelmap)
    if foreign is not None:
        files["labelmap"] = Path(out) / LABEL_MAP_FILE
    if labelmap is not None:
        _name_labelmap(model, spelled(files.get("labelmap", as_path(labelmap))))
    solver = _with_paths(model, files, Path(out) / family)
    notes: list[str] = []
    if manifest is not None:
        notes += _fit_to_build(model, solver, as_path(build or ""), manifest)
    else:
        batch = model.settings.test_batch_size
        notes.append(
            f"test_iter {solver.test_iter[0]} x batch {batch} is the published one: --build fits it"
        )
    notes += _note_on_merging(model)
    texts: dict[str, str] = {stage: to_text(net) for stage, net in model.nets.items()}
    texts["solver"] = to_text(solver)
    if foreign is not None:
        texts["labelmap"] = foreign.to_text()
    contents = {files[what].name: text.encode() for what, text in texts.items()}
    write_together(Path(out), contents, redo=redo)
    return Written(model, files, solver, notes)


def count_classes(
    num_classes: int | None = None,
    labelmap: Path | str | None = None,
    build: Path | str | None = None,
) -> int:
    """Classes, the background included, from the one of these that is given.

    Raises:
        UsageError: none of them is, or several are.
        InputError: labelmap or build cannot be read, or the labelmap has no background.
    """
    if [num_classes, labelmap, build].count(None) != 2:
        raise UsageError("give one of --num-classes, --labelmap and --build")
    if build is not None:
        classes = _manifest(as_path(build)).labelmap.classes
        if classes is None:
            raise InputError("the build's record does not say how many classes", where=build)
        return classes
    if labelmap is not None:
        found = read_labelmap(labelmap).require_background()
        return 1 + max((item.label for item in found), default=0)
    assert num_classes is not None
    return num_classes


def _foreign(path: Path | str) -> LabelMap | None:
    """A labelmap that Caffe cannot read, sound enough to be written so that it can."""
    labelmap = read_labelmap(path)
    return None if labelmap.form == CAFFE else labelmap.require_sound()


def _manifest(build: Path) -> Manifest:
    manifest = read_manifest(build)
    if manifest is None:
        raise InputError("no build here: build.json is missing", where=build)
    return manifest


def _name_labelmap(model: Model, path: str) -> None:
    for net in model.nets.values():
        for layer in net.layer:
            if layer.type == "AnnotatedData":
                layer.annotated_data_param.label_map_file = path


def _with_paths(model: Model, files: Mapping[str, Path], prefix: Path) -> caffe_pb2.SolverParameter:
    """The solver with its nets, the test one where the published solver tests."""
    solver = caffe_pb2.SolverParameter()
    solver.CopyFrom(model.solver)
    solver.train_net = spelled(files["train"])
    solver.test_net.append(spelled(files["test"]))
    solver.snapshot_prefix = spelled(prefix)
    return solver


def _fit_to_build(
    model: Model, solver: caffe_pb2.SolverParameter, build: Path, manifest: Manifest
) -> list[str]:
    """Every test picture is tested: as many batches as they fill, and where the published test net
    does so in pixels by the list of their sizes. Returns what one should know."""
    links, splits = manifest.links, manifest.splits
    notes = [
        f"the build has no split for {link}: the net of it needs another source"
        for link in (TRAIN_SOURCE, TEST_SOURCE)
        if links.get(link) not in splits
    ]
    if remote(build) is not None:
        _name_sources(model, build, manifest)
    made = splits.get(links.get(TEST_SOURCE, ""))
    if made is None:
        return notes
    if FAMILIES.load(model.family).DETECTOR.pixels:
        param = model.nets["test"].layer[-1].detection_evaluate_param
        param.name_size_file = spelled(build / made.name_size)
    records, batch = made.records, model.settings.test_batch_size
    solver.test_iter[:] = [max(1, -(-records // batch))]
    over = solver.test_iter[0] * batch - records
    pictures = count_of(records, "test picture")
    notes.append(f"test_iter {solver.test_iter[0]} x batch {batch} covers {pictures}")
    if over:
        again = "tested twice" if over <= records else "tested again"
        cure = f" (--test-batch-size {records}: each once)" if records < batch else ""
        notes.append(f"the last test batch starts over: {over} pictures are {again}{cure}")
    return notes


def _name_sources(model: Model, build: Path, manifest: Manifest) -> None:
    """The LMDBs and the labelmap of a build in a store by their addresses: nothing links there."""
    for net in model.nets.values():
        for layer in net.layer:
            made = manifest.splits.get(manifest.links.get(layer.data_param.source, ""))
            if made is not None:
                layer.data_param.source = spelled(build / made.lmdb)
    _name_labelmap(model, spelled(build / LABEL_MAP_FILE))


def _note_on_merging(model: Model) -> list[str]:
    def normalised(stage: Any) -> int:
        return sum(layer.type == "BatchNorm" for layer in model.nets[stage].layer)

    if normalised("train") <= normalised("deploy"):
        return []
    return ["deploy.prototxt takes weights with BatchNorm merged into them; --unmerged keeps it"]
