"""What a preflight looks for in labels: those of the LMDBs, the labelmaps', the nets' classes."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import CAFFE, LabelMap, read_labelmap
from ssd_data.data.lmdb.companions import labelmap_of, manifest_of
from ssd_data.data.lmdb.manifest import MANIFEST, labelmap_digest
from ssd_data.nets.graph import Graph
from ssd_data.training.preflight.data import Lmdb, Source
from ssd_data.training.preflight.report import Preflight

_ANEW = "They are of two builds, or were changed since: build anew with --redo"
Classes = dict[str, tuple[int, str]]  # layer type → num_classes, and where it says so


def classes_of(graph: Graph) -> Classes:
    """The ``num_classes`` of a net's layers."""
    found: Classes = {}
    for node in graph.nodes:
        counts = {
            "MultiBoxLoss": node.param.multibox_loss_param.num_classes,
            "MultiBoxFocalLoss": node.param.multibox_loss_param.num_classes,
            "DetectionOutput": node.param.detection_output_param.num_classes,
            "DetectionEvaluate": node.param.detection_evaluate_param.num_classes,
        }
        if (count := counts.get(node.type, 0)) > 0:
            found[node.type] = (count, node.where)
    return found


def check_classes(found: Preflight, nets: Sequence[Graph]) -> None:
    """All layers of all nets have the same number of classes."""
    all_of_them = [pair for graph in nets for pair in classes_of(graph).values()]
    for count, where in all_of_them[1:]:
        if count != all_of_them[0][0]:
            what = f"num_classes is {count}, but {all_of_them[0][0]} in {all_of_them[0][1]}"
            found.warn(where, what, "Write all nets with one number: ssd-data model")


def check_labels(found: Preflight, source: Source, classes: Classes) -> None:
    """All labels of an LMDB are classes of the net."""
    lmdb = source.lmdb
    if lmdb is None or not classes:
        return
    if not lmdb.labels:
        found.warn(lmdb.path, "none of its records has a box", "Was it built without annotations?")
    count, where = min(classes.values())
    low = sorted(n for n in lmdb.labels if n < 1)
    high = sorted(n for n in lmdb.labels if n >= count)
    if low:
        found.error(
            lmdb.path,
            f"{sum(lmdb.labels[n] for n in low)} boxes have label {low[0]}, which is the "
            f"background's or none (first: {lmdb.label_keys[low[0]]})",
            "ssd-data check says more; build the LMDB anew",
        )
    if high:
        boxes = sum(lmdb.labels[n] for n in high)
        found.error(
            lmdb.path,
            f"{boxes} boxes have a label of {count} or above, up to {high[-1]} (first: "
            f"{lmdb.label_keys[high[0]]}), but num_classes is {count} in {where}",
            f"The background counts: num_classes {high[-1] + 1} or more, see ssd-data model",
        )


def check_labelmap(found: Preflight, source: Source, classes: Classes) -> None:
    """The labelmap that a data layer names; nothing computes with it: it can only be doubtful."""
    param = source.node.param.annotated_data_param
    if not param.label_map_file:
        return
    path = found.locate("labelmap", param.label_map_file, source.node.where, fatal=False)
    if path is None:
        return
    try:
        labelmap = read_labelmap(path)
    except InputError as error:
        found.warn(error.where, error.what, error.hint)
        return
    for fault in labelmap.judged():
        found.warn(path, fault.what, fault.cure)
    if labelmap.form != CAFFE:
        hint = f"ssd-data labelmap {path} -o labelmap.prototxt writes one that it reads"
        found.warn(path, f"it is {labelmap.form}; Caffe itself reads its own labelmaps only", hint)
    labels = {item.label for item in labelmap}
    for count, where in classes.values():
        if max(labels) >= count:
            found.warn(
                path,
                f"it has labels up to {max(labels)}, but num_classes is {count} in {where}",
                "Is it another data set's?",
            )
        elif max(labels) + 1 < count:
            found.warn(path, f"it has {len(labels)} classes, but num_classes is {count} in {where}")
    if source.lmdb is not None:
        if strange := sorted(n for n in source.lmdb.labels if n > 0 and n not in labels):
            key = source.lmdb.label_keys[strange[0]]
            found.warn(path, f"it lacks label {strange[0]}, which {source.lmdb.path} has ({key})")
        own = _labelmap_of(source.lmdb)
        if own is not None and (differences := _names_differ(labelmap, own)):
            what = f"it is not the labelmap that {source.lmdb.path} was built with: {differences}"
            found.warn(path, what, "Link both from one build: ssd-data link BUILD")


def check_build(found: Preflight, source: Source) -> None:
    """What lies beside an LMDB is of one build with it: ``build.json`` states what was built."""
    lmdb = source.lmdb
    if lmdb is None:
        return
    try:
        manifest = manifest_of(lmdb.path)
    except InputError as error:
        found.warn(error.where, error.what, error.hint)
        return
    made = manifest.find(lmdb.path.resolve().name) if manifest else None
    if manifest is None or made is None:
        return
    own, stated = _labelmap_of(lmdb), manifest.labelmap.sha256
    if own is not None and stated is not None and labelmap_digest(own) != stated:
        what = f"it is not the labelmap that {MANIFEST} beside it states"
        found.error(own.origin, what, _ANEW)
    if made[1].records != lmdb.records:
        what = f"it has {lmdb.records} records, and {MANIFEST} beside it states {made[1].records}"
        found.error(lmdb.path, what, _ANEW)
    elif own is not None and made[1].classes is not None:
        counts = {own.display_name(label): lmdb.labels[label] for label in sorted(lmdb.labels)}
        if [*counts.values()] != [*made[1].classes.values()]:
            what = f"its boxes of each class are not as many as {MANIFEST} beside it states"
            found.warn(lmdb.path, what, _ANEW)


def check_one_labelmap(found: Preflight, sources: list[Source]) -> None:
    """A label means the same class in all LMDBs."""
    maps = [(s.lmdb, own) for s in sources if s.lmdb and (own := _labelmap_of(s.lmdb))]
    for lmdb, labelmap in maps[1:]:
        if differences := _names_differ(maps[0][1], labelmap):
            found.error(
                lmdb.path,
                f"its labels mean other classes than those of {maps[0][0].path}: {differences}",
                "Build both with one labelmap: ssd-data build --labelmap",
            )


def _labelmap_of(lmdb: Lmdb) -> LabelMap | None:
    """The labelmap that an LMDB was built with: beside itself, not beside a link to it."""
    try:
        return labelmap_of(lmdb.path.resolve())
    except InputError:
        return None


def _names_differ(a: LabelMap, b: LabelMap) -> str:
    """The first label that has another name in each, or name another label; empty where there is
    none."""
    names = {item.label: item.name for item in b}
    for item in a:
        if item.label > 0 and names.get(item.label, item.name) != item.name:
            return f'label {item.label} is "{item.name}" and "{names[item.label]}"'
    labels: dict[str, list[int]] = {}
    for item in b:
        labels.setdefault(item.name, []).append(item.label)
    for item in a:
        others = labels.get(item.name)
        if item.label > 0 and others and item.label not in others:
            return f'"{item.name}" is label {item.label} and {others[0]}'
    return ""
