"""The options of `python -m experiments.language`, and the programs that they amount to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from experiments import options, provenance
from experiments.errors import ConfigError

Dtype = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class LanguageConfig:
    """A character transformer trained by AdamW: which number of its decay has to be chosen anew
    when the learning rate, the width or the text changes, and which can be kept.
    """

    text: str = "pydoc"
    """pydoc: what Python's help says of the language, of the standard library. Else a file in
    UTF-8. Four fifths are learnt, a tenth chooses, the last tenth tests."""

    quick: bool = False
    """About a minute, unless other options say more: one width, two learning rates, less text."""

    full: bool = False
    """1.9 million parameters and all of the text, unless other options say less. For an
    accelerator."""

    learning_rates: tuple[float, ...] | None = None
    """Of AdamW, on a half cosine; decay is tuned at the first, and carried to the others."""

    rates: tuple[float, ...] | None = None
    """ω, the decay per step where the schedule is at its highest, ascending: times the schedule
    alone it is AdamW as published. ω = λ·η is AdamW of PyTorch and optax with weight_decay λ."""

    widths: tuple[int, ...] | None = None
    """Of the transformer; the first is that where decay is tuned."""

    examples: tuple[int, ...] | None = None
    """Characters that are learnt, in windows from all over the text, other ones for each seed; the
    first is where decay is tuned."""

    depth: int | None = None
    """Blocks; 2 if not given."""

    heads: int | None = None
    """Of each attention; 2 if not given. They divide the widths."""

    context: int | None = None
    """Characters from which the next is predicted, at most; 32 if not given."""

    batch_size: int | None = None
    """Windows of that many characters in a step; 8 if not given."""

    epochs: float | None = None
    """Passes over the text that is learnt; 8 if not given."""

    seeds: int | None = None
    """How many, 4 if not given; each draws windows of the text, initial weights and batches."""

    first_seed: int = 100
    """They count up from here. Others confirm what these show."""

    dtype: Dtype = "float32"
    """Of the arithmetic. bfloat16 keeps parameters, decay and optimizer in float32."""

    resume: Path | None = None
    """Folder of a study that was stopped: goes on where it stopped, with its own settings. Of one
    that was finished, draws picture, tables and page anew."""

    output: Path | None = None
    """Folder of the results; runs/language/TIME if not given."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The devices to run on; auto takes what JAX finds."""

    devices: int | None = None
    """How many of them, all if not given. CPU makes as many as are asked for."""

    shard: int = 1
    """Devices that share each training: each keeps a part of the parameters and of what AdamW
    knows of them, and a part of every batch. Different trainings go side by side on the rest."""

    per_device: int | None = None
    """Trainings side by side on a device; on CPU 1 if not given, elsewhere what is fastest."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""


AROUND = ("resume", "platform", "devices", "shard", "per_device", "compilation_cache")
"""Options that are no settings of the study: a study that goes on may have others."""
STANDARD: dict[str, Any] = {
    "learning_rates": (4e-3, 1e-3, 1.6e-2),
    "rates": (0.0, 6.25e-4, 1.25e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2),
    "widths": (32, 16),
    "depth": 2,
    "heads": 2,
    "context": 32,
    "batch_size": 8,
    "epochs": 8.0,
    "seeds": 4,
}
"""Of options that are not given."""
PRESETS: dict[str, dict[str, Any]] = {
    "standard": STANDARD,
    "quick": {
        **STANDARD,
        "learning_rates": (4e-3, 1.6e-2),
        "rates": (0.0, 2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2),
        "widths": (32,),
        "seeds": 3,
    },
    "full": {
        **STANDARD,
        "learning_rates": (1e-3, 2.5e-4, 4e-3),
        "widths": (192, 96),
        "depth": 4,
        "heads": 6,
        "context": 256,
        "batch_size": 16,
        "epochs": 20.0,
    },
}
MOST: dict[str, float] = {"standard": 2**15, "quick": 2**14, "full": math.inf}
"""Characters that are learnt at most, where `LanguageConfig.examples` are not given."""
COUNTS = ("depth", "heads", "context", "batch_size", "seeds", "devices", "shard", "per_device")


@dataclasses.dataclass(frozen=True)
class Setup:
    """A model and what it learns: everything but the numbers that are swept.

    Attributes:
      width, depth, heads: of the transformer.
      context: characters from which the next is predicted, at most.
      batch_size: windows in a step.
      examples: characters that are learnt.
      epochs: passes over them.
      dtype: of the arithmetic.
    """

    width: int
    depth: int
    heads: int
    context: int
    batch_size: int
    examples: int
    epochs: float
    dtype: str = "float32"

    @property
    def windows(self) -> int:
        """Stretches of text that an epoch goes through."""
        return (self.examples - 1) // self.context

    @property
    def steps_per_epoch(self) -> float:
        """Updates of one pass."""
        return self.windows / self.batch_size

    @property
    def steps(self) -> int:
        """Updates of a training."""
        return max(round(self.epochs * self.steps_per_epoch), 1)


@dataclasses.dataclass(frozen=True)
class Part:
    """What is trained as one program: a shape of the model and of its text.

    Attributes:
      setup: what its trainings have in common.
      learning_rates: the base learning rate first.
      rates: of decay, ascending.
    """

    setup: Setup
    learning_rates: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def id(self) -> str:
        """As ``width-32-text-16384``: a name for records and progress."""
        return f"width-{self.setup.width}-text-{self.setup.examples}"


def resolved(config: LanguageConfig) -> LanguageConfig:
    """The settings with what was not given in its place, once they are known to make sense; those
    of the text are not known yet.

    Raises:
      ConfigError: if they do not.
    """
    _check(config)
    wanted = PRESETS[_size(config)]
    left = {name: value for name, value in wanted.items() if getattr(config, name) is None}
    config = dataclasses.replace(config, **left)
    heads, batch_size = config.heads or 1, config.batch_size or 1
    for width in config.widths or ():
        if width % heads:
            raise ConfigError(
                f"--heads: expected a number that divides the width {width}, got {heads}; take "
                f"{math.gcd(width, heads)}, or another of --widths"
            )
    if batch_size % config.shard:
        raise ConfigError(
            f"--shard: expected a number that divides the {batch_size} windows of a batch, got "
            f"{config.shard}; take --batch-size {-(-batch_size // config.shard) * config.shard}"
        )
    return config


def _size(config: LanguageConfig) -> str:
    return "full" if config.full else "quick" if config.quick else "standard"


def _check(config: LanguageConfig) -> None:
    options.check_sizes(config)
    options.check_some(config, ("learning_rates", "rates", "widths", "examples"))
    options.check_counts(config, COUNTS)
    options.check_above(config, {"epochs": 0.0})
    for name, least in (("widths", 1), ("examples", 2)):
        _check_each(name, getattr(config, name), lambda value, least=least: value >= least, least)
    _check_each("learning_rates", config.learning_rates, lambda value: 0 < value < math.inf, "> 0")
    _check_each("rates", config.rates, lambda value: 0 <= value < 1, "a number from 0 to below 1")
    rates = config.rates
    if rates is not None and (len(rates) < 3 or list(rates) != sorted(rates)):
        raise ConfigError(
            f"--rates: expected at least three in ascending order, got "
            f"{' '.join(f'{rate:g}' for rate in rates)}"
        )


def _check_each(name: str, values: Sequence[Any] | None, good: Any, wanted: Any) -> None:
    """Raises if one of several values is none of those that can be meant, or stands there twice."""
    wanted = wanted if isinstance(wanted, str) else f"at least {wanted}"
    for value in values or ():
        if not good(value):
            raise ConfigError(f"--{name.replace('_', '-')}: expected {wanted}, got {value:g}")
    if values is not None and len(set(values)) < len(values):
        repeated = next(value for value in values if list(values).count(value) > 1)
        raise ConfigError(
            f"--{name.replace('_', '-')}: expected each once, got {repeated:g} twice; leave one out"
        )


def planned(config: LanguageConfig, trained: int, held: int) -> list[Part]:
    """The programs of a resolved configuration: that where decay is tuned; other widths; other
    lengths of the text, at the first learning rate.

    Args:
      config: resolved.
      trained: characters of the text that can be learnt.
      held: those of the shorter of the parts that are held out.

    Raises:
      ConfigError: if the text is too short.
    """
    _check_text(config, trained, held)
    most = int(min(MOST[_size(config)], trained))
    examples = config.examples or (most // 2, most // 4, most)
    widths, learning_rates = config.widths or (1,), config.learning_rates or ()
    shapes = [(width, examples[0], learning_rates) for width in widths]
    shapes += [(widths[0], count, learning_rates[:1]) for count in examples[1:]]
    parts = [_part(config, *shape) for shape in shapes]
    for part in parts:
        _check_windows(part.setup, config.text)
    return parts


def _part(config: LanguageConfig, width: int, examples: int, learning_rates: Any) -> Part:
    names = "depth", "heads", "context", "batch_size", "epochs", "dtype"
    sizes: Any = {name: getattr(config, name) for name in names}
    setup = Setup(width=width, examples=examples, **sizes)
    return Part(setup, learning_rates, config.rates or ())


def _check_text(config: LanguageConfig, trained: int, held: int) -> None:
    for count in config.examples or ():
        if count > trained:
            raise ConfigError(
                f"--examples: expected at most {trained:,}, the characters of --text {config.text} "
                f"that are learnt, got {count:,}"
            )
    context = config.context or 0
    if held <= context:
        raise ConfigError(
            f"--context: expected less than the {held:,} characters of --text {config.text} that "
            f"are held out, got {context:,}; take a longer text, or a shorter context"
        )


def _check_windows(setup: Setup, text: str) -> None:
    if setup.windows < setup.batch_size:
        needed = setup.batch_size * setup.context + 1
        raise ConfigError(
            f"--examples: expected at least {needed:,} characters of --text {text}, a batch of "
            f"{setup.batch_size} windows of {setup.context}, got {setup.examples:,}; take more, or "
            f"a smaller --batch-size or --context"
        )


def command_line(config: LanguageConfig) -> str:
    """The command that makes the same study.

    >>> command_line(resolved(LanguageConfig(quick=True, seeds=5, dtype="bfloat16")))
    'python -m experiments.language --quick --seeds 5 --dtype bfloat16'
    """
    standard = resolved(LanguageConfig(quick=config.quick, full=config.full))
    sizes = {name: True for name in ("quick", "full") if getattr(config, name)}
    settings = provenance.changed(config, standard, without=(*AROUND, "output"))
    return provenance.command_line("language", {**sizes, **settings})
