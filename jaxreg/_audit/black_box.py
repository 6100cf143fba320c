"""An optimizer as a black box: arrays of numpy in, updates out."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxreg import _tree

Arrays = list[np.ndarray]  # one a parameter, of shape (steps, size) or (size,)


@contextlib.contextmanager
def precisely() -> Iterator[None]:
    """In float64, and so on the CPU: there is none on a TPU."""
    device = jax.default_device(jax.local_devices(backend="cpu")[0])
    with device, jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


class CallError(Exception):
    """The optimizer raised an error, for these arguments, in every way of calling it."""


class Optimizer:
    """An optimizer, or a family of them by learning rate, that runs on arrays of numpy.

    Args:
      make: ``learning_rate -> optimizer``.
      params: what it updates; the values do not matter.
      steps: how many updates it is asked for.
      arguments: further arguments of ``update``.
      longest: the size to which longer dimensions of the parameters are cut.
    """

    def __init__(
        self,
        make: Callable[[Any], Any],
        params: Any,
        steps: int = 4,
        arguments: Any = None,
        longest: float = math.inf,
    ):
        leaves = _tree.leaves(params)
        self.make, self.steps, self.arguments = make, steps, dict(arguments or {})
        self.others = [None if leaf.is_parameter else leaf.value for leaf in leaves]
        self.leaves = [leaf for leaf in leaves if leaf.is_parameter]
        self.structure = jax.tree.structure(params)
        self.shapes = [tuple(min(n, longest) for n in leaf.value.shape) for leaf in self.leaves]
        self.dtypes = [_probing_dtype(leaf.value.dtype) for leaf in self.leaves]
        self.run: Any = None

    def updates(self, gradients: Arrays, params: Arrays, start: Arrays, rate: Any) -> Arrays:
        """The updates of successive steps, of shape (steps, size) each.

        Args:
          gradients: the gradients of the steps.
          params: the parameters that ``update`` is given at the steps; None for its own way, from
            ``start`` on by its updates.
          start: the parameters that ``init`` is given.
          rate: the learning rate, for a family of optimizers.
        """
        given = [self.shaped(self._every_step(arrays)) for arrays in (gradients, params)]
        return self._asked(*given, self.shaped(start), rate)[0]

    def own_way(self, gradients: Arrays, start: Arrays, rate: Any) -> Arrays:
        """The updates of successive steps that the parameters follow."""
        given = self.shaped(self._every_step(gradients))
        return self._asked(given, None, self.shaped(start), rate)[0]

    def counters(self, gradients: Arrays, params: Arrays, rate: Any) -> tuple[Any, list[Any]]:
        """The state after the steps, and its integers, one of shape (steps,) each."""
        given = [self.shaped(self._every_step(arrays)) for arrays in (gradients, params)]
        _, state, integers = self._asked(*given, self.shaped(params), rate)
        return state, integers

    def next_update(self, gradients: Arrays, params: Arrays, state: Any, rate: Any) -> Arrays:
        """The update after ``state``."""
        with precisely():
            found = self._next(state, self.shaped(gradients), self.shaped(params), rate)
        return [np.asarray(u).reshape(-1) for u in found]

    @functools.cached_property
    def _next(self) -> Any:
        def update(state: Any, gradients: Any, params: Any, rate: Any) -> Any:
            return self._step(self.make(rate), (state, None), (gradients, params))[1][0]

        return update if self.run == self._loop else _compiled(update)

    def _asked(self, *inputs: Any) -> tuple[Arrays, Any, list[Any]]:
        with precisely():
            return self._answer(*inputs) if self.run else self._first_answer(*inputs)

    def _answer(self, *inputs: Any) -> tuple[Arrays, Any, list[Any]]:
        state, (updates, integers) = self.run(*inputs)
        flat = [np.asarray(u).reshape(self.steps, -1) for u in updates]
        return flat, state, [np.asarray(i) for i in integers]

    def _first_answer(self, *inputs: Any) -> tuple[Arrays, Any, list[Any]]:
        """Tries the ways of calling it, fastest first, and stays with the one that works."""
        errors = []
        for run in (_compiled(self._scan), _compiled(self._loop), self._loop):
            self.run = run
            try:
                return self._answer(*inputs)
            except Exception as error:  # whatever an optimizer that we do not know may raise
                errors.append(error)
        self.run = None
        raise CallError(str(errors[-1]).split("\n")[0] or repr(errors[-1])) from errors[-1]

    def _scan(self, gradients: Any, params: Any, start: Any, rate: Any) -> Any:
        optimizer = self.make(rate)
        step = functools.partial(self._step, optimizer)
        (state, _), found = lax.scan(step, self._begin(optimizer, start), (gradients, params))
        return state, found

    def _loop(self, gradients: Any, params: Any, start: Any, rate: Any) -> Any:
        """For states whose dtypes or structure change from one step to the next."""
        optimizer = self.make(rate)
        carry, found = self._begin(optimizer, start), []
        for t in range(self.steps):
            given = jax.tree.map(lambda a, t=t: a[t], (gradients, params))
            carry, outputs = self._step(optimizer, carry, given)
            found.append(outputs)
        updates, integers = zip(*found, strict=True)
        counted = integers if len(set(map(len, integers))) == 1 else [[]]
        return carry[0], (_stacked(updates), _stacked(counted))

    def _begin(self, optimizer: Any, start: Any) -> Any:
        return optimizer.init(self.tree(start)), [jnp.asarray(w) for w in start]

    def _step(self, optimizer: Any, carry: Any, given: Any) -> tuple[Any, Any]:
        (state, own), (gradients, params) = carry, given
        params = own if params is None else params
        updates, state = optimizer.update(
            self.tree(gradients, zeros=True), state, self.tree(params), **self.arguments
        )
        rows = list(zip(self.parameters_of(updates), params, strict=True))
        ours = [jnp.zeros_like(w) if u is None else u.astype(w.dtype) for u, w in rows]
        own = own and [w + u for w, u in zip(own, ours, strict=True)]
        return (state, own), (ours, [i for i in jax.tree.leaves(state) if _is_counter(i)])

    def parameters_of(self, tree: Any) -> list[Any]:
        """What stands at the parameters in a tree like them."""
        flat = self.structure.flatten_up_to(tree)
        return [leaf for leaf, other in zip(flat, self.others, strict=True) if other is None]

    def tree(self, values: Sequence[Any], zeros: bool = False) -> Any:
        """Our values at the parameters, what was there at the other leaves."""
        ours = iter(values)
        others = (_zeros(other) if zeros else other for other in self.others)
        return jax.tree.unflatten(self.structure, [next(ours) if o is None else o for o in others])

    def _every_step(self, arrays: Arrays) -> Arrays:
        return [a if a.ndim == 2 else np.broadcast_to(a, (self.steps, a.size)) for a in arrays]

    def shaped(self, arrays: Arrays) -> Arrays:
        """Flat arrays in the shapes and dtypes of the parameters."""
        rows = zip(arrays, self.shapes, self.dtypes, strict=True)
        return [a.reshape((*a.shape[:-1], *shape)).astype(dtype) for a, shape, dtype in rows]


def _stacked(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [jnp.stack(column) for column in zip(*rows, strict=True)]


def _compiled(run: Callable[..., Any]) -> Any:
    """Compiled in a hurry: it runs a hundred times on small arrays.

    The learning rate is static, for what makes an optimizer may look at it.
    """
    hurry = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(run, static_argnums=3, compiler_options=hurry)


def _probing_dtype(dtype: Any) -> Any:
    return np.complex128 if np.issubdtype(dtype, np.complexfloating) else np.float64


def _zeros(other: Any) -> Any:
    is_array = hasattr(other, "dtype") and jnp.issubdtype(other.dtype, jnp.number)
    return jnp.zeros_like(other) if is_array else other


def _is_counter(leaf: Any) -> bool:
    return jnp.ndim(leaf) == 0 and jnp.issubdtype(jnp.result_type(leaf), jnp.integer)


def with_counter(state: Any, counter: int, count: int) -> Any:
    """``state`` with another number at its ``counter``-th integer."""
    leaves, structure = jax.tree.flatten(state)
    position = [i for i, leaf in enumerate(leaves) if _is_counter(leaf)][counter]
    leaves[position] = jnp.full_like(leaves[position], count)
    return jax.tree.unflatten(structure, leaves)
