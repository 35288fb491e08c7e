"""A run for TensorBoard: an events file, written by TensorBoard's own package."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssd_data.core.errors import OutputError, UsageError
from ssd_data.core.optional import require
from ssd_data.training.events import Displayed, Event, Snapshotted, Stepped, Tested


def require_tensorboard() -> None:
    """Make sure that the package is there.

    Raises:
        UsageError: it is not.
    """
    module = "tensorboard.summary.writer.event_file_writer"
    require(module, "tensorboard", "TensorBoard", error=UsageError, where="--tensorboard")


@contextmanager
def open_board(folder: Path | None) -> Iterator[list[Board]]:
    """A list of the one that writes into a folder; an empty one for None."""
    if folder is None:
        yield []
        return
    board = Board(folder)
    try:
        yield [board]
    finally:
        board.close()


class Board:
    """Writes scalars: ``train/loss``, its parts, rate and speed; ``test/<output>`` and
    ``test_AP/<label>``.

    Where a run goes on from an iteration, what an earlier one wrote of later ones is hidden.

    Raises:
        UsageError: TensorBoard is not installed.
        OutputError: the folder cannot be written, now or later.
    """

    def __init__(self, folder: Path) -> None:
        require_tensorboard()
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._begun = False
        self._folder = folder
        with self._writing():
            self._writer = EventFileWriter(str(folder))

    def __call__(self, event: Event) -> None:
        """Write what an event tells."""
        with self._writing():
            self._take(event)

    def _take(self, event: Event) -> None:
        if not self._begun:
            self._begun = True
            self._begin(event.iteration - isinstance(event, Stepped))
        if isinstance(event, Displayed):
            self._add(event.iteration, _train(event))
        elif isinstance(event, Tested):
            self._add(event.iteration, _test(event))
        if isinstance(event, (Tested, Snapshotted)):
            self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        with self._writing():
            self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "Free space, or leave --tensorboard out"
            what = f"cannot write it: {error.strerror}"
            raise OutputError(what, where=self._folder, hint=hint) from None

    def _begin(self, iteration: int) -> None:
        from tensorboard.compat.proto import event_pb2

        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        event = event_pb2.Event(wall_time=time.time(), step=iteration, session_log=start)
        self._writer.add_event(event)

    def _add(self, iteration: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2

        scalars: list[Any] = [
            summary_pb2.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()
        ]
        summary = summary_pb2.Summary(value=scalars)
        self._writer.add_event(
            event_pb2.Event(wall_time=time.time(), step=iteration, summary=summary)
        )


def _train(event: Displayed) -> dict[str, float]:
    values = {"loss": event.loss, "learning_rate": event.rate}
    values |= {f"loss_{name}": part for name, part in event.parts.items() if name != "matches"}
    if event.speed:
        values |= {"pictures_per_second": event.speed, "waiting": event.waiting}
    return {f"train/{name}": value for name, value in values.items()}


def _test(event: Tested) -> dict[str, float]:
    folder = f"test_{event.net}" if event.net else "test"
    values = {f"{folder}/{name}": value for name, value in event.outputs}
    if event.loss is not None:
        values[f"{folder}/loss"] = event.loss
    return values | {f"{folder}_AP/{label}": ap for label, ap in event.per_class.items()}
