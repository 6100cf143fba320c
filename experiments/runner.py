"""Runs a training on a device: compiles the epoch once, feeds it, hands out what each one gives."""

from __future__ import annotations

import dataclasses
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import models, training
from experiments.config import Config, ConfigError
from experiments.data import Dataset

CPU_OPTIONS: dict[str, str | bool] = {
    # a fusion that makes this network's small matrix products a quarter slower
    "xla_cpu_experimental_ynn_fusion_type": "",
    # the newer code generator, which takes twice as long to compile for the same speed here
    "xla_cpu_use_fusion_emitters": False,
}
"""What makes this program fast on CPU; an XLA that does not know an option compiles without."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A training ready to start: the compiled epoch and what it is fed."""

    config: Config
    epoch: Any
    size: Any
    start: Callable[[int], training.State]  # the state before the first step, by seed
    train: training.Images
    test: training.Images
    compile_seconds: float


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One finished epoch: its metrics on the host, the state after it, how long it took."""

    number: int
    metrics: dict[str, float]
    state: training.State
    seconds: float


def choose_device(config: Config) -> Any:
    """Applies ``--platform``, ``--dtype`` and the compilation cache to JAX; returns the device.

    Raises:
      ConfigError: if JAX finds no such device.
    """
    if config.platform != "auto":
        jax.config.update("jax_platforms", config.platform)
    jax.config.update("jax_enable_x64", config.dtype == "float64")
    if config.compilation_cache:
        _use_cache(cache_folder())
    try:
        return jax.devices()[0]
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"--platform {config.platform}: expected such a device, but JAX finds none "
            f"({reason}); install jaxreg[cuda] or jaxreg[tpu] there, or use --platform cpu"
        ) from None


def cache_folder() -> Path:
    """Where compiled programs are kept: $JAXREG_CACHE_DIR, or jaxreg in the user's cache."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("JAXREG_CACHE_DIR") or user / "jaxreg")


def _use_cache(folder: Path) -> None:
    """Keeps every program: below JAX's own threshold of one second lie all of ours."""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def network(config: Config, dataset: Dataset) -> models.SimpleNet:
    """The network of a configuration."""
    return models.SimpleNet(config.hidden, dataset.classes, jnp.dtype(config.dtype))


def initializer(config: Config, dataset: Dataset) -> Callable[[int], Any]:
    """The parameters that training starts from, by seed."""
    model, example = network(config, dataset), dataset.train.images[:1].astype(np.float32)
    if config.initializer == "torch":
        return models.torch_parameters(model, example)
    init = jax.jit(model.init)
    return lambda seed: init(jax.random.key(seed), example)["params"]


def make_apply(config: Config, dataset: Dataset) -> training.Apply:
    """apply(params, images) → logits, for images with values in [0, 1]."""
    model = network(config, dataset)

    def apply(params: Any, images: jax.Array) -> jax.Array:
        return model.apply({"params": params}, images)  # pyright: ignore[reportReturnType]

    return apply


def make_step(config: Config, dataset: Dataset, tx: optax.GradientTransformation) -> training.Step:
    """The train step of a configuration, with the penalty in the loss if that is its coupling."""
    loss = training.data_loss(make_apply(config, dataset), jnp.dtype(config.dtype))
    in_loss = training.penalty(config) if config.coupling == "loss" else None
    return training.make_step(loss, tx, in_loss)


def make_epoch(config: Config, dataset: Dataset, tx: optax.GradientTransformation) -> Any:
    """epoch(state, order, train, test) → (state, metrics) of a configuration."""
    step, apply = make_step(config, dataset, tx), make_apply(config, dataset)
    return training.make_epoch(step, training.make_evaluate(apply, jnp.dtype(config.dtype)))


def build(config: Config, dataset: Dataset) -> Program:
    """Compiles the epoch and puts the data on the device."""
    examples = len(dataset.train.labels)
    steps = training.steps_per_epoch(examples, config.batch_size)
    tx = training.optimizer(config, steps * config.epochs)

    initial = initializer(config, dataset)

    def start(seed: int) -> training.State:
        return training.initial_state(initial(seed), tx, seed)

    train, test = (
        training.Images(*(jax.device_put(a) for a in split))
        for split in (dataset.train, dataset.test)
    )
    state = start(config.seed)
    order = training.epoch_order(state.key, 0, examples, config.batch_size, weight_dtype(config))
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:  # XLA compiles on both cores if asked twice
        size = functools.partial(training.size, training.penalty(config))
        sizing = pool.submit(compiled, jax.jit(size).lower(state.params))
        epoch = jax.jit(make_epoch(config, dataset, tx), donate_argnums=0)
        epoch = compiled(epoch.lower(state, order, train, test))
    seconds = time.perf_counter() - started
    return Program(config, epoch, sizing.result(), start, train, test, seconds)


def weight_dtype(config: Config) -> Any:
    """The dtype of the weights of examples: that of the parameters."""
    return jnp.promote_types(jnp.dtype(config.dtype), jnp.float32)


def compiled(lowered: Any) -> Any:
    """A lowered function, compiled with the options that suit this program."""
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=CPU_OPTIONS)
    except jax.errors.JaxRuntimeError:  # a release of XLA that does not know the option
        return lowered.compile()


def train(program: Program, seed: int | None = None) -> Iterator[Epoch]:
    """Runs the epochs of a program, one at a time; the next order is drawn meanwhile.

    Args:
      program: as `build` returns it.
      seed: of the initial weights and the batches, instead of the configuration's.

    Yields:
      Each epoch when it is finished. Its state is donated to the next one.
    """
    config = program.config
    start = program.start(config.seed if seed is None else seed)
    state = jax.device_put(start, may_alias=False)  # or the donation would be of host memory
    key, examples = start.key, program.train.labels.shape[0]

    def order(epoch: int) -> training.Order:
        return training.epoch_order(key, epoch, examples, config.batch_size, weight_dtype(config))

    upcoming = order(0)
    for number in range(1, config.epochs + 1):
        started = time.perf_counter()
        state, metrics = program.epoch(state, upcoming, program.train, program.test)
        upcoming = order(number) if number < config.epochs else upcoming
        found = jax.device_get((metrics, program.size(state.params)))
        values = {name: float(v) for part in found for name, v in part._asdict().items()}
        yield Epoch(number, values, state, time.perf_counter() - started)


def evaluation_seconds(program: Program, dataset: Dataset, repeats: int = 5) -> float:
    """What the evaluation alone takes, which an epoch contains: the median of some calls."""
    config = program.config
    apply, dtype = make_apply(config, dataset), jnp.dtype(config.dtype)
    params = jax.device_put(program.start(config.seed).params)
    evaluate = jax.jit(training.make_evaluate(apply, dtype))
    evaluate = compiled(evaluate.lower(params, program.test))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(evaluate(params, program.test))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def facts(device: Any, dataset: Dataset) -> dict[str, Any]:
    """Where and on what a run was made, for its records."""
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "devices": jax.device_count(),
        "data": dataset.name,
        "train_examples": len(dataset.train.labels),
        "test_examples": len(dataset.test.labels),
    }
