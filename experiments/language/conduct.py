"""Carries a study out: trains every part and writes down every training."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.language.config import LanguageConfig, Part
from experiments.language.sharding import Layout
from experiments.language.text import Source
from experiments.language.trainings import LanguageTrainings
from experiments.progress import Advance
from experiments.records import append, read

MEASURED = ("train_loss", "validation_loss", "test_loss")


class Run(NamedTuple):
    """One training of a part."""

    learning_rate: float
    rate: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Study:
    """A study under way.

    Attributes:
      config: a resolved configuration.
      source: the text.
      folder: where ``records.jsonl`` lies.
      layout: the devices.
    """

    config: LanguageConfig
    source: Source
    folder: Path
    layout: Layout

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of every part."""
        first = self.config.first_seed
        return tuple(range(first, first + (self.config.seeds or 1)))

    def runs(self, part: Part) -> list[Run]:
        """All trainings of a part, in their order."""
        return [
            Run(learning_rate, rate, seed)
            for learning_rate in part.learning_rates
            for rate in part.rates
            for seed in self.seeds
        ]

    def count(self, part: Part) -> int:
        """All trainings of a part."""
        return len(self.runs(part))

    def conduct(self, parts: Sequence[Part], advance: Advance) -> None:
        """Trains every part; what ``records.jsonl`` holds already is not trained again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records.
        """
        for part in parts:
            self._follow(part, advance)

    def _follow(self, part: Part, advance: Advance) -> None:
        known = [record for record in read(self.folder) if record.get("part") == part.id]
        done, runs = sum(record["event"] == "run" for record in known), self.runs(part)
        advance(part.id, done, len(runs))
        if any(record["event"] == "followed" for record in known):
            return
        started = time.perf_counter()
        trainings = LanguageTrainings(part.setup, self.source, self.seeds, self.layout)
        if not known:
            append(self.folder, self._part_record(part, trainings))
        self._train(part, trainings, runs, done, advance)
        seconds = time.perf_counter() - started
        append(self.folder, {"event": "followed", "part": part.id, "seconds": seconds})

    def _train(
        self,
        part: Part,
        trainings: LanguageTrainings,
        runs: Sequence[Run],
        done: int,
        advance: Advance,
    ) -> None:
        """Trains the runs that are not in the records yet.

        Raises:
          KeyboardInterrupt: if interrupted.
        """

        if done == len(runs):
            return

        def on_chunk(rows: slice, found: Mapping[str, Any]) -> None:
            each = [jax.tree.map(lambda a, i=i: a[i], found) for i in range(rows.stop - rows.start)]
            pairs = zip(runs[rows], each, strict=True)
            append(self.folder, *[_record(part.id, run, one) for run, one in pairs])
            advance(part.id, rows.stop, len(runs))

        options: Any = {"keep": False, "on_chunk": on_chunk, "start": done}
        width = self.config.per_device or (1 if jax.default_backend() == "cpu" else "auto")
        if not trainings.run(points(runs, self.seeds), per_device=width, **options).complete:
            raise KeyboardInterrupt

    def _part_record(self, part: Part, trainings: LanguageTrainings) -> dict[str, Any]:
        return {
            "event": "part",
            "part": part.id,
            **dataclasses.asdict(part),
            "steps": part.setup.steps,
            "steps_per_epoch": part.setup.steps_per_epoch,
            "parameters": trainings.parameters,
            "seeds": self.seeds,
        }


def points(runs: Sequence[Run], seeds: Sequence[int]) -> dict[str, Any]:
    """The arrays that `LanguageTrainings.run` takes."""
    table = {name: [getattr(run, name) for run in runs] for name in ("learning_rate", "rate")}
    found: dict[str, Any] = {name: np.array(values, np.float32) for name, values in table.items()}
    return {**found, "seed": np.array([seeds.index(run.seed) for run in runs], np.int32)}


def _record(part: str, run: Run, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "event": "run",
        "part": part,
        **run._asdict(),
        "diverged": not all(np.isfinite(found[name]) for name in MEASURED),
        **{name: float(f"{float(found[name]):.7g}") for name in MEASURED},
    }
