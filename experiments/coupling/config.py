"""The options of `python -m experiments.coupling`, and what they amount to."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from typing_extensions import Doc

from experiments import options, provenance
from experiments.config import ConfigError, Optimizer, option
from experiments.coupling.regimes import Panel, Regime, panels
from experiments.forms import FORMS, in_study
from experiments.models.table import MODELS, Norm, Studied
from experiments.paired.setup import Decayed

NO_DECAY = "none"
WIDEST = 1000
"""Rows or columns of a heat map, at most."""


def _about_forms() -> str:
    shown = in_study()
    options = (f"{name}: {FORMS[name].studied.option}." for name in shown)
    left_out = (name for name in shown if name not in in_study("standard"))
    return (
        f"{' '.join(options)} {NO_DECAY}: no decay, for comparison. If not given: all but "
        f"{', '.join(left_out)}."
    )


def _about_models() -> str:
    networks = " ".join(f"{row.name}: {row.option}." for row in MODELS.values())
    return (
        f"The network. {networks} This and what follows takes the place of the regime's own "
        f"setting, if given."
    )


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Coupled against decoupled decay: trains learning rates × λ for every form, each form as one
    program, and writes a page that says which one, and whether it matters where λ is put.
    """

    regime: tuple[Regime, ...] | None = None
    """a: a network in which all that decays is scale-invariant. b: softmax regression, converged.
    c: what people run: a BatchNorm network with and without decay of its output layer, a plain
    one. custom: a BatchNorm network, to be changed by the options below. If not given: a b."""

    forms: Annotated[
        tuple[Literal[NO_DECAY, *in_study()], ...] | None,  # pyright: ignore[reportInvalidTypeForm]
        Doc(_about_forms()),
    ] = None

    optimizers: tuple[Optimizer, ...] | None = None
    """sgd, momentum (0.9), adam (0.9, 0.999). If not given: sgd adam."""

    quick: bool = False
    """Under a minute, unless other options say more: SGD and AdamW, 4 learning rates, a third of
    the steps or fewer."""

    full: bool = False
    """The thorough one, unless other options say less: regimes a, b and c, every form and
    optimizer, 8 seeds."""

    seeds: int | None = None
    """How many, 5 if not given; each draws training images, wrong labels, initial weights and
    batches anew."""

    first_seed: int = 100
    """They count up from here. Others confirm what these show."""

    data: str = "mnist"
    """mnist (shipped), digits (of scikit-learn), idx:DIR (four idx files) or tfds:NAME. The last
    5,000 training images, at most a quarter, choose; test images are only reported."""

    pool: int = 2
    """Images are averaged over so many pixels each way; 1 leaves them."""

    model: Annotated[Studied | None, Doc(_about_models())] = None

    norm: Norm | None = None
    """What is normalised inside the network: none of it, each feature over the batch, or each
    image over the features of a layer. If not given, what the network has of its own."""

    dropout: float | None = None
    """Share of units that are zero in a step of the training."""

    hidden: int | None = None
    """Width of the hidden layers."""

    schedule: Literal["constant", "cosine"] | None = None
    """The multiplier s_t of the learning rate: 1, or from 1 to 0 by a half cosine."""

    decayed: Decayed | None = None
    """What decays: all parameters, weights (no biases, no norms), or hidden: those weights without
    the output layer's."""

    examples: int | None = None
    """Training images of each seed."""

    label_noise: float | None = None
    """Share of the training labels that are wrong."""

    batch_size: int | None = None
    """Images in a step."""

    epochs: float | None = None
    """Passes over the training images."""

    learning_rates: tuple[float, float] | None = None
    """Lowest and highest learning rate, instead of those that the coarse pass finds."""

    decays: tuple[float, float] | None = None
    """Lowest and highest decay per step ω (λ for Adam with the penalty in the loss), likewise."""

    rows: int | None = None
    """Learning rates; the distance of two is --row-ratio."""

    row_ratio: float | None = None
    """Ratio of neighbouring learning rates: a power of --ratio."""

    ratio: float | None = None
    """Ratio of neighbouring decays."""

    resume: Path | None = None
    """Folder of a study that was stopped: goes on where it stopped, with its own settings. Of one
    that was finished, draws the page anew."""

    output: Path | None = None
    """Folder of the results; runs/coupling/TIME if not given."""

    per_device: int | None = None
    """Trainings side by side on a device; on CPU 1 if not given, elsewhere what is fastest."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The devices to run on; auto takes what JAX finds."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""


SETTINGS = (
    "model",
    "norm",
    "dropout",
    "hidden",
    "schedule",
    "decayed",
    "examples",
    "label_noise",
    "batch_size",
    "epochs",
)
AROUND = ("resume", "platform", "per_device", "compilation_cache")
"""Options that are no settings of the study: a study that goes on may have others."""
STANDARD: dict[str, Any] = {"regime": ("a", "b"), "optimizers": ("sgd", "adam"), "seeds": 5}
"""Of options that are not given."""
PRESETS: dict[str, dict[str, Any]] = {
    "standard": STANDARD,
    "quick": {**STANDARD, "rows": 4},
    "full": {"regime": ("a", "b", "c"), "optimizers": ("sgd", "momentum", "adam"), "seeds": 8},
}
QUICK_EPOCHS: dict[str, float] = {"a": 16.0, "b": 1000.0, "c": 16.0, "custom": 16.0}


def resolved(config: StudyConfig) -> StudyConfig:
    """The settings with what was not given in its place, once they are known to make sense.

    Raises:
      ConfigError: if they do not.
    """
    _check(config)
    wanted = _preset("full" if config.full else "quick" if config.quick else "standard")
    left = {name: value for name, value in wanted.items() if getattr(config, name) is None}
    return dataclasses.replace(config, **left)


def _preset(name: str) -> dict[str, Any]:
    return {**PRESETS[name], "forms": (NO_DECAY, *in_study(name))}


def _check(config: StudyConfig) -> None:
    options.check_sizes(config)
    options.check_some(config, ("regime", "forms", "optimizers"))
    if config.forms and set(config.forms) == {NO_DECAY}:
        raise ConfigError("--forms: expected one that decays beside none; add decoupled")
    counts = ("seeds", "pool", "hidden", "examples", "batch_size", "rows", "per_device")
    options.check_counts(config, counts)
    options.check_above(config, {"ratio": 1.0, "row_ratio": 1.0, "epochs": 0.0})
    options.check_share(config, "label_noise")
    for name in ("learning_rates", "decays"):
        options.check_span(config, name)


def planned(config: StudyConfig) -> list[Panel]:
    """The heat maps of a resolved configuration, with the grids that their search starts from."""
    given = {name: getattr(config, name) for name in SETTINGS}
    changes = {name: value for name, value in given.items() if value is not None}
    names = ("regime", "optimizers", "forms")
    standard = _preset("standard")
    regime, optimizers, forms = (getattr(config, name) or standard[name] for name in names)
    decaying = [form for form in forms if form != NO_DECAY]
    found = panels(regime, optimizers, decaying, changes)
    if config.quick and config.epochs is None:
        found = [_quickly(panel) for panel in found]
    return [_with_grid(panel, config) for panel in found]


def _quickly(panel: Panel) -> Panel:
    setup = dataclasses.replace(panel.setup, epochs=QUICK_EPOCHS[panel.regime])
    return dataclasses.replace(panel, setup=setup)


def _with_grid(panel: Panel, config: StudyConfig) -> Panel:
    """The panel with the grid that the options ask for."""
    grid = panel.grid
    ratio, row_ratio = config.ratio or grid.ratio, config.row_ratio or grid.row_ratio
    grid = dataclasses.replace(grid, ratio=ratio, row_ratio=row_ratio)
    if config.rows is not None:
        grid = dataclasses.replace(grid, rows=(0, config.rows))
    if config.learning_rates is not None:
        low, _ = config.learning_rates
        count = _count("learning_rates", config.learning_rates, row_ratio)
        grid = dataclasses.replace(grid, learning_rate=low, rows=(0, count))
    if config.decays is not None:
        low, _ = config.decays
        grid = dataclasses.replace(
            grid, decay=low, columns=(0, _count("decays", config.decays, ratio))
        )
    if grid.axis == "rate":
        _ = grid.shift  # refuses ratios by which the views are not one grid
    return dataclasses.replace(panel, grid=grid)


def _count(name: str, ends: tuple[float, float], ratio: float) -> int:
    low, high = ends
    count = math.floor((math.log(high) - math.log(low)) / math.log(ratio) + 1e-9) + 1
    if count > WIDEST:
        raise ConfigError(
            f"--{option(name)}: expected at most {WIDEST} steps of the ratio {ratio:g} between "
            f"the lowest and the highest, got {count:,}; take a larger ratio, or less between them"
        )
    return count


def command_line(config: StudyConfig) -> str:
    """The command that makes the same study.

    >>> command_line(resolved(StudyConfig(full=True, seeds=5, data="digits")))
    'python -m experiments.coupling --full --seeds 5 --data digits'
    """
    standard = resolved(StudyConfig(quick=config.quick, full=config.full))
    sizes = {name: True for name in ("quick", "full") if getattr(config, name)}
    settings = provenance.changed(config, standard, without=(*AROUND, "output"))
    return provenance.command_line("coupling", {**sizes, **settings})
