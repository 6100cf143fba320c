"""One training as pure functions: state, step, epoch. Every experiment uses these.

An epoch is one compiled program: a loop over batches that are gathered on the device from images
kept as bytes, then the evaluation. The loop may end after any batch and go on from there, by the
same program. The short last batch is padded with images of weight 0, so the loop has one shape and
every image counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments.models.functions import Apply, Forward
from experiments.models.layers import Batch


class State(NamedTuple):
    """Everything that the next update needs: one pytree."""

    params: Any
    opt_state: Any
    key: Any  # uint32 [2]; `epoch` and it determine the next batches, `step` and it what drops out
    epoch: Any  # int32, epochs finished
    step: Any  # int32, updates made
    statistics: Any  # running, of the network; {} if it has none


class Progress(NamedTuple):
    """A training under way, between any two updates: one pytree, which checkpoints hold."""

    state: State
    losses: Any  # float [steps], of the batches of the epoch under way, as far as they are done


class Images(NamedTuple):
    """A split as the device holds it: images uint8 [n, height, width, channels], labels [n]."""

    images: Any
    labels: Any


class Order(NamedTuple):
    """The batches of one epoch: which images, and the weight of each in its batch's mean."""

    indices: Any  # int32 [steps, batch_size]
    weights: Any  # float [steps, batch_size], each row sums to 1


class Metrics(NamedTuple):
    """What an epoch reports. ``loss`` is the data loss alone, for every coupling."""

    loss: Any  # mean over batches of the mean cross-entropy
    test_loss: Any
    accuracy: Any  # of the test images, in [0, 1]


class Size(NamedTuple):
    """How large parameters are."""

    penalty: Any
    norm: Any  # ‖w‖₂ of all of them
    sparsity: Any  # the share of them that is exactly zero


def pixels(images: jax.Array, dtype: Any) -> jax.Array:
    """Bytes as numbers in [0, 1]."""
    return images.astype(dtype) / 255


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """−log softmax(logits)[label] for each row, in at least float32."""
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return optax.softmax_cross_entropy_with_integer_labels(wide, labels)


def data_loss(
    forward: Forward, dtype: Any, of_each: Callable[..., jax.Array] = cross_entropy
) -> Loss:
    """loss(params, statistics, images, labels, batch) → (mean loss, statistics after the batch).

    The mean is Σ weights · loss of each image, ``of_each(logits, labels)``.
    """

    def loss(
        params: Any, statistics: Any, images: Any, labels: Any, batch: Batch
    ) -> tuple[jax.Array, Any]:
        logits, statistics = forward(params, statistics, pixels(images, dtype), batch)
        losses = of_each(logits, labels)
        return jnp.sum(batch.weights.astype(losses.dtype) * losses), statistics

    return loss


Loss = Callable[[Any, Any, Any, Any, Batch], tuple[jax.Array, Any]]
Step = Callable[[State, Any, Any, Any], tuple[State, jax.Array]]


def make_step(
    loss: Loss,
    tx: optax.GradientTransformation,
    in_loss: jaxreg.Penalty | None = None,
    axis: str | None = None,
) -> Step:
    """step(state, images, labels, weights) → (state, data loss of the batch before the update).

    Args:
      loss: the mean data loss, as of `data_loss`.
      tx: any optax optimizer; it is given the parameters.
      in_loss: the penalty that is added to the loss, if any.
      axis: the mapped axis of devices, as of ``pmap``, where each has a part of the batch: losses,
        gradients and statistics are then the mean over them.
    """
    gradient = _gradient(loss, in_loss)

    def step(state: State, images: Any, labels: Any, weights: Any) -> tuple[State, jax.Array]:
        batch = Batch(weights, state.key, state.step, axis)
        (data, statistics), grads = gradient(state.params, state.statistics, images, labels, batch)
        if axis is not None:
            data, grads = jax.lax.pmean((data, grads), axis)
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        changed = {"params": params, "opt_state": opt_state, "statistics": statistics}
        return state._replace(step=state.step + 1, **changed), data

    return step


def _gradient(
    loss: Loss, in_loss: jaxreg.Penalty | None
) -> Callable[..., tuple[tuple[jax.Array, Any], Any]]:
    """The data loss with the statistics, and the gradient of what is minimised."""
    if in_loss is None:
        return jax.value_and_grad(loss, has_aux=True)
    objective = jax.grad(jaxreg.regularized(loss, in_loss, has_aux=True), has_aux=True)

    def gradient(params: Any, *batch: Any) -> tuple[tuple[jax.Array, Any], Any]:
        grads, parts = objective(params, *batch)
        return (parts.data, parts.aux), grads

    return gradient


def scan_batches(
    step: Step,
) -> Callable[[State, Order, Images], tuple[State, jax.Array]]:
    """run(state, order, train) → (state, data loss of every batch): ``step`` over the order."""

    def run(state: State, order: Order, train: Images) -> tuple[State, jax.Array]:
        def body(state: State, batch: Order) -> tuple[State, jax.Array]:
            images, labels = train.images[batch.indices], train.labels[batch.indices]
            return step(state, images, labels, batch.weights)

        return jax.lax.scan(body, state, order)

    return run


def make_evaluate(
    apply: Apply, dtype: Any, at_once: int | None = None
) -> Callable[[Any, Images], tuple[Any, Any]]:
    """evaluate(params, test) → (mean cross-entropy, accuracy) of the test images.

    ``at_once`` is how many images the network is given at a time; None gives it all.
    """

    def evaluate(params: Any, test: Images) -> tuple[Any, Any]:
        logits = in_pieces(
            lambda images: apply(params, pixels(images, dtype)), test.images, at_once
        )
        correct = jnp.argmax(logits, -1) == test.labels
        return jnp.mean(cross_entropy(logits, test.labels)), jnp.mean(correct)

    return evaluate


def in_pieces(
    function: Callable[[jax.Array], jax.Array], images: jax.Array, at_once: int | None
) -> jax.Array:
    """``function(images)``, computed for at most so many images at a time."""
    count = 1 if at_once is None else -(-len(images) // at_once)
    if count == 1:
        return function(images)
    padded = jnp.pad(images, ((0, -len(images) % count), *[(0, 0)] * (images.ndim - 1)))
    found = jax.lax.map(function, padded.reshape(count, -1, *images.shape[1:]))
    return found.reshape(-1, *found.shape[2:])[: len(images)]


def make_epoch(
    step: Step, evaluate: Callable[[State, Images], tuple[Any, Any]], block: int = 1
) -> Callable[[Progress, Any, Order, Images, Images], tuple[Progress, Metrics]]:
    """epoch(progress, until, order, train, test) → (progress, metrics), of an epoch or a part.

    Batches are trained from where ``progress`` is, until so many of the epoch are done. After the
    last follows ``evaluate``; before it, the metrics are NaN. ``until`` is traced: every part is
    the same program.

    Args:
      step: as of `make_step`.
      evaluate: (mean cross-entropy, accuracy) of test images, of a state.
      block: batches between two looks at whether to end. It divides both ends of every part.
    """
    run = scan_batches(step)

    def epoch(
        progress: Progress, until: Any, order: Order, train: Images, test: Images
    ) -> tuple[Progress, Metrics]:
        steps = len(order.indices)

        def several(place: Any, progress: Progress) -> Progress:
            first = place * block
            cut = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, block), order)
            state, found = run(progress.state, cut, train)
            losses = jax.lax.dynamic_update_slice_in_dim(progress.losses, found, first, 0)
            return Progress(state, losses)

        done = progress.state.step - progress.state.epoch * steps
        progress = jax.lax.fori_loop(done // block, until // block, several, progress)
        ended = until == steps
        metrics = jax.lax.cond(ended, measured, unknown, progress, test)
        state = progress.state._replace(epoch=progress.state.epoch + ended.astype(np.int32))
        return progress._replace(state=state), metrics

    def measured(progress: Progress, test: Images) -> Metrics:
        return Metrics(jnp.mean(progress.losses), *evaluate(progress.state, test))

    def unknown(progress: Progress, test: Images) -> Metrics:
        shapes = jax.eval_shape(measured, progress, test)
        return jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)

    return epoch


def size(penalty: jaxreg.Penalty, params: Any) -> Size:
    """The penalty, the norm and the sparsity of parameters."""
    leaves = jax.tree.leaves(params)
    zeros = jnp.stack([jnp.sum(w == 0) for w in leaves])
    sparsity = jnp.sum(zeros) / sum(w.size for w in leaves)
    return Size(penalty(params), optax.tree.norm(params), sparsity)


def initial_state(
    params: Any, tx: optax.GradientTransformation, key: Any, statistics: Any
) -> State:
    """The state before the first step; ``key`` as of `key_of`."""
    return State(params, tx.init(params), key, np.int32(0), np.int32(0), statistics)


def progress_of(state: State, steps: int, dtype: Any) -> Progress:
    """The progress of a training that is at the start of an epoch of so many batches."""
    return Progress(state, np.zeros(steps, dtype))


def key_of(seed: int) -> np.ndarray:
    """What the orders and the masks of a training are drawn by: the seed in two words."""
    return np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches in an epoch, the short last one included."""
    return -(-examples // batch_size)


def epoch_order(key: Any, epoch: int, examples: int, batch_size: int, dtype: Any) -> Order:
    """The batches of an epoch: a permutation of all examples, shuffled on the host.

    It depends on the key and the epoch alone, so every training of one seed sees the same batches,
    and one that is resumed sees those it would have seen.
    """
    shuffled = np.random.default_rng([*map(int, key), epoch]).permutation(examples)
    return batches(shuffled, batch_size, dtype)


def batches(indices: Any, batch_size: int, dtype: Any) -> Order:
    """``indices`` cut into batches; the last is filled up with index 0 at weight 0."""
    examples = len(indices)
    steps = steps_per_epoch(examples, batch_size)
    padding = steps * batch_size - examples
    padded = np.pad(np.asarray(indices, np.int32), (0, padding)).reshape(steps, batch_size)
    counts = np.pad(np.ones(examples), (0, padding)).reshape(steps, batch_size)
    return Order(padded, (counts / counts.sum(1, keepdims=True)).astype(dtype))
