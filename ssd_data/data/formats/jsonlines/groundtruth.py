"""Lines of SageMaker Ground Truth's manifests, bounding boxes:
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html#sms-output-box

The labels stand under a name that the labelling job chose, what they are called beside them under
``<name>-metadata``. Boxes are in pixels, counted from 0.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ssd_data.data.formats.jsonlines.schema import Line, LineError
from ssd_data.data.formats.numbers import FAR

METADATA = "-metadata"
BY_MODEL = "picture that a model has labelled (human-annotated: no)"


class ManifestBox(msgspec.Struct):
    """A box."""

    class_id: int | str
    left: float
    top: float
    width: float
    height: float


class ManifestSize(msgspec.Struct):
    """A picture's size."""

    width: int = 0
    height: int = 0


class ManifestLabels(msgspec.Struct):
    """What stands under a label attribute."""

    annotations: list[ManifestBox]
    image_size: list[ManifestSize] = []


class ManifestMetadata(msgspec.Struct):
    """What stands beside it."""

    classes: dict[str, str] = msgspec.field(default_factory=dict, name="class-map")
    kind: str = msgspec.field(default="", name="type")
    human: str = msgspec.field(default="yes", name="human-annotated")
    failure: str = msgspec.field(default="", name="failure-reason")


def attributes_of(table: dict[str, Any]) -> list[str]:
    """The label attributes of a line that are boxes, or should be and failed."""
    found = []
    for name, value in table.items():
        beside = table.get(name + METADATA)
        own = name.removesuffix(METADATA)
        if isinstance(value, dict) and "annotations" in value:
            found.append(name)
        elif own != name and own not in table:
            if isinstance(value, dict) and "failure-reason" in value:
                found.append(own)
        elif isinstance(beside, dict) and "object-detection" in str(beside.get("type")):
            found.append(name)
    return found


def other_kind(table: dict[str, Any]) -> str:
    """What a line without boxes is labelled with; empty where it is not."""
    kinds = [
        v.get("type") for k, v in table.items() if k.endswith(METADATA) and isinstance(v, dict)
    ]
    return next((str(kind) for kind in kinds if kind), "")


def parse(table: dict[str, Any], attribute: str) -> Line:
    """What a line says.

    Args:
        attribute: the label attribute that is meant, empty for the only one.

    Raises:
        LineError: it has none or several, or they are not what they should be.
    """
    found = attributes_of(table)
    if attribute:
        found = [name for name in found if name == attribute]
    if not found:
        kind = other_kind(table)
        if kind and not attribute:
            raise LineError(f"labels of the type {kind}, which are no boxes")
        return Line(unlabelled=f'no label attribute "{attribute}"' if attribute else "no labels")
    if len(found) > 1:
        raise LineError(
            f"several label attributes have boxes: {', '.join(found)}; say in a recipe which is "
            'meant: attribute = "…"'
        )
    try:
        metadata = msgspec.convert(table.get(found[0] + METADATA, {}), ManifestMetadata)
        if found[0] not in table:
            return Line(unlabelled=f"its labelling failed: {metadata.failure}")
        return _line(msgspec.convert(table[found[0]], ManifestLabels), metadata)
    except msgspec.ValidationError as error:
        raise LineError(str(error)) from None


def _line(labels: ManifestLabels, metadata: ManifestMetadata) -> Line:
    line = Line()
    for box in labels.annotations:
        name = metadata.classes.get(str(box.class_id))
        if name is None:
            raise LineError(f"the class-map has no class {box.class_id}")
        if not all(abs(v) < FAR for v in (box.left, box.top, box.width, box.height)):
            raise LineError("a box is not of finite numbers")
        line.classes.append(name)
        line.boxes.append((box.left, box.top, box.left + box.width, box.top + box.height))
    for size in labels.image_size[:1]:
        line.width, line.height = max(size.width, 0), max(size.height, 0)
    if metadata.human.lower() == "no":
        line.odd.append(BY_MODEL)
    return line
