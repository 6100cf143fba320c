"""Carries a study out: finds each grid, trains it, and writes down every training as it is done."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.coupling import nature
from experiments.coupling.config import NO_DECAY, StudyConfig
from experiments.coupling.grid import Grid, grid_of, on_axis, points
from experiments.coupling.regimes import Panel
from experiments.coupling.search import Cell, search
from experiments.decay_form import Axis
from experiments.paired.sample import Source
from experiments.paired.trainings import PairedTrainings
from experiments.progress import Advance
from experiments.records import append, read

SEARCH_SEED = 99
"""Of the coarse pass, and of no study."""
CURVES = ("loss", "norm", "sparsity")
MEASURED = ("validation_loss", "validation_error", "test_loss", "test_error")


@dataclasses.dataclass(frozen=True)
class Study:
    """A study under way.

    Attributes:
      config: a resolved configuration.
      source: the images.
      folder: where ``records.jsonl`` lies.
    """

    config: StudyConfig
    source: Source
    folder: Path

    @property
    def seeds(self) -> tuple[int, ...]:
        first = self.config.first_seed
        return tuple(range(first, first + (self.config.seeds or 1)))

    @property
    def columns(self) -> list[None]:
        """The column of no decay, if it is wanted."""
        return [None] if NO_DECAY in (self.config.forms or ()) else []

    def count(self, panel: Panel) -> int:
        """Trainings of a panel, the coarse pass not counted."""
        rows, columns = panel.grid.shape
        return rows * (columns + len(self.columns)) * len(self.seeds)

    def conduct(self, panels: Sequence[Panel], advance: Advance) -> None:
        """Trains every panel; what ``records.jsonl`` holds already is not trained again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records.
        """
        for panel in panels:
            trainings = PairedTrainings(
                panel.setup, panel.form, self.source, (*self.seeds, SEARCH_SEED)
            )
            self._train(self._found(panel, trainings), trainings, advance)

    def _found(self, panel: Panel, trainings: PairedTrainings) -> Panel:
        """The panel with its final grid: from the records, or from a coarse pass."""
        known = [r for r in read(self.folder) if r["event"] == "grid" and r["panel"] == panel.id]
        if known:
            return dataclasses.replace(panel, grid=grid_of(known[0]["grid"]))
        started, probes = time.perf_counter(), []

        def measure(cells: Sequence[Cell]) -> list[float]:
            found = self._run(panel, trainings, [(*cell, len(self.seeds)) for cell in cells])
            losses = [log_loss(result) for result in found]
            probes.extend([*cell, loss] for cell, loss in zip(cells, losses, strict=True))
            return losses

        free = {"move_rows": self.config.learning_rates is None}
        free["move_columns"] = self.config.decays is None
        grid = search(panel.grid, measure, **free) if any(free.values()) else panel.grid
        final = dataclasses.replace(panel, grid=grid)
        seconds = time.perf_counter() - started
        append(self.folder, {**self._grid_record(final), "probes": probes, "seconds": seconds})
        return final

    def _grid_record(self, panel: Panel) -> dict[str, Any]:
        return {
            "event": "grid",
            "panel": panel.id,
            "regime": panel.regime,
            "form": panel.form,
            "setup": dataclasses.asdict(panel.setup),
            "steps": panel.setup.steps,
            "grid": dataclasses.asdict(panel.grid),
            "reach": panel.reach,
            "views": panel.views,
            "seeds": self.seeds,
            "undecayed": bool(self.columns),
            "nature": nature.nature(panel.setup, self.source),
        }

    def _train(self, panel: Panel, trainings: PairedTrainings, advance: Advance) -> None:
        cells = self._cells(panel.grid)
        done = sum(r["event"] == "run" and r["panel"] == panel.id for r in read(self.folder))
        advance(panel.id, done, len(cells))
        started = time.perf_counter()

        def on_chunk(first: int, results: Sequence[Mapping[str, Any]]) -> None:
            rows = cells[first : first + len(results)]
            append(self.folder, *map(self._run_record, [panel] * len(rows), rows, results))
            advance(panel.id, first + len(results), len(cells))

        if done < len(cells):
            self._run(panel, trainings, cells, on_chunk, done)
        if not any(r["event"] == "panel" and r["panel"] == panel.id for r in read(self.folder)):
            seconds = time.perf_counter() - started
            append(self.folder, {"event": "panel", "panel": panel.id, "seconds": seconds})

    def _cells(self, grid: Grid) -> list[tuple[int, int | None, int]]:
        """(row, column, place of the seed) of every training; rows and columns of the lattice."""
        rows, columns = (range(first, first + count) for first, count in (grid.rows, grid.columns))
        return [
            (row, column, seed)
            for row in rows
            for column in (*self.columns, *columns)
            for seed in range(len(self.seeds))
        ]

    def _run(
        self,
        panel: Panel,
        trainings: PairedTrainings,
        cells: Sequence[tuple[int, int | None, int]],
        on_chunk: Callable[[int, list[dict[str, Any]]], None] | None = None,
        start: int = 0,
    ) -> list[dict[str, Any]]:
        """Trains cells of the lattice; a mapping of results and `diverged` for each.

        Raises:
          KeyboardInterrupt: if interrupted.
        """
        rows, columns, seeds = zip(*cells, strict=True)
        grid = panel.grid
        learning_rates = [grid.learning_rate_of(row) for row in rows]
        decays = [grid.decay_of(column) for column in columns]
        found: list[dict[str, Any]] = []

        def receive(rows: slice, results: Mapping[str, np.ndarray]) -> None:
            new = _each(results, rows.stop - rows.start)
            found.extend(new)
            if on_chunk is not None:
                on_chunk(rows.start, new)

        swept = points(panel.setup, panel.form, learning_rates, decays, grid.axis, seeds)
        options: Any = {"keep": False, "on_chunk": receive, "start": start}
        width = self.config.per_device or _width()
        if not trainings.run(swept, per_device=width, **options).complete:
            raise KeyboardInterrupt
        return found

    def _run_record(
        self, panel: Panel, cell: tuple[int, int | None, int], result: Mapping[str, Any]
    ) -> dict[str, Any]:
        row, column, seed = cell
        grid = panel.grid
        learning_rate, decay = grid.learning_rate_of(row), grid.decay_of(column)
        both: tuple[Axis, ...] = ("strength", "rate")
        known = {axis: on_axis(axis, decay, grid.axis, learning_rate, panel.reach) for axis in both}
        shown = {name: _short(result[name]) for name in CURVES} if seed == 0 else {}
        weights = ("histogram", "largest") if seed == 0 else ()
        return {
            "event": "run",
            "panel": panel.id,
            "row": row - grid.rows[0],
            "column": None if column is None else column - grid.columns[0],
            "seed": self.seeds[seed],
            "learning_rate": learning_rate,
            "strength": known["strength"],
            "rate": known["rate"] if "rate" in panel.views else None,
            "diverged": diverged(result),
            **{name: result[name] for name in (*MEASURED, *weights)},
            **shown,
        }


def _each(results: Mapping[str, np.ndarray], count: int) -> list[dict[str, Any]]:
    return [{name: array[i] for name, array in results.items()} for i in range(count)]


def _short(curve: np.ndarray) -> list[float]:
    """Six digits, which is more than a picture shows and a third of the file."""
    return [float(f"{value:.6g}") for value in curve]


def _width() -> Any:
    import jax

    return 1 if jax.default_backend() == "cpu" else "auto"


def diverged(result: Mapping[str, Any]) -> bool:
    """Whether any number of a training is not finite."""
    return not all(np.all(np.isfinite(value)) for value in result.values())


def log_loss(result: Mapping[str, Any]) -> float:
    """log validation loss; infinite if the training diverged."""
    return math.inf if diverged(result) else math.log(float(result["validation_loss"]))
