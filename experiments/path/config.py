"""The options of `python -m experiments.path`, and the curves that they amount to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from experiments import options, provenance
from experiments.config import ConfigError, Optimizer, option
from experiments.paired.setup import Setup
from experiments.path.penalties import PENALTIES, Network

PenaltyName = Literal["l2", "l1_subgradient", "l1", "elastic_net", "group_lasso", "nuclear"]


@dataclasses.dataclass(frozen=True)
class PathConfig:
    """The regularization path: accuracy, exact zeros, live units and rank against the strength λ of
    every penalty, for the mission's network and for multinomial regression.
    """

    networks: tuple[Network, ...] | None = None
    """mlp: the mission's network, 784-128-10, all strengths and seeds side by side. regression:
    multinomial, exact solutions, each from that of the strength before. If not given: both."""

    penalties: tuple[PenaltyName, ...] | None = None
    """l2, l1_subgradient: in the loss. l1, elastic_net, group_lasso (the weights that come into a
    unit are a group), nuclear: by the proximal operator after the step. If not given: all."""

    quick: bool = False
    """About a minute, unless other options say more: the network alone with L2, L1 and group lasso,
    fewer strengths, seeds and images."""

    full: bool = False
    """The thorough one, unless other options say less: ten times the images, 15 strengths."""

    sklearn_example: bool = False
    """Instead of the paths: scikit-learn's example of sparse digits, solved at the same strength,
    beside what scikit-learn found."""

    strengths: tuple[float, float] | None = None
    """Lowest and highest λ, instead of each penalty's own; the network has λ = 0 beside them."""

    count: int | None = None
    """Strengths of each penalty, λ = 0 included."""

    seeds: int | None = None
    """How many; each draws training images, wrong labels, initial weights and batches anew."""

    first_seed: int = 100
    """They count up from here. Others confirm what these show."""

    data: str = "mnist"
    """mnist (shipped), digits (of scikit-learn), idx:DIR (four idx files) or tfds:NAME. The last
    5,000 training images, at most a quarter, choose; test images are only reported."""

    pool: int | None = None
    """Images are averaged over so many pixels each way; 1, if not given, leaves them."""

    examples: int | None = None
    """Training images of each seed; 2,000 of the network and 600 of regression if not given."""

    label_noise: float | None = None
    """Share of the training labels that are wrong."""

    hidden: int | None = None
    """Width of the hidden layer; 128 if not given."""

    optimizer: Optimizer | None = None
    """sgd, momentum (0.9) or adam (0.9, 0.999), whose prox is in its own metric. If not given:
    momentum."""

    learning_rate: float | None = None
    """The base learning rate; 0.05 if not given, 0.5 for sgd, 0.001 for adam."""

    schedule: Literal["constant", "cosine"] | None = None
    """The multiplier of the learning rate: 1, or, if not given, from 1 to 0 by a half cosine."""

    batch_size: int | None = None
    """Images in a step; 64 if not given."""

    epochs: float | None = None
    """Passes over the training images."""

    resume: Path | None = None
    """Folder of a study that was stopped: goes on where it stopped, with its own settings. Of one
    that was finished, draws the picture and the page anew."""

    output: Path | None = None
    """Folder of the results; runs/path/TIME if not given."""

    per_device: int | None = None
    """Trainings side by side on a device; on CPU 1 if not given, elsewhere what is fastest."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The devices to run on; auto takes what JAX finds."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""


AROUND = ("resume", "platform", "per_device", "compilation_cache")
"""Options that are no settings of the study: a study that goes on may have others."""
STANDARD: dict[str, Any] = {
    "networks": ("mlp", "regression"),
    "penalties": tuple(PENALTIES),
    "count": 10,
    "seeds": 5,
    "pool": 1,
    "label_noise": 0.2,
    "hidden": 128,
    "optimizer": "momentum",
    "schedule": "cosine",
    "batch_size": 64,
    "epochs": 24.0,
}
"""Of options that are not given."""
PRESETS: dict[str, dict[str, Any]] = {
    "standard": STANDARD,
    "quick": {
        **STANDARD,
        "networks": ("mlp",),
        "penalties": ("l2", "l1", "group_lasso"),
        "count": 5,
        "seeds": 3,
    },
    "full": {**STANDARD, "count": 15},
}
EXAMPLES: dict[str, dict[Network, int]] = {
    "standard": {"mlp": 2000, "regression": 600},
    "quick": {"mlp": 500, "regression": 300},
    "full": {"mlp": 20_000, "regression": 5000},
}
RATES: dict[str, float] = {"sgd": 0.5, "momentum": 0.05, "adam": 0.001}


@dataclasses.dataclass(frozen=True)
class Curve:
    """One path: a network and a penalty, with the strengths that are gone through.

    Attributes:
      network: mlp or regression.
      penalty: of `PENALTIES`.
      strengths: ascending.
      setup: what its trainings have in common.
      learning_rate: of the network's training.
    """

    network: Network
    penalty: str
    strengths: tuple[float, ...]
    setup: Setup
    learning_rate: float

    @property
    def id(self) -> str:
        """As ``mlp-group_lasso``: a name for records, files and pages."""
        return f"{self.network}-{self.penalty}"


def resolved(config: PathConfig) -> PathConfig:
    """The settings with what was not given in its place, once they are known to make sense.

    Raises:
      ConfigError: if they do not.
    """
    _check(config)
    wanted = PRESETS[_size(config)]
    wanted = {**wanted, "learning_rate": RATES[config.optimizer or wanted["optimizer"]]}
    left = {name: value for name, value in wanted.items() if getattr(config, name) is None}
    return dataclasses.replace(config, **left)


def _size(config: PathConfig) -> str:
    return "full" if config.full else "quick" if config.quick else "standard"


def check_example(config: PathConfig) -> None:
    """Raises if settings of the paths are given beside ``--sklearn-example``.

    Raises:
      ConfigError: with the first of them.
    """
    around = {name: getattr(config, name) for name in (*AROUND, "output")}
    alone = dataclasses.replace(PathConfig(sklearn_example=True), **{**around, "resume": None})
    for name in provenance.changed(config, alone):
        raise ConfigError(
            f"--sklearn-example: expected it alone, since all its settings are scikit-learn's, got "
            f"--{option(name)} too; leave it out"
        )


def _check(config: PathConfig) -> None:
    options.check_sizes(config)
    options.check_some(config, ("networks", "penalties"))
    counts = ("seeds", "pool", "hidden", "examples", "batch_size", "per_device")
    options.check_counts(config, counts)
    options.check_above(config, {"epochs": 0.0, "learning_rate": 0.0})
    options.check_share(config, "label_noise")
    options.check_span(config, "strengths")
    if config.count is not None and config.count < 3:
        raise ConfigError(f"--count: expected at least 3, λ = 0 and two more, got {config.count}")
    options.check_counts(config, ("count",))
    if config.optimizer == "adam" and "nuclear" in (config.penalties or ()):
        raise ConfigError(
            "--optimizer adam: expected penalties of entries and groups, which have a prox in "
            "Adam's metric, got nuclear; leave it out of --penalties, or take momentum"
        )
    if set(config.networks or ()) == {"regression"} and not _of_regression(config.penalties):
        raise ConfigError(
            "--penalties l1_subgradient: expected beside --networks mlp, got regression alone, "
            "whose solutions are exact; take l1"
        )


def _of_regression(penalties: tuple[str, ...] | None) -> bool:
    return penalties is None or any("regression" in PENALTIES[name].spans for name in penalties)


def planned(config: PathConfig) -> list[Curve]:
    """The curves of a resolved configuration."""
    networks, penalties = config.networks or (), config.penalties or ()
    known = ((n, p) for n in networks for p in penalties if n in PENALTIES[p].spans)
    kept: Any = ((n, p) for n, p in known if not (config.optimizer == "adam" and p == "nuclear"))
    return [_curve(config, network, penalty) for network, penalty in kept]


def _curve(config: PathConfig, network: Network, penalty: str) -> Curve:
    examples = config.examples or EXAMPLES[_size(config)][network]
    settings: Any = {"examples": examples, "label_noise": config.label_noise}
    setup = _of_mlp(config, settings) if network == "mlp" else _of_regression_setup(settings)
    strengths = PENALTIES[penalty].strengths(network, config.count or 0, config.strengths)
    return Curve(network, penalty, tuple(strengths), setup, config.learning_rate or 0.0)


def _of_mlp(config: PathConfig, settings: Any) -> Setup:
    names = ("optimizer", "schedule", "batch_size", "epochs", "hidden")
    return Setup("mlp", decayed="weights", **settings, **{n: getattr(config, n) for n in names})


def _of_regression_setup(settings: Any) -> Setup:
    """It has no batches: those that a set-up asks for are not looked at."""
    return Setup(
        "softmax", "sgd", "constant", "weights", **settings, batch_size=1, epochs=1e-9, hidden=1
    )


def command_line(config: PathConfig) -> str:
    """The command that makes the same study.

    >>> command_line(resolved(PathConfig(full=True, seeds=3, data="digits")))
    'python -m experiments.path --full --seeds 3 --data digits'
    """
    standard = resolved(
        PathConfig(quick=config.quick, full=config.full, optimizer=config.optimizer)
    )
    standard = dataclasses.replace(standard, optimizer=STANDARD["optimizer"])
    sizes = {name: True for name in ("quick", "full") if getattr(config, name)}
    settings = provenance.changed(config, standard, without=(*AROUND, "output"))
    return provenance.command_line("path", {**sizes, **settings})
