"""An optimizer as a black box: arrays of numpy in, updates out."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxreg import _trees
from jaxreg._messages.brief import is_array
from jaxreg._numbers import in_numpy, is_numeric

Arrays = list[np.ndarray]  # one a parameter, of shape (steps, size) or (size,)
Shapes = list[tuple[int, ...]]


@contextlib.contextmanager
def precisely() -> Iterator[None]:
    """In float64, and so on the CPU: there is none on a TPU."""
    device = jax.default_device(jax.local_devices(backend="cpu")[0])
    with device, jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


class CallError(Exception):
    """The optimizer raised an error, for these arguments, in every way of calling it."""


class Way(NamedTuple):
    """A way of calling an optimizer."""

    begin: Callable[[Any, Any], Any]  # of the learning rate and the parameters
    step: Callable[..., Any]  # of the learning rate, state, gradients and parameters


class Reply(NamedTuple):
    """What successive updates gave."""

    updates: Arrays  # of shape (steps, size)
    counters: np.ndarray  # the integers of the state after each step, of shape (steps, number)


class Optimizer:
    """An optimizer, or a family of them by learning rate, that runs on arrays of numpy.

    Args:
      make: ``learning_rate -> optimizer``.
      params: what it updates; the values do not matter.
      steps: how many updates it is asked for.
      arguments: further arguments of ``update``.
      cut: makes other shapes of theirs, with as many axes, in which they are asked for.
    """

    def __init__(
        self,
        make: Callable[[Any], Any],
        params: Any,
        steps: int = 4,
        arguments: Any = None,
        cut: Callable[[Shapes], Shapes] = lambda shapes: shapes,
    ):
        leaves = _trees.leaves(params)
        self.make, self.steps, self.arguments = make, steps, dict(arguments or {})
        self.others = [None if leaf.is_parameter else leaf.value for leaf in leaves]
        self.leaves = [leaf for leaf in leaves if leaf.is_parameter]
        self.structure = jax.tree.structure(params)
        self.shapes = cut([tuple(leaf.value.shape) for leaf in self.leaves])
        self.dtypes = [_probing_dtype(leaf.value.dtype) for leaf in self.leaves]
        self.way: Way | None = None

    def run(
        self,
        gradients: Arrays,
        params: Arrays | None,
        start: Arrays,
        rate: Any,
        counts: Mapping[int, int] | None = None,
    ) -> Reply:
        """Successive updates, as many as there are gradients.

        Args:
          gradients: the gradients of the steps, of shape (steps, size) each.
          params: the parameters that ``update`` is given, of the steps or the same for all; None
            for its own way, from ``start`` on by its updates.
          start: the parameters that ``init`` is given.
          rate: the learning rate, for a family of optimizers.
          counts: what integers of the state are set to beforehand, by their place.
        """
        asked = self.shaped(gradients), params and self.shaped(params), self.shaped(start)
        with precisely():
            if self.way is not None:
                return self._run(self.way, *asked, rate, counts or {})
            return self._first_run(*asked, rate, counts or {})

    def _first_run(self, *asked: Any) -> Reply:
        """Tries the ways of calling it, fastest first, and stays with the one that works."""
        errors = []
        for way in self._ways():
            try:
                found = self._run(way, *asked)
            except Exception as error:  # whatever an optimizer that we do not know may raise
                errors.append(error)
            else:
                self.way = way
                return found
        raise CallError(str(errors[-1]).split("\n")[0] or repr(errors[-1])) from errors[-1]

    def _ways(self) -> Iterator[Way]:
        yield _of_any_rate(self)
        yield _rate_by_rate(self, in_numpy)
        yield _rate_by_rate(self, _eagerly)

    def _run(
        self, way: Way, gradients: Any, params: Any, start: Any, rate: Any, counts: Any
    ) -> Reply:
        state, own = _with_counts(way.begin(rate, start), counts), start
        updates, counters = [], []
        for t in range(len(gradients[0])):
            given = own if params is None else _of_step(params, start, t)
            found, state = way.step(rate, state, [g[t] for g in gradients], given)
            if params is None:
                own = [w + u for w, u in zip(own, found, strict=True)]
            updates.append([np.reshape(u, -1) for u in found])
            counters.append([int(i) for i in jax.tree.leaves(state) if _is_counter(i)])
        alike = len(set(map(len, counters))) == 1
        columns = [np.stack(rows) for rows in zip(*updates, strict=True)]
        return Reply(columns, np.array(counters if alike else [[]] * len(counters)))

    def begin(self, optimizer: Any, start: Any) -> Any:
        return optimizer.init(self.tree(start))

    def step(self, optimizer: Any, state: Any, gradients: Any, params: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(
            self.tree(gradients, zeros=True), state, self.tree(params), **self.arguments
        )
        rows = zip(self.parameters_of(updates), params, strict=True)
        return [jnp.zeros_like(w) if u is None else u.astype(w.dtype) for u, w in rows], state

    def parameters_of(self, tree: Any) -> list[Any]:
        """What stands at the parameters in a tree like them."""
        flat = self.structure.flatten_up_to(tree)
        return [leaf for leaf, other in zip(flat, self.others, strict=True) if other is None]

    def tree(self, values: Sequence[Any], zeros: bool = False) -> Any:
        """Our values at the parameters, what was there at the other leaves."""
        ours = iter(values)
        others = (_zeros(other) if zeros else other for other in self.others)
        return jax.tree.unflatten(self.structure, [next(ours) if o is None else o for o in others])

    def shaped(self, arrays: Arrays) -> Arrays:
        """Flat arrays in the shapes and dtypes of the parameters."""
        rows = zip(arrays, self.shapes, self.dtypes, strict=True)
        return [a.reshape((*a.shape[:-1], *shape)).astype(dtype) for a, shape, dtype in rows]


def _probing_dtype(dtype: Any) -> Any:
    return np.complex128 if np.issubdtype(dtype, np.complexfloating) else np.float64


def _zeros(other: Any) -> Any:
    return jnp.zeros_like(other) if is_array(other) and is_numeric(other) else other


def synchronised(optimizer: Any) -> optax.GradientTransformationExtraArgs:
    """What a lookahead optimizer does to its fast parameters while the slow ones are the same."""

    def init(params: Any) -> Any:
        return optimizer.init(optax.LookaheadParams.init_synced(params))

    def update(updates: Any, state: Any, params: Any = None, **more: Any) -> Any:
        both = optax.LookaheadParams.init_synced(params)
        updates, state = optimizer.update(updates, state, both, **more)
        return updates.fast, state

    return optax.GradientTransformationExtraArgs(init, update)


def _of_step(params: Arrays, start: Arrays, t: int) -> Arrays:
    """The parameters of step ``t``, if there is one for each step, or the same for all."""
    rows = zip(params, start, strict=True)
    return [p[t] if np.ndim(p) > np.ndim(w) else p for p, w in rows]


def _is_counter(leaf: Any) -> bool:
    return (
        hasattr(leaf, "dtype")
        and np.ndim(leaf) == 0
        and not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)
        and jnp.issubdtype(leaf.dtype, jnp.integer)
    )


def _with_counts(state: Any, counts: Mapping[int, int]) -> Any:
    """``state`` with other counts at some of its integers."""
    if not counts:
        return state
    leaves, structure = jax.tree.flatten(state)
    positions = [i for i, leaf in enumerate(leaves) if _is_counter(leaf)]
    for counter, count in counts.items():
        dtype = leaves[positions[counter]].dtype
        leaves[positions[counter]] = np.asarray(min(count, np.iinfo(dtype).max), dtype)
    return jax.tree.unflatten(structure, leaves)


def _of_any_rate(asked: Optimizer) -> Way:
    """Traced once, the learning rate too."""

    def begin(rate: Any, start: Any) -> Any:
        return asked.begin(asked.make(rate), start)

    def step(rate: Any, *given: Any) -> Any:
        return asked.step(asked.make(rate), *given)

    return Way(in_numpy(begin), in_numpy(step))


def _rate_by_rate(asked: Optimizer, run: Callable[..., Any]) -> Way:
    """For what looks at its learning rate."""

    @functools.cache
    def made(rate: Any) -> tuple[Any, Any]:
        optimizer = asked.make(rate)
        return tuple(run(functools.partial(f, optimizer)) for f in (asked.begin, asked.step))

    return Way(
        lambda rate, *given: made(rate)[0](*given), lambda rate, *given: made(rate)[1](*given)
    )


def _eagerly(function: Callable[..., Any]) -> Callable[..., Any]:
    """For what looks at numbers, or keeps what is no array in its state."""

    def run(*args: Any) -> Any:
        return function(*jax.tree.map(_for_jax, args))

    return run


def _for_jax(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
