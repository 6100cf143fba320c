"""Carries a study out: tries strengths, chooses, measures, and writes down every training."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.combinations.config import CombinationsConfig, Part, Place
from experiments.combinations.findings import choice
from experiments.combinations.penalties import NONE, PENALTIES
from experiments.combinations.results import results
from experiments.combinations.trainings import CombinedTrainings, points
from experiments.paired.sample import Source
from experiments.progress import Advance
from experiments.records import append, read

CHOOSING = ("validation_loss", "validation_error")
MEASURED = (*CHOOSING, "test_loss", "test_error", "train_loss", "zeros")


class Run(NamedTuple):
    """One training of a part."""

    penalty: str
    place: Place
    strength: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Study:
    """A study under way.

    Attributes:
      config: a resolved configuration.
      source: the images.
      folder: where ``records.jsonl`` lies.
    """

    config: CombinationsConfig
    source: Source
    folder: Path

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that measure."""
        first = self.config.first_seed
        return tuple(range(first, first + (self.config.seeds or 1)))

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """Those that choose strengths, and no more."""
        first = self.config.first_seed
        return tuple(range(first - (self.config.tuning_seeds or 1), first))

    def tried(self, part: Part) -> list[Run]:
        """The trainings that choose the strengths of a part."""
        return [
            Run(penalty, place, strength, seed)
            for penalty, strengths in part.strengths.items()
            if penalty != NONE
            for place in part.places
            for strength in strengths
            for seed in self.tuning_seeds
        ]

    def measured(self, part: Part, chosen: Mapping[tuple[str, str], float]) -> list[Run]:
        """The trainings that are compared, at the strengths that were chosen: seed by seed."""
        return [
            Run(penalty, place, chosen.get((penalty, place), 0.0), seed)
            for seed in self.seeds
            for place in part.places
            for penalty in part.strengths
        ]

    def count(self, part: Part) -> int:
        """All trainings of a part."""
        return len(self.tried(part)) + len(self.measured(part, {}))

    def conduct(self, parts: Sequence[Part], advance: Advance) -> None:
        """Trains every part; what ``records.jsonl`` holds already is not trained again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records.
        """
        for part in parts:
            self._follow(part, advance)

    def _follow(self, part: Part, advance: Advance) -> None:
        done = [r for r in read(self.folder) if r.get("part") == part.id]
        if any(r["event"] == "followed" for r in done):
            advance(part.id, self.count(part), self.count(part))
            return
        started = time.perf_counter()
        seeds = (*self.tuning_seeds, *self.seeds)
        trainings = CombinedTrainings(part.setup, self.source, seeds)
        if not done:
            append(self.folder, self._part_record(part, trainings))
        tried = self.tried(part)
        self._train(part, trainings, "tried", tried, 0, advance)
        runs = self.measured(part, self._chosen(part))
        self._train(part, trainings, "run", runs, len(tried), advance)
        seconds = time.perf_counter() - started
        append(self.folder, {"event": "followed", "part": part.id, "seconds": seconds})

    def _chosen(self, part: Part) -> dict[tuple[str, str], float]:
        """By penalty and place, from what the records have of the tuning seeds.

        The weakest where every strength diverged: then all trainings are there to be looked at.
        """
        (found,) = [each for each in results(read(self.folder)) if each.model == part.model]
        cells = [(name, place) for name in part.strengths for place in part.places if name != NONE]
        weakest = {cell: part.strengths[cell[0]][0] for cell in cells}
        chosen = {cell: choice(found, cell) for cell in cells}
        return weakest | {cell: one.strength for cell, one in chosen.items() if one}

    def _train(
        self,
        part: Part,
        trainings: CombinedTrainings,
        event: str,
        runs: Sequence[Run],
        before: int,
        advance: Advance,
    ) -> None:
        """Trains all runs that are not in the records yet.

        Raises:
          KeyboardInterrupt: if interrupted.
        """
        records = read(self.folder)
        done = sum(r["event"] == event and r["part"] == part.id for r in records)
        advance(part.id, before + done, self.count(part))
        if done == len(runs):
            return

        def on_chunk(rows: slice, found: Mapping[str, Any]) -> None:
            each = [jax.tree.map(lambda a, i=i: a[i], found) for i in range(rows.stop - rows.start)]
            pairs = zip(runs[rows], each, strict=True)
            append(self.folder, *[_record(part.id, event, run, one) for run, one in pairs])
            advance(part.id, before + rows.stop, self.count(part))

        options: Any = {"keep": False, "on_chunk": on_chunk, "start": done}
        width = self.config.per_device or (1 if jax.default_backend() == "cpu" else "auto")
        swept = self._points(part, trainings, runs)
        if not trainings.run(swept, per_device=width, **options).complete:
            raise KeyboardInterrupt

    def _points(self, part: Part, trainings: CombinedTrainings, runs: Sequence[Run]) -> Any:
        dropouts = [part.dropout * (run.place == part.places[1]) for run in runs]
        numbers = [PENALTIES[run.penalty].at(run.strength) for run in runs]
        seeds = [trainings.seeds.index(run.seed) for run in runs]
        return points(part.learning_rate, dropouts, numbers, seeds)

    def _part_record(self, part: Part, trainings: CombinedTrainings) -> dict[str, Any]:
        content = dataclasses.asdict(part)
        return {
            "event": "part",
            "part": part.id,
            **content,
            "steps": part.setup.steps,
            "seeds": self.seeds,
            "tuning_seeds": self.tuning_seeds,
            "invariant": trainings.invariant,
        }


def _record(part: str, event: str, run: Run, found: Mapping[str, Any]) -> dict[str, Any]:
    names = MEASURED if event == "run" else CHOOSING
    return {
        "event": event,
        "part": part,
        **run._asdict(),
        "diverged": not all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found)),
        **{name: _short(found[name]) for name in names},
        "effective": {name: _short(value) for name, value in found["effective"].items()},
    }


def _short(value: Any) -> float:
    """Seven digits, which is what float32 has."""
    return float(f"{float(value):.7g}")
