"""Trainings of points on splits as one sweep, and what each scores on the examples it held out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg._sweep.grid import is_key
from jaxreg._sweep.run import sweep
from jaxreg.tune._contract import check_train, weighted_mean
from jaxreg.tune._journal import Journal, Key, point_key


@dataclasses.dataclass(frozen=True)
class Scored:
    """What trainings scored; arrays of shape (points, splits), NaN where one diverged.

    Attributes:
      scores: the mean loss of the held-out examples.
      errors: its standard error over these examples: deviation / √(how many); NaN of one.
      overall: the mean loss of all examples: the same in every split if the weights are not used.
      seconds: wall time, compilation included.
      compile_seconds: of the compilation; 0 if the same trainings have run before.
    """

    scores: np.ndarray
    errors: np.ndarray
    overall: np.ndarray
    seconds: float
    compile_seconds: float

    @property
    def trainings(self) -> int:
        return self.scores.size

    @property
    def diverged(self) -> np.ndarray:
        """Bool (points, splits)."""
        return np.isnan(self.scores)


def scored(
    owner: str,
    train: Callable[..., Any],
    points: Any,
    weights: np.ndarray,
    shared: tuple[Any, ...],
    options: Mapping[str, Any],
    journal: Journal | None = None,
) -> Scored:
    """Trains every point on every split, as one program for any number of both.

    Args:
      owner: the function that is called, for messages.
      train: the reader's, as `jaxreg.tune` describes it.
      points: a tree of arrays of equal length, as from `jaxreg.grid`.
      weights: of shape (splits, examples).
      shared: the arrays that it takes besides.
      options: of `jaxreg.sweep`.
      journal: of trainings that need not be run again; those that are go there as they end.

    Returns:
      A `Scored`.

    Raises:
      KeyboardInterrupt: on Ctrl-C, with a note that says how many trainings are done.
    """
    check_train(owner, train, first_of(points), weights.shape[1], shared)
    journal = journal or Journal(owner, None, None)
    count, splits = len(jax.tree.leaves(points)[0]), len(weights)
    texts = [point_key(points, row) for row in range(count)]
    keys = [(text, split) for text in texts for split in range(splits)]
    missing = [i for i, key in enumerate(keys) if key not in journal.entries]
    seconds = compiling = 0.0
    if missing:
        rows, split = np.divmod(np.array(missing), splits)
        both = {"point": taken(points, rows), "split": split.astype(np.int32)}

        def keep(done: slice, results: Mapping[str, np.ndarray]) -> None:
            columns = zip(*(x.tolist() for x in results.values()), strict=True)
            entries = [dict(zip(results, column, strict=True)) for column in columns]
            journal.add([keys[i] for i in missing[done]], entries)

        found = sweep(_run_of(train), both, weights, *shared, on_chunk=keep, keep=False, **options)
        seconds, compiling = found.seconds, found.compile_seconds
        if not found.complete:
            raise _interrupted(owner, len(keys) - len(missing) + found.stop, len(keys))
    return Scored(**_tables(journal, keys, splits), seconds=seconds, compile_seconds=compiling)


def _tables(journal: Journal, keys: list[Key], splits: int) -> dict[str, np.ndarray]:
    found = [journal.entries[key] for key in keys]
    names = ("scores", "errors", "overall")
    table = np.array([[entry[name] for name in names] for entry in found])
    table[~np.isfinite(table[:, [0, 2]]).all(axis=1)] = np.nan
    return {name: column.reshape(-1, splits) for name, column in zip(names, table.T, strict=True)}


@functools.lru_cache(maxsize=16)
def _run_of(train: Callable[..., Any]) -> Callable[..., dict[str, jax.Array]]:
    """The run of a sweep; the same function for the same train, so that it is compiled once."""

    def run(both: Any, weights: jax.Array, *shared: Any) -> dict[str, jax.Array]:
        kept = weights[both["split"]]
        losses = train(both["point"], kept, *shared)
        losses = losses.astype(jnp.promote_types(losses.dtype, jnp.float32))
        return measured(losses, (kept == 0).astype(losses.dtype))

    return run


def measured(losses: jax.Array, held: jax.Array) -> dict[str, jax.Array]:
    """The mean of the held-out losses, its standard error (NaN of a single one), that of all."""
    score, count = weighted_mean(losses, held), jnp.sum(held)
    variance = jnp.sum(held * (losses - score) ** 2) / jnp.where(count > 1, count - 1, jnp.nan)
    return {"scores": score, "errors": jnp.sqrt(variance / count), "overall": jnp.mean(losses)}


def taken(points: Any, rows: np.ndarray) -> Any:
    """Some of the points, in an order."""
    return jax.tree.map(lambda x: (x if is_key(x) else np.asarray(x))[rows], points)


def first_of(points: Any) -> Any:
    """The shapes of one point."""
    return jax.eval_shape(lambda points: jax.tree.map(lambda x: x[0], points), points)


def _interrupted(owner: str, done: int, total: int) -> KeyboardInterrupt:
    error = KeyboardInterrupt()
    error.add_note(f"{owner}: stopped after {done} of {total} trainings")
    return error
