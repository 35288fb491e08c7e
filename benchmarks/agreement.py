"""How near the layers come to the original: ``python -m benchmarks.agreement``.

Runs every case in ``tests/golden/layers`` and prints for each type the largest difference, as a
part of its array's largest value: of tops and moved statistics, and of gradients.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from ssd_data.engines.torch.blob import Blob
from ssd_data.engines.torch.net import Net

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "layers"
SIDES = {"out": "forward", "diff": "backward", "paramdiff": "backward", "param_after": "forward"}


def in_test_phase(case: str) -> bool:
    """Which phase the original ran a case in."""
    return case.startswith(("priorbox", "detection")) or case.endswith("_test")


def differences(case: str) -> dict[str, float]:
    """The largest relative differences of one case, ``forward`` and ``backward``."""
    arrays = {key.replace("|", "/"): v for key, v in np.load(FOLDER / f"{case}.npz").items()}
    net = Net(FOLDER / f"{case}.prototxt", "TEST" if in_test_phase(case) else "TRAIN")

    def param(name: str) -> Blob:
        layer, _, i = name.rpartition("/")
        return net.params[layer][int(i)]

    for key, value in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "in":
            net.blobs[name].data[...] = value
        elif kind == "param_before":
            param(name).data[...] = value
    net.forward()
    found: dict[str, float] = defaultdict(float)

    def compare(ours: np.ndarray, theirs: np.ndarray, kind: str) -> None:
        scale = float(np.abs(theirs).max(initial=0)) or 1.0
        worst = float(np.abs(ours - theirs).max(initial=0)) / scale
        found[SIDES[kind]] = max(found[SIDES[kind]], worst)

    for key, value in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "out":
            compare(net.blobs[name].data, value, kind)
        elif kind == "topdiff":
            net.blobs[name].diff[...] = value
    net.backward()
    for key, value in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "diff":
            compare(net.blobs[name].diff, value, kind)
        elif kind == "paramdiff":
            compare(param(name).diff, value, kind)
        elif kind == "param_after":
            compare(param(name).data, value, kind)
    return found


def main() -> None:
    cases = [
        c for c in json.loads((FOLDER / "ABOUT.json").read_text())["cases"] if "solver" not in c
    ]
    groups: dict[str, list[dict[str, float]]] = defaultdict(list)
    for case in cases:
        net = Net(FOLDER / f"{case}.prototxt", "TEST" if in_test_phase(case) else "TRAIN")
        kinds = [
            layer.node.type for layer in net.steps if layer.node.type not in ("Input", "Scale")
        ]
        groups[kinds[-1] if kinds else "Scale"].append(differences(case))
    print("| layer | cases | forward | backward |\n|---|---|---|---|")
    for kind, found in sorted(groups.items()):
        cells = []
        for side in ("forward", "backward"):
            values = [f[side] for f in found if side in f]
            cells.append(f"{max(values):.1e}" if values else "–")
        print(f"| {kind} | {len(found)} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
