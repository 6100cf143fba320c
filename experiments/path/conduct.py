"""Carries a study out: follows each path, and writes down every training as it is done."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.paired.sample import Source
from experiments.paired.setup import Setup
from experiments.path import cut, pictures
from experiments.path.config import Curve, PathConfig
from experiments.path.measures import MEASURES
from experiments.path.regression import RegressionPaths
from experiments.path.trainings import LOOKS, PathTrainings
from experiments.progress import Advance
from experiments.records import append, read

Place = tuple[int, int]
"""(seed, strength), by their places."""


@dataclasses.dataclass(frozen=True)
class Study:
    """A study under way.

    Attributes:
      config: a resolved configuration.
      source: the images.
      folder: where ``records.jsonl`` lies.
    """

    config: PathConfig
    source: Source
    folder: Path

    @property
    def seeds(self) -> tuple[int, ...]:
        first = self.config.first_seed
        return tuple(range(first, first + (self.config.seeds or 1)))

    def count(self, curve: Curve) -> int:
        """All trainings of a path."""
        return len(self._places(curve))

    def conduct(self, curves: Sequence[Curve], advance: Advance) -> None:
        """Follows every path; what ``records.jsonl`` holds already is not trained again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records.
        """
        for curve in curves:
            self._follow(curve, advance)

    def _follow(self, curve: Curve, advance: Advance) -> None:
        known = [r for r in read(self.folder) if r.get("curve") == curve.id]
        if known:
            curve = _begun(curve, known[0])
        else:
            append(self.folder, self._curve_record(curve))
        done = sum(record["event"] == "run" for record in known)
        places = self._places(curve)
        advance(curve.id, done, len(places))
        if any(record["event"] == "followed" for record in known):
            return
        started = time.perf_counter()

        def receive(first: int, found: Sequence[Mapping[str, Any]]) -> None:
            self._keep(curve, places[first : first + len(found)], found)
            advance(curve.id, first + len(found), len(places))

        if done < len(places):
            self._run(curve, places, done, receive)
        seconds = time.perf_counter() - started
        append(self.folder, {"event": "followed", "curve": curve.id, "seconds": seconds})

    def _places(self, curve: Curve) -> list[Place]:
        """Every training: all strengths of the first seed first, whose pictures are kept."""
        strengths = range(len(curve.strengths))
        return [(seed, strength) for seed in range(len(self.seeds)) for strength in strengths]

    def _run(self, curve: Curve, places: Sequence[Place], done: int, receive: Any) -> None:
        """Trains from the place ``done`` on; ``receive(first, results)`` for each chunk.

        Raises:
          KeyboardInterrupt: if interrupted.
        """
        run = self._network if curve.network == "mlp" else self._regression
        if not run(curve, places, done, receive).complete:
            raise KeyboardInterrupt

    def _network(self, curve: Curve, places: Sequence[Place], done: int, receive: Any) -> Any:
        trainings = PathTrainings(
            curve.setup, curve.learning_rate, curve.penalty, self.source, self.seeds
        )
        seeds, strengths = (np.array(part, np.int32) for part in zip(*places, strict=True))
        points = {"seed": seeds, "strength": np.array(curve.strengths, np.float32)[strengths]}

        def on_chunk(rows: slice, results: Mapping[str, Any]) -> None:
            receive(rows.start, list(_each(results, rows.stop - rows.start)))

        options: Any = {"keep": False, "on_chunk": on_chunk, "start": done}
        return trainings.run(points, per_device=self.config.per_device or _width(), **options)

    def _regression(self, curve: Curve, places: Sequence[Place], done: int, receive: Any) -> Any:
        """A run is a whole path: all strengths of one seed."""
        paths = RegressionPaths(
            curve.setup, curve.penalty, curve.strengths, self.source, self.seeds
        )
        length = len(curve.strengths)

        def on_chunk(rows: slice, results: Mapping[str, Any]) -> None:
            for row, path in enumerate(_each(results, rows.stop - rows.start), rows.start):
                receive(row * length, list(_each(path, length)))

        points = {"seed": np.arange(len(places) // length, dtype=np.int32)}
        options: Any = {"keep": False, "on_chunk": on_chunk, "start": done // length, "chunk": 1}
        return paths.run(points, per_device=1, **options)

    def _keep(
        self, curve: Curve, places: Sequence[Place], found: Sequence[Mapping[str, Any]]
    ) -> None:
        """Writes down what trainings gave; of the first seed also the weights.

        The record of a training comes last: where there is one, the rest is on disk.
        """
        shown = {
            strength: found[i]["params"] for i, (seed, strength) in enumerate(places) if not seed
        }
        beside: dict[Place, list[dict[str, Any]]] = {}
        if shown:
            kernels = {place: params["fc1"]["kernel"] for place, params in shown.items()}
            pictures.add(self.folder, curve, self.source.train.images.shape[1:], kernels)
        if shown and curve.network == "mlp":
            beside = self._cuts(curve, shown)
        for place, one in zip(places, found, strict=True):
            append(self.folder, *beside.get(place, ()), self._run_record(curve, place, one))

    def _cuts(self, curve: Curve, shown: Mapping[int, Any]) -> dict[Place, list[dict[str, Any]]]:
        """Of networks of the first seed what is left without dead units, unless that is known."""
        known = [r for r in read(self.folder) if r["event"] == "cut" and r["curve"] == curve.id]
        strengths = {record["strength"] for record in known}
        new = {p: params for p, params in shown.items() if curve.strengths[p] not in strengths}
        found: dict[Place, list[dict[str, Any]]] = {}
        for record in cut.records(curve, self.seeds[0], self.source, new):
            found.setdefault((0, curve.strengths.index(record["strength"])), []).append(record)
        return found

    def _run_record(self, curve: Curve, place: Place, found: Mapping[str, Any]) -> dict[str, Any]:
        seed, strength = place
        weights = pictures.histogram(found["params"]["fc1"]["kernel"]) if seed == 0 else {}
        return {
            "event": "run",
            "curve": curve.id,
            "strength": curve.strengths[strength],
            "seed": self.seeds[seed],
            "diverged": not all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found)),
            **{name: found[name] for name in MEASURES},
            **{name: found[name] for name in ("learning", "steps", "converged") if name in found},
            **weights,
        }

    def _curve_record(self, curve: Curve) -> dict[str, Any]:
        is_network = curve.network == "mlp"
        pixels = int(np.prod(self.source.train.images.shape[1:]))
        epochs = [curve.setup.epochs * (i + 1) / LOOKS for i in range(LOOKS)]
        return {
            "event": "curve",
            "curve": curve.id,
            "network": curve.network,
            "penalty": curve.penalty,
            "strengths": curve.strengths,
            "seeds": self.seeds,
            "setup": dataclasses.asdict(curve.setup),
            "learning_rate": curve.learning_rate if is_network else None,
            "epochs": epochs if is_network else [],
            "unit": "hidden unit" if is_network else "pixel",
            "units": curve.setup.hidden if is_network else pixels,
            "full_rank": min(pixels, curve.setup.hidden if is_network else self.source.classes),
        }


def _begun(curve: Curve, record: Mapping[str, Any]) -> Curve:
    """A path that was begun, as it was begun: the table of penalties may have changed."""
    return dataclasses.replace(
        curve, strengths=tuple(record["strengths"]), setup=Setup(**record["setup"])
    )


def _each(results: Any, count: int) -> Iterator[Any]:
    return (jax.tree.map(lambda array, i=i: array[i], results) for i in range(count))


def _width() -> Any:
    return 1 if jax.default_backend() == "cpu" else "auto"
