"""The attack on all readers in turn: batches, what they find, what they reach."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from support import ROOT
from support.attack import Clock
from support.fuzz.judge import Fault
from support.fuzz.lines import Line, lines_of
from support.fuzz.pool import made_apart, run_batch
from support.fuzz.shrink import shrunk
from support.fuzz.target import Case, Target, read, write
from support.fuzz.worker import Job

CORPUS = ROOT / "tests" / "hard" / "corpus"
FINDINGS = ROOT / "build" / "fuzz"
MOST_KEPT = 400
JUDGES_TEXTS = bool(os.environ.get("SSD_DATA_FUZZ_TEXTS"))


@dataclass
class Subject:
    """A target under attack.

    Attributes:
        kept: inputs that led somewhere new; at first those of the corpus.
        seen: the lines that ran. found: how often each kind of fault came.
    """

    target: Target
    seeds: list[Case]
    kept: list[Case]
    batches: int = 0
    executions: int = 0
    seen: set[Line] = field(default_factory=set)
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def coverage(self) -> tuple[int, int]:
        """How many lines of its modules ran, and how many there are."""
        lines = lines_of(self.target.modules)
        return len(self.seen & lines), len(lines)


class Campaign:
    """Attacks targets in turn, each with what it has learned of it so far."""

    def __init__(self, targets: Iterable[Target], seed: int, findings: Path = FINDINGS) -> None:
        self.seed, self.folder = seed, findings
        self.subjects = [prepare(target) for target in targets]
        self.faults: dict[tuple[str, str, str], str] = {}

    @property
    def coverage(self) -> tuple[int, int]:
        """How many lines of all their modules ran, and how many there are."""
        modules = {name for one in self.subjects for name in one.target.modules}
        lines = lines_of(modules)
        seen = {line for one in self.subjects for line in one.seen}
        return len(seen & lines), len(lines)

    def round(self, clock: Clock) -> None:
        """A batch of each target."""
        for subject in self.subjects:
            if clock.is_over:
                return
            self.batch(subject, clock)

    def batch(self, subject: Subject, clock: Clock) -> None:
        job = Job(
            subject.target, subject.seeds, self.seed, subject.batches, subject.kept, subject.seen
        )
        done = run_batch(job)
        subject.batches += 1
        subject.executions += done.executions
        subject.seen |= done.seen
        subject.kept = (subject.kept + done.kept)[-MOST_KEPT:]
        for fault, case in done.faults:
            subject.found[fault.key] += 1
            if fault.key not in self.faults and (not fault.is_text or JUDGES_TEXTS):
                self.faults[fault.key] = self._keep(subject, fault, case, clock)

    def _keep(self, subject: Subject, fault: Fault, case: Case, clock: Clock) -> str:
        """Make it small and save it; a line that says where it lies."""
        left = min(15.0, max(clock.seconds - clock.spent, 0.0))
        case, again = shrunk(subject.target, subject.seeds, fault, case, left)
        name = hashlib.sha256(repr(fault.key).encode()).hexdigest()[:8]
        folder = self.folder / subject.target.name / name
        shutil.rmtree(folder, ignore_errors=True)
        write(case, folder)
        (folder.parent / f"{name}.txt").write_text(f"{fault}\n\n{fault.stack}", "utf-8", "replace")
        again_text = "" if again else " (not when it is alone)"
        return f"{fault}{again_text}: seed {self.seed}, {os.path.relpath(folder, ROOT)}"


def prepare(target: Target) -> Subject:
    _ = target.modules  # imported here once, and not in each process
    seeds = made_apart(target.make)
    return Subject(target, seeds, corpus(target.name, seeds))


def corpus(name: str, seeds: list[Case]) -> list[Case]:
    """The inputs kept for a target, which broke something once: what differs from its first good
    one, or from the one whose files it has."""
    folder = CORPUS / name
    found = [read(one) for one in sorted(folder.iterdir())] if folder.is_dir() else []
    return [{**next((s for s in seeds if set(one) <= set(s)), seeds[0]), **one} for one in found]


def table(campaign: Campaign) -> str:
    """A line a target: how often it was run, how much of it, and what was found."""
    lines = [f"{'reader':20} {'inputs':>10} {'lines':>7}  faults"]
    for one in campaign.subjects:
        reached, known = one.coverage
        share = f"{100 * reached // max(known, 1)} %"
        found = ", ".join(
            f"{n} x {kind} {place}" for (_, kind, place), n in one.found.most_common(4)
        )
        lines.append(f"{one.target.name:20} {one.executions:10,} {share:>7}  {found}")
    return "\n".join(lines)
