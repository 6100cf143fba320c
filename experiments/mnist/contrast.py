"""Where λ acts, compared: every coupling from the same start, on the same batches, in float64.

In float64 what is the same program up to rounding ends within 1e-9, and what is not, does not:
the equality signs in the table are computed from that.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
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


def contrast(
    config: Config, dataset: Dataset, known: Collection[Contrast] = ()
) -> Iterator[Contrast]:
    """Trains the couplings of a setting for one epoch each and compares them in pairs.

    Args:
      config: a resolved configuration, in float64; its own coupling is ignored. Adam is added to
        its optimizer, since under plain SGD most couplings are one program.
      dataset: what to train on.
      known: contrasts that need no training.

    Yields:
      One contrast per optimizer and pair of couplings that the penalty has.
    """
    there = {(found.optimizer, found.first, found.second): found for found in known}
    wanted = [
        (optimizer, *pair)
        for optimizer in dict.fromkeys((config.optimizer, "adam"))
        for pair in pairs(config.penalty)
    ]
    left = [key for key in wanted if key not in there]
    ends = dict.fromkeys((optimizer, end) for optimizer, *both in left for end in both)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trained = {end: pool.submit(_trained, config, dataset, *end) for end in ends}
        for key in wanted:
            if key in there:
                yield there[key]
                continue
            optimizer, *both = key
            found = (trained[optimizer, coupling].result() for coupling in both)
            yield Contrast(*key, _difference(*found))


def recorded(records: Iterable[Mapping[str, Any]]) -> list[Contrast]:
    """The contrasts among records."""
    names = [field.name for field in dataclasses.fields(Contrast)]
    found = (record for record in records if record["event"] == "contrast")
    return [Contrast(*(record[name] for name in names)) for record in found]


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
