"""A run as curves: a picture of loss, learning rate and mAP beside the snapshots, and the same for
TensorBoard, written by TensorBoard's own package."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from ssd_data.core.errors import UsageError
from ssd_data.core.files.whole import failed, figure_bytes, write_whole
from ssd_data.core.legible import legible
from ssd_data.core.optional import require
from ssd_data.training.log import (
    TEST,
    TRAIN,
    Displayed,
    Event,
    Listener,
    Stepped,
    Tested,
)
from ssd_data.training.run_folder import Row, is_finite, read_events, scores_of

MOST_NAME = 40  # letters at an axis


def draw_run(table: Path) -> Path | None:
    """Draw ``<prefix>_curves.png`` from ``<prefix>.jsonl``; None where matplotlib is missing.

    Raises:
        OutputError: the picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    rows, _ = read_events(table)
    trained = [row for row in rows if row["event"] == TRAIN and _has_numbers(row, "loss", "lr")]
    scores = scores_of(rows)
    figure = Figure(figsize=(8, 7), layout="constrained")
    loss, rate, score = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1, 2])
    iterations = [row["iteration"] for row in trained]
    loss.plot(iterations, [row["loss"] for row in trained], label="loss", color="#1f5fbf")
    for part, colour in (("loc", "#b8551f"), ("conf", "#2b8a3e")):
        values = [_part(row, part) for row in trained]
        if any(value is not None for value in values):
            loss.plot(iterations, values, label=part, color=colour, linewidth=0.8, alpha=0.7)
    loss.set(ylabel="loss")
    loss.legend(loc="upper right")
    rate.step(iterations, [row["lr"] for row in trained], where="post", color="#555")
    rate.set(ylabel="rate", yscale="log" if any(row["lr"] > 0 for row in trained) else "linear")
    if scores:
        score.plot(*zip(*scores.items(), strict=True), "o-", color="#7a3eb1")
        score.set(ylabel=_scored(rows), ylim=(0, 1.02))
    score.set(xlabel="iteration")
    for axes in (loss, rate, score):
        axes.grid(alpha=0.3)
    path = table.with_name(f"{table.stem}_curves.png")
    write_whole(path, figure_bytes(figure, dpi=110))
    return path


def _has_numbers(row: Row, *names: str) -> bool:
    return all(is_finite(row.get(name)) for name in names)


def _part(row: Row, name: str) -> float | None:
    """A part of a row's loss; None where it has none."""
    parts = row.get("parts")
    return parts[name] if isinstance(parts, dict) and _has_numbers(parts, name) else None


def _scored(rows: list[Row]) -> str:
    """What the first test's first output is called."""
    tested = (row["outputs"] for row in rows if row["event"] == TEST and row.get("outputs"))
    name = next((str(next(iter(one))) for one in tested if isinstance(one, dict)), "")
    return legible(name, MOST_NAME).replace("$", "\\$")


def draw_at_tests(table: Path) -> Listener:
    """Draws the run at every test."""

    def draw(event: Event) -> None:
        if isinstance(event, Tested):
            draw_run(table)

    return draw


# ---- TensorBoard ----


def require_tensorboard() -> None:
    """Make sure that the package is there.

    Raises:
        UsageError: it is not.
    """
    module = "tensorboard.summary.writer.record_writer"
    require(module, "tensorboard", "TensorBoard", error=UsageError, where="--tensorboard")


@contextmanager
def open_board(folder: Path | str | None) -> Iterator[list[TensorBoard]]:
    """A list of the one that writes into a folder; an empty one for None."""
    if folder is None:
        yield []
        return
    with closing(TensorBoard(folder)) as board:
        yield [board]


class TensorBoard:
    """Writes scalars: ``train/loss``, its parts, rate and speed; ``test/<output>`` and
    ``test_AP/<label>``.

    Where a run goes on from an iteration, what an earlier one wrote of later ones is hidden.

    Raises:
        UsageError: TensorBoard is not installed.
        OutputError: the folder cannot be written, now or later.
    """

    def __init__(self, folder: Path | str) -> None:
        require_tensorboard()
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._begun = False
        self._folder = Path(folder)
        with self._writing():
            self._file = _new_events(self._folder)
            self._writer = RecordWriter(self._file)
            self._add(0, file_version="brain.Event:2")

    def __call__(self, event: Event) -> None:
        """Write what an event tells."""
        with self._writing():
            if not self._begun:
                self._begun = True
                start = event.iteration - isinstance(event, Stepped)
                self._add(start, session_log={"status": "START"})
            if isinstance(event, Displayed):
                self._add_scalars(event.iteration, _train(event))
            elif isinstance(event, Tested):
                self._add_scalars(event.iteration, _test(event))
            self._file.flush()

    def close(self) -> None:
        """Write what is left."""
        with self._writing():
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError, AttributeError):
                self._file.close()  # what could not be written is not tried again
            raise failed(error, self._folder) from None

    def _add_scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        scalars = [{"tag": tag, "simple_value": value} for tag, value in values.items()]
        self._add(iteration, summary={"value": scalars})

    def _add(self, iteration: int, **what: Any) -> None:
        from tensorboard.compat.proto import event_pb2

        event = event_pb2.Event(wall_time=time.time(), step=iteration, **what)
        self._writer.write(event.SerializeToString())


def _new_events(folder: Path) -> BinaryIO:
    """A new file of events, by a name that TensorBoard finds."""
    folder.mkdir(parents=True, exist_ok=True)
    begins = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    for number in count():
        with suppress(FileExistsError):
            return (folder / f"{begins}.{number}").open("xb")
    raise AssertionError("there is a last number")


def _train(event: Displayed) -> dict[str, float]:
    values = {"loss": event.loss, "learning_rate": event.rate}
    values |= {f"loss_{name}": part for name, part in event.parts.items() if name != "matches"}
    if event.speed is not None and event.waiting is not None:
        values |= {"pictures_per_second": event.speed, "waiting": event.waiting}
    return {f"train/{name}": value for name, value in values.items()}


def _test(event: Tested) -> dict[str, float]:
    folder = f"test_{event.net}" if event.net else "test"
    values = {f"{folder}/{name}": value for name, value in event.outputs}
    if event.loss is not None:
        values[f"{folder}/loss"] = event.loss
    return values | {f"{folder}_AP/{label}": ap for label, ap in event.per_class.items()}
