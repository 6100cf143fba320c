"""What a form of decay is: the record whose rows `experiments.forms` lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import optax

MOMENTUM = 0.9

Axis = Literal["strength", "rate"]
"""The numbers that a decay can be given by: λ, or ω, the decay per step."""


class Settings(Protocol):
    """What a form reads of a resolved configuration; the numbers may be traced."""

    @property
    def strength(self) -> float: ...
    @property
    def l1_strength(self) -> float | None: ...
    @property
    def rate(self) -> float | None: ...
    @property
    def penalty(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def optimizer(self) -> str: ...


class Ingredients(NamedTuple):
    """What an optimizer with decay is made of."""

    settings: Settings
    base: Any  # the optimizer without decay
    penalty: Any  # with its strengths, on the parameters that decay
    where: Any  # a rule: which ones do
    learning_rate: Any  # η_t = α·s_t, a number or a schedule
    multiplier: Any  # s_t alone, likewise


class Rate(NamedTuple):
    """The ω of a form that takes one, where it is not given."""

    symbol: str
    of: Callable[[float, float], float]  # (λ, α)


class Names(NamedTuple):
    """What a form is called in a study, with one optimizer."""

    title: str
    strength: str  # by its λ
    rate: str | None  # by its ω; None if it has no decay per step


@dataclasses.dataclass(frozen=True)
class Study:
    """How a form is studied.

    Attributes:
      option: what the help of the study's ``--forms`` says of it.
      names: by optimizer.
      presets: of quick, standard and full, those that have it.
      shown_by: the form whose heat map shows this one too, by optimizer; its own where none is
        named.
      trained_as: the form that its heat map trains, if that is another.
    """

    option: str
    names: Mapping[str, Names]
    presets: tuple[str, ...] = ("full",)
    shown_by: Mapping[str, str] = dataclasses.field(default_factory=dict)
    trained_as: str | None = None


@dataclasses.dataclass(frozen=True)
class Form:
    """A form of decay.

    Attributes:
      name: on the command line and in records.
      option: what the help of ``--coupling`` says of it.
      describe: one line, the formula with its numbers.
      code: the call that makes it, in a few words.
      build: the transformations in their order, the optimizer among them.
      in_loss: whether the penalty is added to the loss.
      penalties: those that it takes.
      rate: the ω that equals λ, for the forms that take ``--rate``.
      through_momentum: whether decay passes through the optimizer's momentum.
      contrasted: the forms that ``--contrast`` holds it against.
      study: None if no study has it.
    """

    name: str
    option: str
    describe: Callable[[Form, Settings], str]
    code: Callable[[Form, Settings], str]
    build: Callable[[Form, Ingredients], list[optax.GradientTransformation]]
    in_loss: bool = False
    penalties: tuple[str, ...] = ("l2", "l1", "elastic_net")
    rate: Rate | None = None
    through_momentum: bool = True
    contrasted: tuple[str, ...] = ("loss",)
    study: Study | None = None

    def decay_rate(self, settings: Settings) -> float:
        """ω: as it was given, or the one that equals λ."""
        if settings.rate is not None:
            return settings.rate
        if self.rate is None:
            raise ValueError(f"rate: expected a form that takes one, got {self.name}")
        return self.rate.of(settings.strength, settings.learning_rate)

    def reach(self, optimizer: str) -> float:
        """What momentum μ makes of a decay that passes through it: 1/(1 − μ), else 1."""
        through = self.through_momentum and optimizer == "momentum"
        return 1 / (1 - MOMENTUM) if through else 1.0

    @property
    def axis(self) -> Axis:
        """The number that it is trained by."""
        return "strength" if self.rate is None else "rate"

    @property
    def studied(self) -> Study:
        """How it is studied, of a form that is."""
        if self.study is None:
            raise ValueError(f"form: expected one that is studied, got {self.name}")
        return self.study

    def shown_by(self, optimizer: str) -> str:
        """The form whose heat map shows this one."""
        return self.studied.shown_by.get(optimizer, self.name)

    def views(self, optimizer: str) -> tuple[Axis, ...]:
        """The numbers that its decay can be given by."""
        both: tuple[Axis, ...] = ("strength", "rate")
        return both if self.studied.names[optimizer].rate is not None else ("strength",)
