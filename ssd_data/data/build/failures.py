"""What is wrong with a data set's pictures: collected, so that a user sees more than the first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssd_data.core.errors import InputError, SsdDataError
from ssd_data.core.legible import count_of
from ssd_data.core.notes import Tally
from ssd_data.data.build.convert import BoxRuleError

MOST_FAILURES = 20
LEFT_OUT = "picture left out (skipped)"


def note_failure(
    error: SsdDataError, skips: bool, failures: list[SsdDataError], notes: Tally
) -> None:
    """Collect what is wrong, or count the picture among those that are left out.

    Args:
        skips: whether pictures that cannot be read are; a box against a rule is always wrong.
    """
    if skips and not isinstance(error, BoxRuleError):
        notes.add(LEFT_OUT, error.sentence)
    else:
        failures.append(error)


def all_of(failures: Sequence[SsdDataError], root: Path) -> InputError:
    """One error of all that was collected.

    Args:
        root: of the data set.
    """
    cures = {error.hint for error in failures}
    alike = cures.pop() if len(cures) == 1 and len(failures) > 1 else ""
    lines = [
        f"{error.sentence} ({error.hint})" if error.hint and not alike else error.sentence
        for error in failures[:MOST_FAILURES]
    ]
    count = count_of(len(failures), "problem")
    more = ", perhaps more" if len(failures) >= MOST_FAILURES else ""
    what = (
        f"The root is {root.resolve()}. Mend what is wrong, or leave such pictures out with "
        "--missing skip"
    )
    return InputError(
        [f"nothing was built: {count}{more}", *lines], hint=filter(None, [alike, what])
    )
