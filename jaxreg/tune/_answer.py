"""The `Choice` that a study of Optuna amounts to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jaxreg.tune import _picking, _samplers, _warnings
from jaxreg.tune._choice import Choice
from jaxreg.tune._cross_validation import standard_errors
from jaxreg.tune._space import Space
from jaxreg.tune._study import NAME, Study
from jaxreg.tune._trials import Trainings

RIM = 0.02  # of a range: so near to an end the best is at the rim


def chosen_from(
    trainings: Trainings, study: Study, sampler: Any, *, stopped: bool, began: float
) -> Choice:
    trials, space = study.ended, trainings.space
    whole = [trial.state.name == "COMPLETE" for trial in trials]
    if not any(whole):
        raise ValueError(
            f"{trainings.owner}: expected trainings that end with finite losses, but all "
            f"{len(trials)} trials diverged; lower the learning rate, or search smaller strengths"
        )
    scores = np.array([t.value if done else np.nan for t, done in zip(trials, whole, strict=True)])
    splits = _splits(trials, len(trainings.weights))
    errors = np.where(np.isnan(scores), np.nan, _errors(trials, splits, trainings.weights))
    candidates = {name: np.array([t.params[name] for t in trials]) for name in space.ranges}
    if "strength" not in candidates:
        candidates["strength"] = np.full(len(trials), float(space.fixed["strength"][0]))
    eps = float(np.finfo(jax.dtypes.canonicalize_dtype(np.float64)).eps)
    chosen = _picking.least(candidates["strength"], scores, eps)
    return Choice(
        strength=float(candidates["strength"][chosen]),
        candidates=candidates,
        scores=scores,
        errors=errors,
        trainings=int(np.sum(~np.isnan(splits) | _diverged(trials, splits))) * space.repeats,
        seconds=time.perf_counter() - began,
        chosen=chosen,
        method=_method(sampler, trainings.weights),
        interval=_interval(space, candidates["strength"], scores, errors, eps),
        warnings=(
            *_warned(study, space, candidates, scores, splits, chosen, stopped),
            *_warnings.few(_warnings.held_out(trainings.weights)),
        ),
        is_trace=True,
        splits=splits,
        study=study.optuna,
    )


def _splits(trials: list[Any], count: int) -> np.ndarray:
    """Scores (trials, splits), NaN where there is none."""
    table = np.full((len(trials), count), np.nan)
    for row, trial in zip(table, trials, strict=True):
        scores = np.array(trial.user_attrs[NAME]["scores"], float)
        row[: len(scores)] = scores
    return table


def _diverged(trials: list[Any], splits: np.ndarray) -> np.ndarray:
    """Which trainings did: NaN, and yet noted."""
    noted = [len(trial.user_attrs[NAME]["scores"]) for trial in trials]
    return np.isnan(splits) & (np.arange(splits.shape[1]) < np.array(noted)[:, None])


def _errors(trials: list[Any], splits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if len(weights) > 1:
        return standard_errors(splits, np.sum(weights == 0, axis=1), 1)
    return np.array([trial.user_attrs[NAME]["errors"][0] for trial in trials], float)


def _interval(
    space: Space, strengths: np.ndarray, scores: np.ndarray, errors: np.ndarray, eps: float
) -> tuple[float, float] | None:
    """Known only where nothing but the strength differs."""
    if list(space.ranges) != ["strength"]:
        return None
    with np.errstate(invalid="ignore"):
        return _picking.picked("minimum", strengths, scores, errors, None, eps)[1]


def _method(sampler: Any, weights: np.ndarray) -> str:
    name = _samplers.name_of(sampler)
    every = f"{len(weights)} folds" if len(weights) > 1 else "one split"
    return f"{_samplers.METHODS.get(name, f'Optuna’s {name}')}, {every}"


def _warned(
    study: Study, space: Space, candidates: Mapping[str, np.ndarray], scores: np.ndarray,
    splits: np.ndarray, chosen: int, stopped: bool,
) -> list[str]:  # fmt: skip
    found = []
    if stopped:
        found.append(
            f"stopped after {len(scores)} of {study.budget} trials; the same call with a storage "
            f"goes on from there"
        )
    if count := int(_diverged(study.ended, splits).any(axis=1).sum()):
        found.append(f"{count} of {len(scores)} trials diverged and are left out")
    if not stopped and study.running:
        others = "1 trial still runs in another process and is"
        if study.running > 1:
            others = f"{study.running} trials still run in other processes and are"
        found.append(f"{others} left out")
    whole = scores[~np.isnan(scores)]
    if len(whole) > 1 and not np.ptp(whole):
        found.append("all trials score the same: does train use point['strength']?")
    else:
        found += _rims(space, candidates, chosen)
    return found


def _rims(space: Space, candidates: Mapping[str, np.ndarray], chosen: int) -> Iterator[str]:
    for name, range_ in space.ranges.items():
        number = candidates[name][chosen]
        share = range_.share(number)
        if min(share, 1 - share) < RIM:
            more = "smaller" if share < 0.5 else "larger"
            yield (
                f"the least score is that of {name} {number:.3g}, at the end of its range: the "
                f"best may lie beyond; search {more} ones"
            )
