"""Carries a study out: chooses by every way, trains with what was chosen, writes down all of it."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxreg
from experiments import training
from experiments.data import Dataset
from experiments.errors import ConfigError
from experiments.progress import Advance
from experiments.records import append, read
from experiments.tune.config import OF_NETWORK, RETRAINED, Part, TuneConfig, trained_by
from experiments.tune.trainings import Own, TunedTrainings, images_of, stacked
from experiments.tune.ways import WAYS, Chosen, Given, kept
from jaxreg import tune

NONE, GRID = "none", "grid"
"""What strengths are for that no way has chosen: without a penalty; those of the curve."""
MEASURED = ("test_loss", "accuracy", "zeros")


class Run(NamedTuple):
    """A training on all images of a seed."""

    method: str
    strength: float
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """A study under way.

    Attributes:
      config: a resolved configuration.
      dataset: what the seeds draw from.
      folder: where ``records.jsonl`` lies.
    """

    config: TuneConfig
    dataset: Dataset
    folder: Path

    @functools.cached_property
    def trainings(self) -> TunedTrainings:
        """Of one size, whatever the seed."""
        config, pool = self.config, self.dataset.train
        drawn = images_of(config.first_seed, pool, config.examples or 1)
        return TunedTrainings(trained_by(config), dataclasses.replace(self.dataset, train=drawn))

    @property
    def width(self) -> Any:
        """Trainings side by side on a device."""
        return self.config.per_device or (1 if jax.default_backend() == "cpu" else "auto")

    def drawn(self, seed: int) -> Own:
        """What a seed draws."""
        return self.trainings.drawn(seed, self.dataset.train)

    def count(self, part: Part) -> int:
        """Choices of a way, or trainings with what was chosen."""
        return part.trainings if part.id == RETRAINED else len(self.config.every_seed)

    def conduct(self, parts: Sequence[Part], advance: Advance) -> None:
        """Chooses and trains; what ``records.jsonl`` holds already is not done again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records, and what is
            done of a choice in a file of its own.
          ConfigError: if a way cannot choose, since all that it trains diverges.
        """
        for part in parts:
            follow = self._retrain if part.id == RETRAINED else self._choose
            follow(part, advance)

    # --- choices ---

    def _choose(self, part: Part, advance: Advance) -> None:
        records = [r for r in read(self.folder) if r.get("part") == part.id]
        if not records:
            append(self.folder, {"event": "part", "part": part.id})
        done = {r["seed"] for r in records if r["event"] == "choice"}
        seeds = self.config.every_seed
        each = part.trainings // len(seeds)
        for place, seed in enumerate(seeds):
            if seed not in done:
                self._choose_once(part, seed, place * each, advance)
            kept(self.folder, part.id, seed).unlink(missing_ok=True)
        spent = sum(r["trainings"] for r in read(self.folder) if _is_choice(r, part.id))
        advance(part.id, spent, spent)

    def _choose_once(self, part: Part, seed: int, before: int, advance: Advance) -> None:
        """One choice; what an interrupt leaves of it is noted, for its time."""
        started = time.perf_counter()

        def report(progress: Any) -> None:
            if progress is not None and progress.done < progress.total:
                advance(part.id, before + progress.done, part.trainings)

        test, options = self.dataset.test, (self.folder, self.width, report)
        given = Given(self.config, self.trainings, self.drawn(seed), seed, test, *options)
        name = {"part": part.id, "seed": seed}
        try:
            found = WAYS[part.id](given)
            if any(text.startswith("stopped") for each in found for text in each.choice.warnings):
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            took = time.perf_counter() - started
            append(self.folder, {"event": "left", **name, "seconds": took})
            raise
        except ValueError as error:  # as where all trainings diverge
            raise ConfigError(f"--method {part.id}, seed {seed}: {error}") from None
        left = [r for r in read(self.folder) if r["event"] == "left" and name.items() <= r.items()]
        before_it = sum(r["seconds"] for r in left) if given.kept(part.id).exists() else 0.0
        took = time.perf_counter() - started + before_it
        records = [{"event": "choice", **name, **_choice(each)} for each in found]
        append(self.folder, *[{**record, "seconds": took} for record in records])

    # --- trainings with what was chosen ---

    def runs(self) -> list[Run]:
        """Without a penalty, at every strength of the curve, and at those that were chosen."""
        chosen = {
            (r["part"], r["seed"]): r["strength"]
            for r in read(self.folder)
            if r["event"] == "choice" and r["subject"] == "network"
        }
        methods = [name for name in self.config.method or () if name in OF_NETWORK]
        grid = tune.strengths(*self.config.strengths or (1e-5, 1e-2, 16)).tolist()
        fixed = [(NONE, 0.0), *((GRID, strength) for strength in grid)]
        return [
            Run(name, strength, seed)
            for seed in self.config.every_seed
            for name, strength in (*fixed, *((name, chosen[name, seed]) for name in methods))
        ]

    def _retrain(self, part: Part, advance: Advance) -> None:
        """Side by side, in the order of `runs`: what is in the records are the first of them."""
        records = [r for r in read(self.folder) if r.get("part") == part.id]
        if not records:
            append(self.folder, {"event": "part", "part": part.id})
        done, runs = sum(r["event"] == "run" for r in records), self.runs()
        advance(part.id, done, len(runs))
        if done == len(runs):
            return

        def on_chunk(rows: slice, found: Mapping[str, Any]) -> None:
            each = [{n: _short(found[n][i]) for n in found} for i in range(rows.stop - rows.start)]
            pairs = zip(runs[rows], each, strict=True)
            append(self.folder, *[_run(part.id, run, one) for run, one in pairs])
            advance(part.id, rows.stop, len(runs))

        seeds = self.config.every_seed
        points = {
            "strength": np.array([run.strength for run in runs], np.float32),
            "seed": np.array([seeds.index(run.seed) for run in runs], np.int32),
        }
        options: Any = {"keep": False, "on_chunk": on_chunk, "start": done}
        shared = stacked([self.drawn(seed) for seed in seeds]), training.Images(*self.dataset.test)
        swept = jaxreg.sweep(
            self.trainings.outcome, points, *shared, per_device=self.width, **options
        )
        if not swept.complete:
            raise KeyboardInterrupt


def _is_choice(record: Mapping[str, Any], part: str) -> bool:
    return record["event"] == "choice" and record["part"] == part


def _choice(found: Chosen) -> dict[str, Any]:
    choice = found.choice
    splits = choice.splits
    return {
        "subject": found.subject,
        "strength": _short(choice.strength),
        "interval": choice.interval and [_short(end) for end in choice.interval],
        "tried": [_short(x) for x in np.asarray(choice.candidates["strength"])],
        "scores": [_short(x) for x in choice.scores],
        "errors": [_short(x) for x in choice.errors],
        "spent": None if splits is None else np.isfinite(splits).sum(axis=1),
        "trainings": choice.trainings + found.trainings,
        "accuracy": found.accuracy,
        "how": choice.method,
        "warnings": choice.warnings,
    }


def _run(part: str, run: Run, found: Mapping[str, float]) -> dict[str, Any]:
    diverged = not np.all(np.isfinite([found[name] for name in MEASURED]))
    return {"event": "run", "part": part, **run._asdict(), "diverged": diverged, **found}


def _short(value: Any) -> float:
    """Seven digits, which is what float32 has."""
    return float(f"{float(value):.7g}")
