"""Isotonic regression of traced arrays, which no maintained library of JAX has."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


@jax.custom_jvp
def decreasing(y: jax.Array) -> jax.Array:
    """argmin_x ½‖x − y‖² with x₁ ≥ x₂ ≥ …: the means of blocks of ``y``.

    By pooling adjacent violators: exact, in O(n) time and memory, and one after another, which on
    accelerators takes long for long arrays. (To pool all at once takes up to n rounds.) The
    derivative averages over the same blocks; where two of them are about to be pooled, it is one of
    several.

    References: Best & Chakravarti 1990, *Active set algorithms for isotonic regression*.
    """
    return _means(y, _blocks(y))


@decreasing.defjvp
def _decreasing_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    blocks = _blocks(*primals)
    return _means(*primals, blocks), _means(*tangents, blocks)


def _means(y: jax.Array, blocks: jax.Array) -> jax.Array:
    """For every number, the mean of its block."""

    def sums(x: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(x, blocks, len(x), indices_are_sorted=True)

    return sums(y)[blocks] / sums(jnp.ones(y.shape, y.dtype))[blocks]


class _Stack(NamedTuple):
    """Blocks of the first numbers, none above the one before it but perhaps the last."""

    sums: jax.Array
    sizes: jax.Array
    last: jax.Array
    taken: jax.Array  # numbers

    def turn(self, y: jax.Array) -> _Stack:
        """Merges the last two blocks if they violate the order, or else takes a number."""
        before, last = jnp.maximum(self.last - 1, 0), self.last
        means = self.sums[before] / self.sizes[before], self.sums[last] / self.sizes[last]
        merges = (last > 0) & (means[0] < means[1])
        takes = ~merges & (self.taken < len(y))
        at = jnp.where(merges, before, jnp.where(takes, last + 1, last))
        beside = jnp.where(merges, self.sums[before], 0), jnp.where(merges, self.sizes[before], 0)
        sums = jnp.where(takes, y[self.taken], self.sums[last] + beside[0])
        sizes = jnp.where(takes, 1, self.sizes[last] + beside[1])
        return _Stack(
            self.sums.at[at].set(sums), self.sizes.at[at].set(sizes), at, self.taken + takes
        )


def _blocks(y: jax.Array) -> jax.Array:
    """For every number, of which block it is.

    A fixed number of turns: each takes a number or merges two blocks, and there are n of either at
    most. Under `jax.vmap` a loop with an end of its own would copy the arrays in every turn.
    """
    ones = jnp.where(y == y, 1, 1).astype(y.dtype)  # inside shard_map they vary as the data do
    one = ones[0].astype(jnp.int32)
    stack = _Stack(y, ones, one - 1, one)
    stack = jax.lax.fori_loop(0, 2 * len(y), lambda _, stack: stack.turn(y), stack)
    is_block = jnp.arange(len(y)) <= stack.last
    ends = jnp.cumsum(jnp.where(is_block, stack.sizes, 0).astype(jnp.int32))
    return jnp.searchsorted(ends, jnp.arange(len(y)), side="right")
