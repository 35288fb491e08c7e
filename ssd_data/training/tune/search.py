"""The search: draw trials, train them all shortly, the best longer, and say which won."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.there import is_file
from ssd_data.core.files.whole import write_whole
from ssd_data.core.progress import Track, untracked
from ssd_data.data.lmdb.manifest import MANIFEST
from ssd_data.families import generate
from ssd_data.families.parts.write import count_classes, write_model
from ssd_data.training.recipe.read import digest_of, read_recipe
from ssd_data.training.tune.held import digest_of_training, hold_out, test_lmdb, training_lmdb
from ssd_data.training.tune.options import TuneOptions
from ssd_data.training.tune.space import PRIORS, RECIPE, Config, Space, read_space, told
from ssd_data.training.tune.trial import RECIPE_FILE, TrialNets, TrialResult, run_trial

PLAN, HELD, TRIALS, WINNER = "tune.json", "held", "trials", "winner"
MOST_BYTES = 1 << 22
SHARE = 10  # of a full training the longest runs make one in so many


@dataclass(frozen=True, slots=True)
class TunedTrial:
    """A trial as far as it came.

    Attributes:
        number: from 0, which is the family as it is. rungs: what came of each length.
        folders: of its runs.
    """

    number: int
    config: Config
    rungs: list[TrialResult] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    @property
    def last(self) -> TrialResult:
        """Its longest run's."""
        return self.rungs[-1]

    @property
    def rank(self) -> tuple[int, float]:
        """The better it is, the greater."""
        return len(self.rungs), -1.0 if self.last.score is None else self.last.score


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What the search has found.

    Attributes:
        lengths: iterations of the runs, the shortest first, of the family's own batch.
        trials: the best first. finished: False where it was stopped.
        command: trains the winner for its full time; empty where nothing could be trained.
        notes: what one should know.
    """

    lengths: list[int]
    trials: list[TunedTrial]
    finished: bool = True
    command: str = ""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "finished": self.finished,
            "iterations": self.lengths,
            "command": self.command,
            "notes": self.notes,
            "trials": [
                {
                    "number": one.number,
                    **one.config,
                    "scores": [rung.score for rung in one.rungs],
                    "loss": one.last.loss,
                    "seconds": round(sum(rung.seconds for rung in one.rungs), 1),
                    "why": one.last.why,
                    "folder": str(one.folders[-1]),
                }
                for one in self.trials
            ],
        }


def tune(
    build: Path | str,
    family: str,
    out: Path | str,
    options: TuneOptions | None = None,
    *,
    say: Callable[[str], None] = lambda text: None,
    track: Track = untracked,
) -> TuneResult:
    """Search for what trains a family best on a build; run again, it goes on where it was.

    Args:
        build: the folder of a build, with training pictures.
        out: folder of the search: its plan, the pictures held out, a folder for each run.
        say: is told in lines what is happening.

    Raises:
        UsageError: an option makes no sense.
        InputError: build or weights cannot be read.
        OutputError: another search lies in ``out``, or it cannot be written.
    """
    options, build, out = options or TuneOptions(), Path(build), Path(out)
    space = read_space(options.over)
    plan = {"build": str(build), "family": family, **options.settled()}
    plan["recipes"] = {name: digest_of(read_recipe(name)) for name in space.choices.get(RECIPE, ())}
    _require_same(out, {**plan, "pictures": digest_of_training(build)})
    nets, space, notes = _nets(build, family, out, options, space, say, track)
    configs = space.draw(options.trials, options.seed)
    longest = options.iterations or max(nets.full[0] // SHARE, 1)
    lengths = lengths_of(len(configs), options.keep, longest)
    trials = [TunedTrial(number, config) for number, config in enumerate(configs)]
    racing = trials
    for length in lengths:
        for place, one in enumerate(racing, 1):
            folder = out / TRIALS / f"{one.number:03d}" / f"{length}"
            say(f"run {place} of {len(racing)}, {length:,} iterations: {told(one.config)}")
            result = run_trial(nets, folder, one.config, length / nets.full[0], _quiet)
            if result is None:
                found = [one for one in trials if one.rungs]
                return TuneResult(lengths, _ranked(found), finished=False, notes=notes)
            one.rungs.append(result)
            one.folders.append(folder)
            say(f"  {_outcome(result)}")
        sound = [one for one in _ranked(racing) if one.last.score is not None]
        racing = sound[: -(-len(racing) // options.keep)]
    ranked = _ranked(trials)
    command = ""
    if ranked[0].last.score is not None:
        command = _winner(nets, build, out, ranked[0], options)
        if not ranked[0].number:
            notes.append("nothing that was tried is better than the family as it is")
    return TuneResult(lengths, ranked, True, command, notes)


def lengths_of(trials: int, keep: int, longest: int) -> list[int]:
    """Iterations of the rungs: as many as it takes to come to one trial.

    >>> lengths_of(9, 3, 900)
    [100, 300, 900]
    """
    rungs = 1
    while trials > 1:
        trials, rungs = -(-trials // keep), rungs + 1
    found = [max(longest // keep ** (rungs - 1 - n), 1) for n in range(rungs)]
    return sorted(set(found))


def _ranked(trials: Sequence[TunedTrial]) -> list[TunedTrial]:
    return sorted(trials, key=lambda one: one.rank, reverse=True)


def _quiet(_: str) -> None:
    """What a run says is in its own log."""


def _outcome(result: TrialResult) -> str:
    if result.score is None:
        return f"not trained: {result.why}"
    return f"score {result.score:.4f}, {result.seconds:.0f} s"


def _nets(
    build: Path,
    family: str,
    out: Path,
    options: TuneOptions,
    space: Space,
    say: Callable[[str], None],
    track: Track,
) -> tuple[TrialNets, Space, list[str]]:
    """Whose nets the trials train; the priors that fit the pictures, where they are tried."""
    share, tested = options.held(), build
    training_lmdb(build)
    model = generate(family, count_classes(build=build), **options.model())
    if share:
        tested = out / HELD
        if not is_file(tested / MANIFEST):
            say(f"{share:.0%} of the training pictures are held out to test on: {tested}")
            hold_out(build, tested, share, options.seed, track)
    else:
        test_lmdb(build)
    notes, priors = [], {}
    if PRIORS in space.choices and "fit" in space.choices[PRIORS]:
        priors = _fitted(family, tested, out, options, track)
        if not priors:
            notes.append("fit has found no priors that match more boxes: they are not tried")
            choices = {name: own for name, own in space.choices.items() if name != PRIORS}
            space = Space(space.rates, choices)
    full = (model.solver.max_iter, model.settings.batch_size)
    weights = tuple(options.weights)
    nets = TrialNets(family, tested, options.model(), priors, full, weights, options.run())
    return nets, space, notes


def _fitted(
    family: str, build: Path, out: Path, options: TuneOptions, track: Track
) -> dict[str, Any]:
    """Options of the family: the priors that ``fit`` proposes; they are kept in a file."""
    from ssd_data.families.fit.fit import fit

    folder = out / "fit"
    kept = folder / "priors.json"
    if is_file(kept):
        return _as_options(json.loads(read_text(kept, "priors that fit", MOST_BYTES)))
    write_model(family, folder, build=build, redo=True, **options.model())
    found = fit(training_lmdb(build), folder / "train.prototxt", track=track)
    proposed = found.proposals[-1].options if found.proposals else {}
    write_whole(kept, json.dumps(proposed) + "\n")
    return _as_options(proposed)


def _as_options(told_: Mapping[str, str]) -> dict[str, Any]:
    """Priors as the command line spells them, as :func:`write_model` takes them."""

    def numbers(text: str) -> tuple[float, ...]:
        return tuple(float(word) for word in text.split(",") if word)

    found: dict[str, Any] = {}
    for name, text in told_.items():
        key = name.removeprefix("--").replace("-", "_")
        groups = tuple(numbers(group) for group in text.split("/"))
        found[key] = groups if key == "aspect_ratios" else groups[0]
    return found


def _require_same(out: Path, plan: Mapping[str, Any]) -> None:
    """Write down what is searched, or see that it is what lies there.

    Raises:
        OutputError: another search lies there.
    """
    table, path = json.loads(json.dumps(plan)), out / PLAN
    if is_file(path):
        try:
            there = json.loads(read_text(path, "plan of a search", MOST_BYTES))
        except (ValueError, RecursionError):
            there = None
        if not isinstance(there, dict):
            raise InputError("this is no plan of a search", where=path)
        if names := [name for name in table if there.get(name) != table[name]]:
            what = f"another search lies here, of other {', '.join(names)}"
            raise OutputError(what, where=out, hint="Give another -o, or remove the folder")
    else:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(table, indent=1) + "\n")


def _winner(nets: TrialNets, build: Path, out: Path, best: TunedTrial, options: TuneOptions) -> str:
    """Write the winner's nets for the whole build, and say how they are trained."""
    whole = TrialNets(nets.family, build, nets.options, nets.priors, nets.full)
    folder = out / WINNER
    solver = whole.write(folder, best.config, 1.0)
    words: list[object] = ["ssd-data", "train", solver]
    if is_file(folder / RECIPE_FILE):
        words += ["--recipe", folder / RECIPE_FILE]
    if options.weights:
        words += ["--weights", ",".join(map(str, options.weights))]
    words += ["--amp", options.amp] if options.amp != "off" else []
    return shlex.join(map(str, words))
