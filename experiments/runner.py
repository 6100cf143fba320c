"""Runs a training on a device: compiles the epoch once, feeds it, hands out what each one gives."""

from __future__ import annotations

import contextlib
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

from experiments import devices, models, training
from experiments.config import Config, ConfigError
from experiments.data import Dataset
from experiments.forms import FORMS

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
    placement: devices.OneDevice = dataclasses.field(default_factory=devices.OneDevice)


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
      ConfigError: if JAX finds no such device, or fewer than ``--devices``.
    """
    devices.reserve(config)
    if config.platform != "auto":
        jax.config.update("jax_platforms", config.platform)
    jax.config.update("jax_enable_x64", config.dtype == "float64")
    expect_no_tpu()
    if config.compilation_cache:
        _use_cache(cache_folder())
    try:
        return devices.chosen(config)[0]
    except RuntimeError as error:
        raise ConfigError(_no_device(config.platform, str(error).splitlines()[0])) from None


NEEDED = {
    "gpu": ("an NVIDIA GPU", 'on a machine with one and its driver pip install ".[cuda]"'),
    "tpu": ("a TPU", 'on a Cloud TPU VM pip install ".[tpu]"'),
}
"""What a platform is, and how JAX comes to find it."""


def _no_device(platform: str, reason: str) -> str:
    device, advice = NEEDED.get(platform, ("a device", "unset JAX_PLATFORMS"))
    reason = reason.partition(" (set JAX_PLATFORMS")[0].rstrip(".")
    of_another = "known backends" in reason and platform in NEEDED
    why = "" if of_another else f" ({reason})"
    return (
        f"--platform {platform}: expected {device}, but JAX finds none{why}; {advice}, or use "
        f"--platform cpu"
    )


def expect_no_tpu() -> None:
    """Where JAX has seen none, keeps an installed libtpu from searching for one and complaining."""
    if os.environ.get("TPU_SKIP_MDS_QUERY") == "1":
        os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
        os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")


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
        with matmul_precision(config):  # products of the gradient inherit theirs from these
            return model.apply({"params": params}, images)  # pyright: ignore[reportReturnType]

    return apply


def matmul_precision(config: Config) -> contextlib.AbstractContextManager[Any]:
    """Sets ``--matmul-precision`` for what is traced inside; its default leaves JAX's own."""
    if config.matmul_precision == "default":
        return contextlib.nullcontext()
    return jax.default_matmul_precision(config.matmul_precision)


def make_step(
    config: Config,
    dataset: Dataset,
    tx: optax.GradientTransformation,
    average: training.Average | None = None,
) -> training.Step:
    """The train step of a configuration, with the penalty in the loss if that is its coupling."""
    loss = training.data_loss(make_apply(config, dataset), jnp.dtype(config.dtype))
    in_loss = training.penalty(config) if FORMS[config.coupling].in_loss else None
    return training.make_step(loss, tx, in_loss, average)


def make_epoch(
    config: Config,
    dataset: Dataset,
    tx: optax.GradientTransformation,
    average: training.Average | None = None,
) -> Any:
    """epoch(state, order, train, test) → (state, metrics) of a configuration."""
    step, apply = make_step(config, dataset, tx, average), make_apply(config, dataset)
    return training.make_epoch(step, training.make_evaluate(apply, jnp.dtype(config.dtype)))


def build(config: Config, dataset: Dataset) -> Program:
    """Compiles the epoch and puts the data on the devices."""
    placement = devices.placement(config)
    examples = len(dataset.train.labels)
    steps = training.steps_per_epoch(examples, config.batch_size)
    tx = training.optimizer(config, steps * config.epochs)

    initial = initializer(config, dataset)

    def start(seed: int) -> training.State:
        return training.initial_state(initial(seed), tx, seed)

    train, test = (
        placement.data(training.Images(*split)) for split in (dataset.train, dataset.test)
    )
    state = start(config.seed)
    order = training.epoch_order(state.key, 0, examples, config.batch_size, weight_dtype(config))
    arguments = placement.like(state), placement.order(order), train, test
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:  # XLA compiles on both cores if asked twice
        size = functools.partial(training.size, training.penalty(config))
        sizing = pool.submit(compiled, jax.jit(size).lower(state.params))
        epoch = placement.jit(make_epoch(config, dataset, tx, placement.average))
        epoch = compiled(epoch.lower(*arguments), placement.options)
    seconds = time.perf_counter() - started
    return Program(config, epoch, sizing.result(), start, train, test, seconds, placement)


def weight_dtype(config: Config) -> Any:
    """The dtype of the weights of examples: that of the parameters."""
    return jnp.promote_types(jnp.dtype(config.dtype), jnp.float32)


def compiled(lowered: Any, options: bool = True) -> Any:
    """A lowered function, compiled with the options that suit this program, if they are safe."""
    if jax.default_backend() != "cpu" or not options:
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
    config, placement = program.config, program.placement
    start = program.start(config.seed if seed is None else seed)
    state = placement.start(start)
    key, examples = start.key, program.train.labels.shape[-1]

    def order(epoch: int) -> training.Order:
        drawn = training.epoch_order(key, epoch, examples, config.batch_size, weight_dtype(config))
        return placement.order(drawn)

    upcoming = order(0)
    for number in range(1, config.epochs + 1):
        started = time.perf_counter()
        state, metrics = program.epoch(state, upcoming, program.train, program.test)
        upcoming = order(number) if number < config.epochs else upcoming
        found = jax.device_get((metrics, program.size(placement.local(state.params))))
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


def facts(device: Any, dataset: Dataset, count: int = 1) -> dict[str, Any]:
    """Where and on what a run was made, for its records; ``count`` devices like ``device``."""
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "devices": count,
        "processes": jax.process_count(),
        "data": dataset.name,
        "train_examples": len(dataset.train.labels),
        "test_examples": len(dataset.test.labels),
    }
