"""The options of `python -m experiments.combinations`, and the programs that they amount to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from experiments import options, provenance
from experiments.combinations.penalties import NONE, PENALTIES, PenaltyName
from experiments.errors import ConfigError
from experiments.models import fit
from experiments.models.table import MODELS, Name
from experiments.paired.setup import Setup

Place = Literal["plain", "dropout", "batchnorm", "both"]
PLACES: tuple[Place, ...] = ("plain", "dropout", "batchnorm", "both")
TITLES: dict[str, str] = {
    "plain": "plain",
    "dropout": "Dropout",
    "batchnorm": "BatchNorm",
    "both": "both",
}


@dataclasses.dataclass(frozen=True)
class CombinationsConfig:
    """Every penalty with and without Dropout and BatchNorm, each at the strength that validation
    images choose: what helps, what is redundant, what hurts, in pairs over seeds.
    """

    models: tuple[Name, ...] | None = None
    """mlp: one hidden layer. cnn: two convolutions and a linear layer. rnn: a GRU over the rows.
    transformer: two blocks, plain is with LayerNorm. If not given: mlp cnn."""

    penalties: tuple[PenaltyName, ...] | None = None
    """l2: in the loss. decay: beside the step. l1, elastic_net: by the proximal operator
    after the step. max_norm: projected after the step, on what comes into each unit. None of them
    (none) is always there. If not given: all."""

    quick: bool = False
    """Under a minute, unless other options say more: the MLP, 4 seeds, a quarter of the images."""

    full: bool = False
    """The thorough one, unless other options say less: all 55,000 images that do not validate, not
    pooled, their labels as they are; 3 seeds. For an accelerator."""

    seeds: int | None = None
    """How many, 8 if not given; each draws training images, wrong labels, initial weights, batches
    and what drops out anew."""

    first_seed: int = 100
    """They count up from here. Others confirm what these show."""

    tuning_seeds: int | None = None
    """How many others, below the first, choose the strengths; 2 if not given."""

    data: str = "mnist"
    """mnist (shipped), digits (of scikit-learn), idx:DIR (four idx files) or tfds:NAME. The last
    5,000 training images, at most a quarter, choose; test images are only reported."""

    pool: int | None = None
    """Images are averaged over so many pixels each way; 2 if not given, 1 leaves them."""

    examples: int | None = None
    """Training images of each seed; 2,000 if not given."""

    label_noise: float | None = None
    """Share of the training labels that are wrong; 0.2 if not given."""

    hidden: int | None = None
    """Width of the hidden layer; 128 if not given, 64 of other networks than the MLP."""

    dropout: float = 0.5
    """Share of units that are zero in a step, where there is Dropout."""

    learning_rate: float | None = None
    """Of SGD with momentum 0.9, followed by a half cosine to 0; 0.1 if not given."""

    batch_size: int | None = None
    """Images in a step; 64 if not given."""

    epochs: float | None = None
    """Passes over the training images."""

    resume: Path | None = None
    """Folder of a study that was stopped: goes on where it stopped, with its own settings. Of one
    that was finished, draws picture, tables and page anew."""

    output: Path | None = None
    """Folder of the results; runs/combinations/TIME if not given."""

    per_device: int | None = None
    """Trainings side by side on a device; on CPU 1 if not given, elsewhere what is fastest."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The devices to run on; auto takes what JAX finds."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""


AROUND = ("resume", "platform", "per_device", "compilation_cache")
"""Options that are no settings of the study: a study that goes on may have others."""
ALL = 0
"""Of examples: as many as there are."""
STANDARD: dict[str, Any] = {
    "models": ("mlp", "cnn"),
    "penalties": tuple(PENALTIES),
    "seeds": 8,
    "tuning_seeds": 2,
    "pool": 2,
    "examples": 2000,
    "label_noise": 0.2,
    "learning_rate": 0.1,
    "batch_size": 64,
}
"""Of options that are not given."""
PRESETS: dict[str, dict[str, Any]] = {
    "standard": STANDARD,
    "quick": {**STANDARD, "models": ("mlp",), "seeds": 4, "tuning_seeds": 1, "examples": 500},
    "full": {**STANDARD, "seeds": 3, "pool": 1, "examples": ALL, "label_noise": 0.0},
}
EPOCHS: dict[str, dict[str, float]] = {
    "standard": {"mlp": 30.0, "other": 8.0},
    "quick": {"mlp": 30.0, "other": 8.0},
    "full": {"mlp": 20.0, "other": 10.0},
}
HIDDEN: dict[str, dict[str, int]] = {
    "standard": {"mlp": 128, "other": 64},
    "quick": {"mlp": 128, "other": 64},
    "full": {"mlp": 128, "other": 128},
}
"""Of the MLP and of other networks, whose steps take longer."""
REFERENCE = 2000
"""Training images for which the strengths of `PENALTIES` stand."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What is trained as one program: a network and its norm, with and without dropout.

    Attributes:
      model: the network.
      places: without and with dropout.
      setup: what its trainings have in common.
      learning_rate: the base learning rate.
      dropout: the share that is dropped where there is dropout.
      strengths: by penalty, those that are tried, the weakest first.
    """

    model: str
    places: tuple[Place, Place]
    setup: Setup
    learning_rate: float
    dropout: float
    strengths: dict[str, tuple[float, ...]]

    @property
    def id(self) -> str:
        """As ``mlp-batch``: a name for records and progress."""
        return f"{self.model}-{self.setup.norm}"


def resolved(config: CombinationsConfig) -> CombinationsConfig:
    """The settings with what was not given in its place, once they are known to make sense.

    Raises:
      ConfigError: if they do not.
    """
    _check(config)
    wanted = PRESETS[_size(config)]
    left = {name: value for name, value in wanted.items() if getattr(config, name) is None}
    config = dataclasses.replace(config, **left)
    for model in config.models or ():
        fit.check_parts(model, "batch", config.dropout)
        fit.check_batches(model, "batch", None, config.batch_size or 0)
    if config.first_seed < (config.tuning_seeds or 0):
        raise ConfigError(
            f"--first-seed: expected at least {config.tuning_seeds}, since the seeds below it "
            f"choose the strengths, got {config.first_seed}"
        )
    return config


def _size(config: CombinationsConfig) -> str:
    return "full" if config.full else "quick" if config.quick else "standard"


def _check(config: CombinationsConfig) -> None:
    options.check_sizes(config)
    options.check_some(config, ("models", "penalties"))
    counts = ("seeds", "tuning_seeds", "pool", "hidden", "examples", "batch_size", "per_device")
    options.check_counts(config, counts)
    options.check_above(config, {"epochs": 0.0, "learning_rate": 0.0})
    options.check_share(config, "label_noise")
    if config.dropout == 0:
        raise ConfigError("--dropout: expected more than 0, since it is compared with 0, got 0")
    if config.penalties is not None and set(config.penalties) == {NONE}:
        raise ConfigError("--penalties: expected one beside none, got none alone; add l2")


def planned(config: CombinationsConfig, available: int) -> list[Part]:
    """The programs of a resolved configuration: two for each network.

    Args:
      config: resolved.
      available: training images that there are.
    """
    return [
        _part(config, model, norm, places, config.examples or available)
        for model in dict.fromkeys(config.models or ())
        for norm, places in ((MODELS[model].norms[0], PLACES[:2]), ("batch", PLACES[2:]))
    ]


def _part(config: CombinationsConfig, model: Any, norm: Any, places: Any, examples: int) -> Part:
    size, kind = _size(config), "mlp" if model == "mlp" else "other"
    setup = Setup(
        model,
        "momentum",
        "cosine",
        "weights",
        examples,
        config.label_noise or 0.0,
        config.batch_size or 0,
        config.epochs or EPOCHS[size][kind],
        config.hidden or HIDDEN[size][kind],
        norm,
    )
    names = dict.fromkeys((NONE, *(config.penalties or ())))
    strengths = {name: PENALTIES[name].tried(examples / REFERENCE) for name in names}
    return Part(model, places, setup, config.learning_rate or 0.0, config.dropout, strengths)


def command_line(config: CombinationsConfig) -> str:
    """The command that makes the same study.

    >>> command_line(resolved(CombinationsConfig(models=("rnn",), seeds=3, data="digits")))
    'python -m experiments.combinations --models rnn --seeds 3 --data digits'
    """
    standard = resolved(CombinationsConfig(quick=config.quick, full=config.full))
    sizes = {name: True for name in ("quick", "full") if getattr(config, name)}
    settings = provenance.changed(config, standard, without=(*AROUND, "output"))
    return provenance.command_line("combinations", {**sizes, **settings})
