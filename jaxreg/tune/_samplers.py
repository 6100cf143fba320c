"""Samplers for Optuna's ask: random, Sobol and a Gaussian process, each by the trial's number.

Every draw depends on the seed and the number of the trial alone, so that a study that goes on, and
several processes that share one, never draw the same again.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxreg._messages.brief import quoted
from jaxreg.tune import _gaussian_process
from jaxreg.tune._space import Space

if TYPE_CHECKING:
    import optuna

METHODS = {
    "gp": "Bayesian optimisation (Gaussian process)",
    "tpe": "Bayesian optimisation (TPE)",
    "random": "random search",
    "sobol": "Sobol search",
}
START = 4  # points of Sobol's sequence that have to be known before a process means anything


@dataclasses.dataclass(frozen=True)
class Known:
    """What a sampler may use; points are in the unit cube.

    Attributes:
      number: of the trial to propose.
      x: of shape (trials, ranges): those that have ended.
      scores: (trials,): infinite for those that diverged.
      pending: (others, ranges): those that run.
    """

    number: int
    x: np.ndarray
    scores: np.ndarray
    pending: np.ndarray


Proposal = Callable[[int, Known], np.ndarray]


def name_of(sampler: Any) -> str:
    return sampler if isinstance(sampler, str) else type(sampler).__name__


def random_point(seed: int, known: Known) -> np.ndarray:
    return np.random.default_rng([seed, known.number]).uniform(size=known.x.shape[1])


def sobol_point(seed: int, known: Known) -> np.ndarray:
    """A point of Sobol's sequence, scrambled."""
    from scipy.stats import qmc  # which jax brings

    sequence = qmc.Sobol(known.x.shape[1], rng=np.random.default_rng(seed))
    if known.number:
        sequence.fast_forward(known.number)
    return sequence.random(1)[0]


def gaussian_process_point(seed: int, known: Known) -> np.ndarray:
    if len(known.x) < START + known.x.shape[1]:
        return sobol_point(seed, known)
    random = np.random.default_rng([seed, known.number])
    return _gaussian_process.proposal(known.x, known.scores, known.pending, random)


PROPOSALS: dict[str, Proposal] = {
    "gp": gaussian_process_point,
    "random": random_point,
    "sobol": sobol_point,
}


def sampler_of(owner: str, sampler: Any, space: Space, seed: int, trials: int) -> Any:
    """An `optuna.samplers.BaseSampler`: one by name, or as it was given.

    Args:
      owner: the function that is called, for messages.
      sampler: a name of `METHODS`, or a sampler of Optuna.
      space: what it draws from.
      seed: of its draws.
      trials: how many the study has already; Optuna's own samplers begin anew in each process.
    """
    import optuna

    if isinstance(sampler, optuna.samplers.BaseSampler):
        return sampler
    if not isinstance(sampler, str) or sampler not in (*PROPOSALS, "tpe"):
        raise ValueError(
            f'{owner}: sampler: expected "gp", "tpe" or a sampler of Optuna, got {quoted(sampler)}'
        )
    if sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed + trials, constant_liar=True)
    return _by_number()(space, functools.partial(PROPOSALS[sampler], seed))


@functools.cache
def _by_number() -> Any:
    """The class of samplers that propose a whole point; made here, as optuna is optional."""
    import optuna

    class ByNumber(optuna.samplers.BaseSampler):
        def __init__(self, space: Space, propose: Callable[[Known], np.ndarray]) -> None:
            self.space, self.propose = space, propose

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return distributions(self.space)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, float]:
            return self.space.at(self.propose(known(study, trial, self.space)))

        def sample_independent(
            self, study: Any, trial: Any, param_name: str, param_distribution: Any
        ) -> Any:
            raise NotImplementedError("all of a point is proposed together")

    return ByNumber


def distributions(space: Space) -> dict[str, Any]:
    """The ranges, as Optuna has them."""
    import optuna

    of = optuna.distributions.FloatDistribution
    return {name: of(r.low, r.high, log=r.log) for name, r in space.ranges.items()}


def known(study: optuna.Study, trial: Any, space: Space) -> Known:
    """What a study knows when it is asked for a trial."""
    others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
    whole = [t for t in others if set(space.ranges) <= set(t.params)]
    ended = [t for t in whole if t.state.name in ("COMPLETE", "PRUNED")]
    running = [t for t in whole if t.state.name == "RUNNING"]
    x, pending = (space.shares([t.params for t in trials]) for trials in (ended, running))
    return Known(trial.number, x, np.array([_expected(t, ended) for t in ended]), pending)


def _expected(trial: Any, ended: list[Any]) -> float:
    """Its score; of one that was given up the mean so far, by as much higher as others rose."""
    steps = trial.intermediate_values
    if trial.state.name == "COMPLETE" or not steps:
        return np.inf if trial.value is None else trial.value
    last = max(steps)
    rises = [
        other.value - other.intermediate_values[last]
        for other in ended
        if other.state.name == "COMPLETE" and last in other.intermediate_values
    ]
    return steps[last] + float(np.mean(rises or [0.0]))
