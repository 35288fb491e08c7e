"""A picture of a run: loss, learning rate and mAP over the iterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssd_data.core.files.figures import write_figure
from ssd_data.training.table import continuous, read_rows


def read_table(path: Path) -> list[dict[str, Any]]:
    """The events of a run's ``.jsonl``, a resumed run's as one curve; a half-written line is left
    out.

    Raises:
        InputError: the file is missing or too large.
    """
    return continuous(read_rows(path)[0])


def draw_run(table: Path) -> Path | None:
    """Draw ``<prefix>_curves.png`` from ``<prefix>.jsonl``; None where matplotlib is missing.

    Raises:
        OutputError: the picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    rows = read_table(table)
    trained = [row for row in rows if row.get("event") == "train"]
    tested = [row for row in rows if row.get("event") == "test" and row.get("outputs")]
    figure = Figure(figsize=(8, 7), layout="constrained")
    loss, rate, score = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1, 2])
    iterations = [row["iteration"] for row in trained]
    loss.plot(iterations, [row["loss"] for row in trained], label="loss", color="#1f5fbf")
    for part, colour in (("loc", "#b8551f"), ("conf", "#2b8a3e")):
        if any(row.get("parts", {}).get(part) is not None for row in trained):
            values = [row["parts"].get(part) for row in trained]
            loss.plot(iterations, values, label=part, color=colour, linewidth=0.8, alpha=0.7)
    loss.set(ylabel="loss")
    loss.legend(loc="upper right")
    rate.step(iterations, [row["lr"] for row in trained], where="post", color="#555")
    rate.set(ylabel="rate", yscale="log" if any(row["lr"] > 0 for row in trained) else "linear")
    if tested:
        name = next(iter(tested[0]["outputs"]))
        points = [(r["iteration"], r["outputs"][name]) for r in tested if name in r["outputs"]]
        score.plot(*zip(*points, strict=True), "o-", color="#7a3eb1")
        score.set(ylabel=name, ylim=(0, 1.02))
    score.set(xlabel="iteration")
    for axes in (loss, rate, score):
        axes.grid(alpha=0.3)
    path = table.with_name(f"{table.stem}_curves.png")
    write_figure(path, figure, dpi=110)
    return path
