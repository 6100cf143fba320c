"""The settings of one training, declared once: options and `config.json` come from here.

`TrainingConfig` says what is trained, `MachineConfig` on what; `Config` is both, as the main job
takes them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from typing_extensions import Doc

from experiments.errors import ConfigError
from experiments.forms import FORMS, taking_rate
from experiments.models.fit import check_batches, check_parts
from experiments.models.table import MODELS, TRAINED, Name, Norm

Optimizer = Literal["sgd", "momentum", "adam"]
Precision = Literal["default", "bfloat16", "high", "tensorfloat32", "highest", "float32"]

DEFAULT_STRENGTH = 5e-5
MOST = 2**31 - 1
"""What JAX counts with: the largest int32."""


def _about_forms() -> str:
    options = (f"{form.name}: {form.option}." for form in FORMS.values())
    return f"Where λ acts. {' '.join(options)}"


def _about_rates() -> str:
    forms = taking_rate()
    names = " and ".join(form.name for form in forms)
    numbers = " and ".join(form.rate.symbol for form in forms if form.rate)
    return (
        f"ω of {names}, instead of {numbers}. With those {'two ' * (len(forms) == 2)}numbers the "
        f"forms are the same program; keep ω and change the learning rate, and they part."
    )


def _about_models() -> str:
    return f"The network. {' '.join(f'{row.name}: {row.option}.' for row in TRAINED.values())}"


def _about_widths() -> str:
    return f"Width {' '.join(f'{row.hidden} ({row.name});' for row in TRAINED.values())[:-1]}."


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """What is trained: the same numbers come out wherever it runs."""

    strength: float = DEFAULT_STRENGTH
    """λ in loss = cross-entropy + λ·Σ‖w‖². PyTorch's weight_decay equals 2λ."""

    weight_decay: float | None = None
    """PyTorch's number, instead of --strength: λ = weight_decay / 2."""

    penalty: Literal["l2", "l1", "elastic_net"] = "l2"
    """l2: λ·Σ|w|². l1: λ₁·Σ|w|. elastic_net: λ₁·Σ|w| + λ·Σ|w|²."""

    l1_strength: float | None = None
    """λ₁ of l1 and elastic_net; if not given, the number of --strength."""

    coupling: Annotated[Literal[*FORMS], Doc(_about_forms())] = "loss"  # pyright: ignore[reportInvalidTypeForm]

    rate: Annotated[float | None, Doc(_about_rates())] = None

    optimizer: Optimizer = "sgd"
    """sgd, momentum (0.9) or adam (0.9, 0.999)."""

    learning_rate: float = 0.01
    """α, the base learning rate."""

    schedule: Literal["constant", "cosine"] = "constant"
    """The multiplier s_t of the learning rate: 1, or from 1 to 0 by a half cosine."""

    where: Literal["all", "weights"] = "all"
    """Which parameters are penalized: all of them, or the weights without the biases."""

    batch_size: int = 64
    """Images in a step. The last batch of an epoch may be shorter."""

    epochs: int = 5
    """Passes over the training images."""

    model: Annotated[Name, Doc(_about_models())] = "mlp"

    norm: Norm | None = None
    """What is normalised inside the network: none of it, each feature over the batch, or each
    image over the features of a layer. If not given: layer for transformer, none for the others."""

    dropout: float = 0.0
    """Share of units that are zero in a step of the training."""

    hidden: Annotated[int, Doc(_about_widths())] = 128

    initializer: Literal["torch", "flax"] = "torch"
    """torch: uniform ±1/√fan_in, biases too. flax: LeCun normal, biases 0. Scales of norms are 1,
    their biases 0, positions of patches normal."""

    seed: int = 0
    """Of the initial weights and the order of the batches."""

    data: str = "mnist"
    """mnist (shipped), digits (8×8, of scikit-learn), idx:DIR (four idx files) or tfds:NAME
    (TensorFlow Datasets)."""

    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    """Of the arithmetic. bfloat16 keeps parameters, penalty, decay and optimizer in float32."""

    matmul_precision: Precision = "default"
    """Of float32 matrix products, jax.default_matmul_precision. TPU multiplies in bfloat16 by
    default, in 3 passes with high, 6 with highest; a GPU may use tensorfloat32, a CPU never."""


@dataclasses.dataclass(frozen=True)
class MachineConfig:
    """What it runs on, and where its files go."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The device to run on; auto takes what JAX finds."""

    devices: int | None = None
    """Devices that each batch is split over; 1 if not given. CPU makes as many as are asked for.
    With several processes: devices of each of them, all that it has if not given."""

    parallel: Literal["jit", "pmap"] = "jit"
    """How a batch is split: jit with sharded arrays, or pmap. Both give the same numbers."""

    distributed: Literal["off", "auto"] = "off"
    """auto: one process for each host of a Cloud TPU slice or a cluster that JAX knows; start the
    same command on every host."""

    coordinator: str | None = None
    """HOST:PORT of process 0, for several processes elsewhere: the same on all of them."""

    processes: int | None = None
    """Processes that --coordinator connects."""

    process: int | None = None
    """Which of them this one is, from 0. Process 0 prints, and writes the records; if one is
    lost, the others end within 15 seconds, with exit status 75."""

    connect_timeout: int = 60
    """Seconds to wait for the other processes at the start."""

    output: Path | None = None
    """Folder of this run; runs/mnist/TIME if not given."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""

    @property
    def connected(self) -> bool:
        """Whether this is one of several processes."""
        return self.distributed != "off" or self.coordinator is not None


@dataclasses.dataclass(frozen=True)
class Config(MachineConfig, TrainingConfig):
    """Trains 784-128-10 on MNIST with the penalty λ‖w‖² added explicitly to the loss.

    The objective is mean cross-entropy + λ·Σ‖w‖²: no ½, a sum over the parameters. Its gradient
    is 2λw, so PyTorch's weight_decay=d is λ = d/2.
    """

    contrast: bool = False
    """Train every coupling of this setting from the same start on the same batches, for one epoch
    in float64, and print how far apart they end."""

    checkpoint_every: int | None = None
    """Updates after which all that the training takes to go on is saved in FOLDER/checkpoints, each
    time and at the end. Without it, only where Ctrl-C or SIGTERM stops the training. Several
    processes need a folder that all of them see."""

    keep: int = 3
    """Checkpoints that stay: the newest."""

    resume: Path | None = None
    """Folder of a run that was stopped, which goes on from its newest checkpoint, to the bit where
    it would have come. Its settings hold; what it runs on may be given anew."""


T = TypeVar("T", bound=TrainingConfig)


def resolved(config: Config) -> Config:
    """The same settings with every number in its place, once they are known to make sense.

    Raises:
      ConfigError: if a number is out of range, or two settings contradict each other.
    """
    config = resolved_training(config)
    _check_saving(config)
    _check_devices(config)
    _check_processes(config)
    return dataclasses.replace(config, dtype="float64" if config.contrast else config.dtype)


def resolved_training(config: T) -> T:
    """Likewise, of what is trained.

    Raises:
      ConfigError: likewise.
    """
    _check_numbers(config)
    _check_penalty(config)
    check_parts(config.model, config.norm, config.dropout)
    check_batches(config.model, config.norm, None, config.batch_size)
    strength = config.strength if config.weight_decay is None else config.weight_decay / 2
    l1_strength = config.l1_strength if config.l1_strength is not None else strength
    return dataclasses.replace(
        config,
        norm=config.norm or MODELS[config.model].norms[0],
        strength=0.0 if config.penalty == "l1" else strength,
        weight_decay=None,
        l1_strength=0.0 if config.penalty == "l2" else l1_strength,
    )


def _check_numbers(config: TrainingConfig) -> None:
    for name in ("strength", "weight_decay", "l1_strength", "rate"):
        value = getattr(config, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"--{option(name)}: expected a finite number ≥ 0, got {value}")
    if not (math.isfinite(config.learning_rate) and config.learning_rate > 0):
        raise ConfigError(
            f"--learning-rate: expected a finite number > 0, got {config.learning_rate}"
        )
    for name in ("batch_size", "epochs", "hidden"):
        check_count(name, getattr(config, name))
    if not 0 <= config.seed < 2**64:
        raise ConfigError(f"--seed: expected an integer from 0 to 2⁶⁴ − 1, got {config.seed}")


def _check_penalty(config: TrainingConfig) -> None:
    if config.weight_decay is not None and config.strength != DEFAULT_STRENGTH:
        raise ConfigError(
            f"--weight-decay: expected it instead of --strength, got both; --strength "
            f"{config.strength:g} alone is PyTorch's weight_decay={2 * config.strength:g}"
        )
    if config.penalty == "l2" and config.l1_strength:
        raise ConfigError(
            "--l1-strength: expected with --penalty l1 or elastic_net, got --penalty l2; "
            "add --penalty elastic_net"
        )
    if config.penalty == "l1" and config.weight_decay is not None:
        raise ConfigError(
            "--weight-decay: expected with --penalty l2 or elastic_net, got --penalty l1; "
            "the strength of l1 is --l1-strength"
        )
    form = FORMS[config.coupling]
    if config.rate is not None and form.rate is None:
        raise ConfigError(
            f"--rate: expected with --coupling {' or '.join(f.name for f in taking_rate())}, got "
            f"{form.name}; the strength of {form.name} is --strength"
        )
    if config.penalty not in form.penalties:
        raise ConfigError(
            f"--coupling {form.name}: expected --penalty {' or '.join(form.penalties)}, got "
            f"{config.penalty}; the decoupled form that gives exact zeros is --coupling proximal"
        )


def _check_saving(config: Config) -> None:
    for name in ("checkpoint_every", "keep"):
        if (value := getattr(config, name)) is not None:
            check_count(name, value)
    if config.contrast and config.checkpoint_every is not None:
        raise ConfigError(
            "--checkpoint-every: expected a training, got --contrast, which compares short ones; "
            "leave out one of them"
        )
    if config.resume is not None and config.output is not None:
        raise ConfigError(
            f"--output: expected it without --resume, which goes on in its own folder, got "
            f"{config.output}; leave out one of them"
        )


def _check_devices(config: Config) -> None:
    for name in ("devices", "connect_timeout"):
        if (value := getattr(config, name)) is not None:
            check_count(name, value)
    if config.contrast and (config.devices not in (None, 1) or config.connected):
        raise ConfigError(
            "--contrast: expected one device, got several; it compares in float64 what rounds "
            "alike, so leave out --devices, --coordinator and --distributed"
        )
    if config.parallel == "pmap" and config.connected:
        raise ConfigError(
            "--parallel pmap: expected one process, got several; those are connected by "
            "--parallel jit"
        )


def _check_processes(config: MachineConfig) -> None:
    if config.distributed == "auto" and config.coordinator is not None:
        raise ConfigError(
            "--distributed auto: expected it alone, since it finds the coordinator, got "
            f"--coordinator {config.coordinator} too; leave out one of them"
        )
    if config.coordinator is None:
        given = [name for name in ("processes", "process") if getattr(config, name) is not None]
        if given:
            raise ConfigError(
                f"--coordinator: expected HOST:PORT of process 0 beside --{given[0]}, got none; "
                f"add --coordinator, or leave out --processes and --process"
            )
        return
    _check_address(config.coordinator)
    if config.processes is None or config.process is None:
        missing = "processes" if config.processes is None else "process"
        raise ConfigError(
            f"--{missing}: expected a number beside --coordinator, got none; "
            f"write --coordinator HOST:PORT --processes N --process I"
        )
    if config.processes < 1:
        raise ConfigError(f"--processes: expected at least 1, got {config.processes}")
    if not 0 <= config.process < config.processes:
        raise ConfigError(
            f"--process: expected 0 to {config.processes - 1} with --processes "
            f"{config.processes}, got {config.process}; processes are counted from 0"
        )


def _check_address(coordinator: str) -> None:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(
            f"--coordinator: expected HOST:PORT of process 0, got {coordinator!r}; "
            f"for processes on one machine write 127.0.0.1:12345"
        )


def check_count(name: str, value: int, most: int = MOST) -> None:
    """Raises if an option that counts something is below 1, or above what anything can count."""
    if value < 1:
        raise ConfigError(f"--{option(name)}: expected at least 1, got {value}")
    if value > most:
        raise ConfigError(f"--{option(name)}: expected at most {most:,}, got {value}")


def option(field: str) -> str:
    return field.replace("_", "-")


def describe_problem(config: TrainingConfig) -> str:
    """The problem in one line, as the run echoes it, for a resolved configuration.

    >>> print(describe_problem(resolved(Config())))
    loss = cross-entropy + 5e-05·Σ‖w‖²    (PyTorch: weight_decay=0.0001)
    """
    where = "    on weights only, not biases" if config.where == "weights" else ""
    form = FORMS[config.coupling]
    return form.describe(form, config) + where


def describe_network(config: TrainingConfig, shape: Sequence[int], classes: int) -> str:
    """The network in a few words, for images of that shape and a resolved configuration.

    >>> describe_network(resolved(Config()), (28, 28, 1), 10)
    '784-128-10'
    >>> describe_network(resolved(Config(model="cnn", norm="batch", dropout=0.5)), (28, 28, 1), 10)
    'cnn 28×28-128-10, batch norm, dropout 0.5'
    """
    height, width, channels = shape
    pixels = f"{height}×{width}" + (f"×{channels}" if channels > 1 else "")
    size = math.prod(shape) if config.model == "mlp" else f"{config.model} {pixels}"
    norm = "" if config.norm == MODELS[config.model].norms[0] else f", {config.norm} norm"
    dropout = f", dropout {config.dropout:g}" if config.dropout else ""
    return f"{size}-{config.hidden}-{classes}{norm.replace('none', 'no')}{dropout}"
