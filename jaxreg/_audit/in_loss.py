"""Whether a loss holds a penalty λ‖w‖², seen from how it grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxreg._audit.black_box import Arrays, Optimizer, precisely
from jaxreg._audit.probes import Probes
from jaxreg._select import select

FAR = (1e5, 1e6)  # how far out along one leaf
TOLERANCE = 1e-2


def penalties(loss: Callable[[Any], Any], params: Any) -> dict[str, float]:
    """2λ of a penalty λ‖w‖² in the loss, by name of the leaf; 0 where none is seen.

    Far out along one leaf, a data loss that grows more slowly than w² leaves a gradient 2λw.
    Biases are passed over: the squared error of an output's bias grows as a penalty does.
    """
    asked = Optimizer(lambda _: None, params)
    drawn = Probes(asked).directions
    with precisely():
        gradient = jax.jit(jax.grad(lambda tree: _total(loss(tree)), allow_int=True))
        chosen = [verdict.selected for verdict in select.weights.verdicts(asked.leaves)]
        return {
            leaf.name: _growth(gradient, asked, drawn, i) if on else 0.0
            for i, (leaf, on) in enumerate(zip(asked.leaves, chosen, strict=True))
        }


def _total(value: Any) -> Any:
    """The loss itself, of what a `jaxreg.regularized` function returns too."""
    return value[0] if isinstance(value, tuple) else value


def _growth(gradient: Any, asked: Optimizer, drawn: Arrays, index: int) -> float:
    """The slope of the gradient along one leaf, if it is the same for all entries and far out."""
    near, far = (_slopes(gradient, asked, drawn, index, distance) for distance in FAR)
    w = drawn[index]
    rates = [np.real(np.vdot(w, slope)) / np.vdot(w, w).real for slope in (near, far)]
    uniform = np.abs(far - rates[1] * w).max(initial=0.0) <= TOLERANCE * abs(rates[1])
    settled = abs(rates[0] - rates[1]) <= TOLERANCE * abs(rates[1])
    return float(rates[1]) if uniform and settled and rates[1] > 0 else 0.0


def _slopes(
    gradient: Any, asked: Optimizer, drawn: Arrays, index: int, distance: float
) -> np.ndarray:
    params = [distance * w if i == index else w for i, w in enumerate(drawn)]
    found = asked.parameters_of(gradient(asked.tree(asked.shaped(params))))[index]
    return np.asarray(found).reshape(-1) / distance
