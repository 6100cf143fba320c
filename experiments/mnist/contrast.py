"""Where λ acts, compared: every coupling from the same start, on the same batches, in float64.

In float64 what is the same program up to rounding ends within 1e-9, and what is not, does not:
the equality signs in the table are computed from that.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from experiments import training
from experiments.config import Config
from experiments.data import Dataset
from experiments.forms import FORMS, pairs
from experiments.problem import Problem

SAME = 1e-9
"""Largest |Δw| that passes for rounding: float64 has 16 digits, and the steps are a thousand."""


@dataclasses.dataclass(frozen=True)
class Contrast:
    """How far apart two couplings of one optimizer end: ``difference`` is the largest |Δw|."""

    optimizer: str
    first: str
    second: str
    difference: float

    @property
    def same(self) -> bool:
        """Whether the difference is rounding."""
        return self.difference <= SAME


def contrast(config: Config, dataset: Dataset) -> Iterator[Contrast]:
    """Trains the couplings of a setting for one epoch each and compares them in pairs.

    Args:
      config: a resolved configuration, in float64; its own coupling is ignored. Adam is added to
        its optimizer, since under plain SGD most couplings are one program.
      dataset: what to train on.

    Yields:
      One contrast per optimizer and pair of couplings that the penalty has.
    """
    optimizers = tuple(dict.fromkeys((config.optimizer, "adam")))
    compared = pairs(config.penalty)
    couplings = tuple(dict.fromkeys(itertools.chain(*compared)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trained = {
            (optimizer, coupling): pool.submit(_trained, config, dataset, optimizer, coupling)
            for optimizer, coupling in itertools.product(optimizers, couplings)
        }
        for optimizer, (first, second) in itertools.product(optimizers, compared):
            ends = (trained[optimizer, coupling].result() for coupling in (first, second))
            yield Contrast(optimizer, first, second, _difference(*ends))


def _trained(config: Config, dataset: Dataset, optimizer: Any, coupling: Any) -> Any:
    """The parameters after one epoch, on the host."""
    changes = {"optimizer": optimizer, "coupling": coupling, "epochs": 1}
    problem = Problem(dataclasses.replace(config, **changes), dataset)
    state = problem.start(config.seed)
    run = jax.jit(training.scan_batches(problem.step()))
    state, _ = run(state, problem.order(state.key, 0), problem.images()[0])
    return jax.device_get(state.params)


def _difference(params: Any, reference: Any) -> float:
    leaves = zip(jax.tree.leaves(params), jax.tree.leaves(reference), strict=True)
    return max(float(np.max(np.abs(a - b))) for a, b in leaves)


def describe(found: Contrast, config: Config) -> str:
    """One line of the table, as ``Adam  in loss ≠ adamw(weight_decay=0.0001)  max |Δw| 1.2``."""
    own = dataclasses.replace(config, optimizer=found.optimizer)  # pyright: ignore
    forms = FORMS[found.first], FORMS[found.second]
    first, second = (form.code(form, own) for form in forms)
    sign = "=" if found.same else "≠"
    optimizer = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam"}[found.optimizer]
    relation = f"{first} {sign} {second}"
    return f"{optimizer:<9}{relation:<60}max |Δw| {found.difference:.1e}"
