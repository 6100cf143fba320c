"""The options of `python -m experiments.tune`, and the parts that they amount to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from typing_extensions import Doc

from experiments import options, provenance
from experiments.config import TrainingConfig, resolved_training
from experiments.errors import ConfigError
from experiments.forms import FORMS

Method = Literal["cv", "bayesian", "random", "sobol", "hypergradient", "ridge", "evidence"]
METHODS: tuple[Method, ...] = (
    *("cv", "bayesian", "random", "sobol", "hypergradient"),
    *("ridge", "evidence"),
)
SEARCHES = ("bayesian", "random", "sobol")
"""Those that need Optuna."""
OF_NETWORK = ("cv", *SEARCHES, "hypergradient")
"""Those that choose by training the network."""
RETRAINED = "retrained"
"""The part in which the network is trained with the strengths that were chosen."""


def _about_forms() -> str:
    options = (f"{form.name}: {form.option}." for form in FORMS.values())
    return f"Where λ acts. {' '.join(options)}"


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """Chooses λ for the mission's network, 784-128-10, by every way that there is, at equal budget;
    then trains with each choice on all images that chose it: what was spent, what was reached.
    """

    method: tuple[Literal["all", Method], ...] | None = None
    """cv: a curve by cross-validation. bayesian, random, sobol: strengths tried one batch after the
    other. hypergradient: a descent on log λ. ridge, evidence: closed forms, for least squares on
    pixels and on the features of a trained network. If not given: all."""

    quick: bool = False
    """About a minute, unless other options say more: 3 seeds, 8 strengths, 3 folds, 8 passes."""

    examples: int | None = None
    """Images of each seed, which choose and train; 1,000 if not given."""

    penalty: Literal["l2", "l1", "elastic_net"] = "l2"
    """l2: λ·Σ|w|². l1: λ·Σ|w|. elastic_net: λ·Σ|w| + λ·Σ|w|²."""

    coupling: Annotated[Literal[*FORMS], Doc(_about_forms())] = "loss"  # pyright: ignore[reportInvalidTypeForm]

    strengths: tuple[float, float, int] | None = None
    """Lowest and highest strength for the network, and how many of them the curve has; 1e-5 1e-2
    16 if not given."""

    trials: int | None = None
    """Strengths that each search tries, and at most so many steps of a descent; 16 if not given."""

    folds: int | None = None
    """Each image is held out by one of them; 5 if not given."""

    seeds: int | None = None
    """How many, 5 if not given; each draws images, folds, initial weights and batches anew, chooses
    by every way, and trains with what was chosen."""

    first_seed: int = 100
    """They count up from here. Others confirm what these show."""

    data: str = "mnist"
    """mnist (shipped), digits (of scikit-learn), idx:DIR (four idx files) or tfds:NAME. Test images
    are only reported."""

    epochs: int | None = None
    """Passes over the images; 15 if not given."""

    hidden: int = 128
    """Width of the hidden layer."""

    batch_size: int = 64
    """Images in a step."""

    learning_rate: float = 0.1
    """Of SGD with momentum 0.9, followed by a half cosine to 0."""

    resume: Path | None = None
    """Folder of a study that was stopped: goes on where it stopped, with its own settings. Of one
    that was finished, draws picture, tables and page anew."""

    output: Path | None = None
    """Folder of the results; runs/tune/TIME if not given."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The devices to run on, all that there are; auto takes what JAX finds."""

    per_device: int | None = None
    """Trainings side by side on a device; on CPU 1 if not given, elsewhere what is fastest."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest strength, of a resolved configuration."""
        return (self.strengths or STANDARD["strengths"])[:2]

    @property
    def every_seed(self) -> tuple[int, ...]:
        """They count up from the first."""
        return tuple(range(self.first_seed, self.first_seed + (self.seeds or 1)))


MOST_STRENGTHS = 100_000
AROUND = ("resume", "platform", "per_device", "compilation_cache")
"""Options that are no settings of the study: a study that goes on may have others."""
STANDARD: dict[str, Any] = {
    "method": METHODS,
    "examples": 1000,
    "strengths": (1e-5, 1e-2, 16),
    "trials": 16,
    "folds": 5,
    "seeds": 5,
    "epochs": 15,
}
"""Of options that are not given."""
QUICK = {**STANDARD, "strengths": (1e-5, 1e-2, 8), "trials": 8, "folds": 3, "seeds": 3, "epochs": 8}


@dataclasses.dataclass(frozen=True)
class Part:
    """What is done for every seed, one after the other.

    Attributes:
      id: a method, or `RETRAINED`.
      trainings: at most so many, for all seeds.
    """

    id: str
    trainings: int


def resolved(config: TuneConfig) -> TuneConfig:
    """The settings with what was not given in its place, once they are known to make sense.

    Raises:
      ConfigError: if they do not.
    """
    _check(config)
    wanted = QUICK if config.quick else STANDARD
    left = {name: value for name, value in wanted.items() if getattr(config, name) is None}
    config = dataclasses.replace(config, **left)
    chosen = METHODS if "all" in (config.method or ()) else config.method or ()
    config = dataclasses.replace(config, method=tuple(m for m in METHODS if m in chosen))
    if (config.examples or 0) < 2 * (config.folds or 0):
        raise ConfigError(
            f"--folds: expected at most half as many as --examples {config.examples}, got "
            f"{config.folds}; take {(config.examples or 0) // 2} or fewer, or more examples"
        )
    trained_by(config)
    return config


def _check(config: TuneConfig) -> None:
    options.check_some(config, ("method",))
    options.check_counts(config, ("trials", "seeds", "epochs", "hidden", "batch_size"))
    options.check_counts(config, ("per_device",))
    options.check_above(config, {"learning_rate": 0.0})
    for name in ("folds", "examples", "trials"):
        value = getattr(config, name)
        if value is not None and value < 2:
            raise ConfigError(f"--{name}: expected at least 2, got {value}")
    if config.strengths is not None:
        low, high, count = config.strengths
        if not (0 < low < high < float("inf")):
            raise ConfigError(
                f"--strengths: expected the lowest and the highest, above 0, and how many, got "
                f"{low:g} {high:g} {count}"
            )
        if count < 2:
            raise ConfigError(f"--strengths: expected at least 2 of them, got {count}")
        if count > MOST_STRENGTHS:
            raise ConfigError(
                f"--strengths: expected at most {MOST_STRENGTHS:,} of them, got {count}"
            )


def trained_by(config: TuneConfig) -> TrainingConfig:
    """The settings of each training, but for its strength.

    Raises:
      ConfigError: if the form does not take the penalty.
    """
    names = "penalty", "coupling", "epochs", "hidden", "batch_size", "learning_rate", "data"
    given: dict[str, Any] = {name: getattr(config, name) for name in names}
    return resolved_training(TrainingConfig(**given, optimizer="momentum", schedule="cosine"))


def planned(config: TuneConfig) -> list[Part]:
    """The parts of a resolved configuration."""
    seeds, folds, trials = config.seeds or 1, config.folds or 1, config.trials or 1
    grid = (config.strengths or STANDARD["strengths"])[2]
    methods = config.method or ()
    each = dict.fromkeys(methods, trials * folds)
    each |= {name: grid * folds for name in ("cv",) if name in methods}
    each |= {name: 1 for name in ("ridge", "evidence") if name in methods}
    parts = [Part(name, count * seeds) for name, count in each.items()]
    used = sum(name in OF_NETWORK for name in methods)
    return [*parts, Part(RETRAINED, (1 + grid + used) * seeds)] if used else parts


def command_line(config: TuneConfig) -> str:
    """The command that makes the same study.

    >>> command_line(resolved(TuneConfig(quick=True, seeds=5, method=("cv", "sobol"))))
    'python -m experiments.tune --method cv sobol --quick --seeds 5'
    """
    standard = resolved(TuneConfig(quick=config.quick))
    settings = provenance.changed(config, standard, without=(*AROUND, "output"))
    quick = {"quick": True} if config.quick else {}
    methods = {name: value for name, value in settings.items() if name == "method"}
    return provenance.command_line("tune", {**methods, **quick, **settings})
