"""Searches of a space: Bayesian, random, Sobol; trials side by side, in a study of Optuna."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._sweep.progress import Progress, reporter
from jaxreg._sweep.side_by_side import AXIS
from jaxreg._sweep.width import check_width
from jaxreg.tune import _samplers, _study
from jaxreg.tune._answer import chosen_from
from jaxreg.tune._choice import Choice
from jaxreg.tune._contract import examples_of
from jaxreg.tune._journal import fingerprint
from jaxreg.tune._space import Space, space_of
from jaxreg.tune._splits import checked_splits, holdout
from jaxreg.tune._splits import folds as folds_of
from jaxreg.tune._trials import Trainings, trained

BEST = "best"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `bayesian`, `random` and `sobol` have in common; they say what each is."""

    trials: int = 64
    batch: int = 8
    folds: Any = None
    seed: int = 0
    classes: Any = None
    groups: Any = None
    examples: int | None = None
    sampler: Any = "gp"
    pruner: Any = "best"
    storage: Any = None
    per_device: Any = None
    mesh: Mesh | None = None
    progress: bool | Callable[[Progress], None] | None = None
    compiler_options: Mapping[str, Any] | None = None


def searched(
    owner: str, train: Callable[..., Any], space: Any, shared: tuple[Any, ...], given: Settings
) -> Choice:
    """Asks, trains and tells until the budget is spent."""
    began = time.perf_counter()
    _study.require_optuna(owner)
    _check_budget(owner, given.trials, given.batch)
    _numbers.count(f"{owner}: seed", given.seed, 0)
    searched_ = space_of(owner, space)
    count = examples_of(owner, given.examples, shared)
    weights = splits_of(owner, given.folds, count, given.seed, given.classes, given.groups)
    if given.per_device is not None:
        check_width(owner, given.per_device)
    options = _options(given, searched_.repeats)
    trainings = Trainings(owner, train, searched_, weights, shared, options)
    study = _opened(owner, searched_, weights, shared, given)
    stopped = _carried_out(trainings, study, given, began)
    return chosen_from(trainings, study, given.sampler, stopped=stopped, began=began)


def splits_of(
    owner: str, folds: Any, examples: int, seed: int, classes: Any, groups: Any
) -> np.ndarray:
    """Weights of the splits: a single holdout, so many folds, or as given."""
    if folds is None:
        return np.asarray(holdout(examples, seed=seed, classes=classes, groups=groups))
    if np.ndim(folds):
        return checked_splits(owner, folds, examples)
    return np.asarray(folds_of(examples, folds, seed=seed, classes=classes, groups=groups))


def _check_budget(owner: str, trials: Any, batch: Any) -> None:
    for name, number in (("trials", trials), ("batch", batch)):
        _numbers.count(f"{owner}: {name}", number)
    if trials < batch:
        raise ValueError(
            f"{owner}: expected at least as many trials as run side by side, got {trials} trials "
            f"in batches of {batch}; write batch={trials}"
        )


def _options(given: Settings, repeats: int) -> dict[str, Any]:
    """Of the sweep: everything that its program depends on is settled here, once."""
    runs = given.batch * repeats
    mesh = given.mesh or Mesh(np.array(jax.devices()[:runs]), (AXIS,))
    devices = mesh.shape.get(AXIS, 1)
    width = given.per_device
    if width is None:  # side by side is faster on accelerators, and slower on CPU
        width = 1 if mesh.devices.flat[0].platform == "cpu" else -(-runs // devices)
    if isinstance(width, int):
        width = min(width, -(-runs // devices))
    return {"per_device": width, "mesh": mesh, "compiler_options": given.compiler_options}


def _opened(
    owner: str, space: Space, weights: np.ndarray, shared: Any, given: Settings
) -> _study.Study:
    purpose = {
        "space": space.text,
        "seed": given.seed,
        "sampler": _samplers.name_of(given.sampler),
        "data or splits": fingerprint((weights, shared)),
    }
    pruner = _pruner(owner, given.pruner)
    found = _study.opened(owner, given.storage, purpose, pruner)
    ended = len(found.get_trials(deepcopy=False))
    found.sampler = _samplers.sampler_of(owner, given.sampler, space, given.seed, ended)
    distributions = _samplers.distributions(space)
    return _study.Study(found, distributions, given.trials, beside_best=given.pruner == BEST)


def _pruner(owner: str, pruner: Any) -> Any:
    import optuna

    if pruner is None or (isinstance(pruner, str) and pruner == BEST):
        return optuna.pruners.NopPruner()
    if not isinstance(pruner, optuna.pruners.BasePruner):
        raise ValueError(
            f'{owner}: pruner: expected "best", None or a pruner of Optuna, got {brief(pruner)}'
        )
    return pruner


def _carried_out(trainings: Trainings, study: _study.Study, given: Settings, began: float) -> bool:
    """Trains batch after batch; whether it was stopped by Ctrl-C, after at least one of them."""
    report = reporter(given.progress)
    done = first = len(study.ended)
    try:
        while batch := study.ask(given.batch):
            trained(trainings, study, batch)
            done = len(study.ended)
            seconds = time.perf_counter() - began
            left = seconds / max(done - first, 1) * (given.trials - done)
            report(Progress(done, given.trials, seconds, left))
    except KeyboardInterrupt:
        if not done:
            raise
        return True
    return False
