"""Small sets to score, written as files that each can be broken in one place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from support.trees import xml


def cells(items: list[Any]) -> Any:
    array = np.empty((len(items), 1), object)
    for i, item in enumerate(items):
        array[i, 0] = item
    return array


class Wider:
    """Two events, three pictures; ``easy`` counts the first face of each, ``hard`` all."""

    def __init__(self, folder: Path, faces: dict[str, list[list[float]]] | None = None) -> None:
        self.faces = faces or {
            "0--A/one": [[10, 10, 20, 20], [50, 50, 10, 10]],
            "0--A/two": [[5, 5, 40, 40]],
            "1--B/three": [[0, 0, 30, 30], [100, 100, 50, 60]],
        }
        self.truth, self.pred = folder / "ground_truth", folder / "pred"
        self.truth.mkdir(parents=True)
        self.sets = {
            "easy": [[1] for _ in self.faces],
            "medium": [list(range(1, len(f) + 1))[:2] for f in self.faces.values()],
            "hard": [list(range(1, len(f) + 1)) for f in self.faces.values()],
        }
        self.write()
        for name, rows in self.faces.items():
            self.detect(name, [[*row, 0.9 - i / 10] for i, row in enumerate(rows)])

    def write(self, **leave_out: str) -> None:
        events = sorted({name.split("/")[0] for name in self.faces})
        base = {
            "event_list": cells([np.array([e]) for e in events]),
            "file_list": self._by_event(events, [np.array([n.split("/")[1]]) for n in self.faces]),
            "face_bbx_list": self._by_event(
                events, [np.array(f, float).reshape(-1, 4) for f in self.faces.values()]
            ),
        }
        savemat(self.truth / "wider_face_val.mat", base)
        for name, chosen in self.sets.items():
            lists = self._by_event(events, [np.array(c, float).reshape(-1, 1) for c in chosen])
            savemat(self.truth / f"wider_{name}_val.mat", {**base, "gt_list": lists})

    def _by_event(self, events: list[str], items: list[Any]) -> Any:
        names = list(self.faces)
        pairs = list(zip(names, items, strict=True))
        return cells([cells([i for n, i in pairs if n.startswith(f"{e}/")]) for e in events])

    def file(self, name: str) -> Path:
        return self.pred / f"{name}.txt"

    def detect(self, name: str, rows: Any) -> None:
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(" ".join(map(repr, map(float, row))) + "\n" for row in rows)
        self.file(name).write_text(f"{name.split('/')[1]}\n{len(rows)}\n{lines}")


class VocScored:
    """A VOC folder with the set ``test`` and a folder of detections, which are the truth itself."""

    def __init__(
        self,
        folder: Path,
        objects: dict[str, list[Any]] | None = None,
        size: tuple[int, int] = (200, 100),
    ) -> None:
        self.objects = objects or {
            "000001": [("cat", 10, 10, 60, 60), ("dog", 70, 20, 120, 90)],
            "000002": [("cat", 5, 5, 100, 50)],
            "000003": [("dog", 30, 30, 90, 99)],
        }
        self.root, self.pred = folder / "VOC2007", folder / "results"
        for name in ("Annotations", "ImageSets/Main"):
            (self.root / name).mkdir(parents=True)
        self.pred.mkdir()
        for name, items in self.objects.items():
            path = self.root / "Annotations" / f"{name}.xml"
            path.write_text(xml(items, size, f"{name}.jpg"))
        text = "".join(f"{name}\n" for name in self.objects)
        (self.root / "ImageSets" / "Main" / "test.txt").write_text(text)
        for label in sorted({i[0] for items in self.objects.values() for i in items}):
            rows = [
                f"{name} 0.9 {a} {b} {c} {d}\n"
                for name, items in self.objects.items()
                for kind, a, b, c, d in items
                if kind == label
            ]
            self.file(label).write_text("".join(rows))

    def file(self, label: str) -> Path:
        return self.pred / f"comp4_det_test_{label}.txt"

    def difficult(self, name: str) -> None:
        path = self.root / "Annotations" / f"{name}.xml"
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))


class CocoScored:
    """An instances JSON and a results JSON, which is the truth itself."""

    def __init__(self, folder: Path) -> None:
        self.truth, self.pred = folder / "instances.json", folder / "results.json"
        self.instances: dict[str, Any] = {
            "images": [
                {"id": i, "width": 200, "height": 100, "file_name": f"{i}.jpg"} for i in (7, 8, 9)
            ],
            "annotations": [
                self.annotation(7, 3, [10, 10, 50, 50]),
                self.annotation(7, 5, [70, 20, 50, 70]),
                self.annotation(8, 3, [5, 5, 95, 45]),
                self.annotation(9, 5, [30, 30, 60, 69]),
            ],
            "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        }
        self.results: Any = [
            {**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9}
            for a in self.instances["annotations"]
        ]
        self.write()

    @staticmethod
    def annotation(image: int, category: int, bbox: list[float], crowd: int = 0) -> dict[str, Any]:
        return {
            "image_id": image,
            "category_id": category,
            "bbox": bbox,
            "area": bbox[2] * bbox[3],
            "iscrowd": crowd,
            "id": 0,
        }

    def write(self) -> None:
        self.truth.write_text(json.dumps(self.instances))
        self.pred.write_text(json.dumps(self.results))
