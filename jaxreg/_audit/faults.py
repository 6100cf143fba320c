"""What is probably not meant: faults of an optimizer's decay, each with its remedy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg._audit.answers import size, text
from jaxreg._audit.verdict import Suspect
from jaxreg._numbers import rounds_away
from jaxreg._select import rules, select

LARGE_SHARE = 0.01 + 1e-6  # of w a step: forgotten within less than a hundred steps
SHOWN = 3  # leaves named in a message
PASSED = (
    "its raw gradient is added to it, an ascent: optax.masked passes on what its mask leaves out; "
    "add optax.masked(optax.set_to_zero(), the other half), or use optax.partition"
)


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something about the decay that is probably not meant.

    Attributes:
      name: "grows", "too large", "after the learning rate", "before the preconditioner", "twice",
        "biases and norms", "nameless", "frozen", "ascends", "stuck schedule", "off schedule" or
        "rounds away".
      message: what was seen and what to do.
      leaves: the names of the leaves that show it; empty if it concerns the optimizer.
    """

    name: str
    message: str
    leaves: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"warning: {self.name}: {self.message}"


Detect = Callable[[Suspect], bool]


def find(suspects: Sequence[Suspect], frozen: Any, stuck: Sequence[str]) -> tuple[Fault, ...]:
    """Every fault that one leaf or more shows."""
    return tuple(_find(suspects, frozen, stuck))


def _find(suspects: Sequence[Suspect], frozen: Any, stuck: Sequence[str]) -> Iterator[Fault]:
    for name, detect, describe in PER_LEAF:
        found = [s for s in suspects if detect(s)]
        if found:
            yield _fault(name, describe(found[0]), found)
    yield from _no_weights([s for s in suspects if s.decays])
    still = [] if frozen is None else _selected(select.where(frozen), suspects)
    yield from _moved(still)
    if ascending := [s for s in suspects if s.answers.ascends and s not in still]:
        yield _fault("ascends", _ascends_message(ascending[0]), ascending)
    yield from (Fault("stuck schedule", message) for message in stuck)


def _no_weights(decaying: Sequence[Suspect]) -> Iterator[Fault]:
    """Decay of what is no weight, or of what the tree does not tell."""
    verdicts = select.weights.verdicts([s.leaf for s in decaying])
    judged = list(zip(decaying, verdicts, strict=True))
    if spared := [s for s, verdict in judged if not verdict.selected]:
        covered = "decays though it is no weight; mask=jaxreg.weights.mask spares biases and norms"
        yield _fault("biases and norms", covered, spared)
    if unknown := [s for s, verdict in judged if not verdict.certain]:
        covered = (
            "decays, and the tree has no name to tell whether it is a weight; name the leaves, or "
            "give a mask of bools"
        )
        yield _fault("nameless", covered, unknown)


def _selected(rule: rules.Where, suspects: Sequence[Suspect]) -> list[Suspect]:
    chosen = rule.selected([s.leaf for s in suspects])
    return [s for s, on in zip(suspects, chosen, strict=True) if on]


def _moved(still: Sequence[Suspect]) -> Iterator[Fault]:
    """Leaves that must not move and do, by what moves them."""
    kinds: dict[str, list[Suspect]] = {}
    for s in still:
        if s.decays or s.answers.is_moved:
            kinds.setdefault(_moved_message(s), []).append(s)
    yield from (_fault("frozen", message, found) for message, found in kinds.items())


def _moved_message(s: Suspect) -> str:
    if s.decays:
        return "is to be frozen, but decays; leave it out by where= or an outer optax.masked"
    if s.answers.passes_gradients:
        return f"is to be frozen, but {PASSED}"
    return (
        "is to be frozen, but moves; give it a label of its own in optax.partition, with "
        "optax.set_to_zero()"
    )


def _fault(name: str, message: str, found: Sequence[Suspect]) -> Fault:
    names = tuple(s.leaf.name or "." for s in found)
    shown = ", ".join(names[:SHOWN]) + f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return Fault(name, f"{shown}: {message}", names)


def _ascends_message(s: Suspect) -> str:
    if s.answers.passes_gradients:
        return PASSED
    return (
        "its steps go up the gradient; if that is not meant, scale by −learning_rate, as "
        "optax.scale_by_learning_rate does"
    )


def _grows(s: Suspect) -> bool:
    if s.audited.scales_with == "gradient":
        return (s.audited.coefficient or 0) < 0
    return s.share < 0 or (s.share == 0 and s.decays and s.answers.is_pushed_away)


def _grows_message(s: Suspect) -> str:
    by = -(s.share or s.audited.coefficient or 0)
    growth = f", by {text(by)}·w" if by else ""
    return (
        f"weights grow{growth}: the decay has the wrong sign, as where optax.add_decayed_weights "
        f"or jaxreg.add_penalty_gradient stands after the learning rate; put that first, or use "
        f"jaxreg.decoupled_decay"
    )


def _too_large(s: Suspect) -> bool:
    if s.share < LARGE_SHARE or s.audited.form == "trust ratio":
        return False
    under_gradients = s.answers.rates(s.answers.odd())  # less, where a division by them is in it
    return s.grown * float(np.abs(under_gradients).max()) >= LARGE_SHARE


def _too_large_message(s: Suspect) -> str:
    return (
        f"a step takes away {text(s.share)}·w, so that weights are forgotten within "
        f"{max(1, round(1 / s.share))} steps; is the decay not multiplied by the learning rate?"
    )


def _unscaled(s: Suspect) -> bool:
    return s.audited.scales_with == "nothing" and s.decays


def _unscaled_message(s: Suspect) -> str:
    return (
        "the decay does not follow the learning rate; if independent decay is not meant, use "
        "jaxreg.decoupled_decay(rate, learning_rate)"
    )


def _through_preconditioner(s: Suspect) -> bool:
    return s.preconditioned and s.also is None


def _through_preconditioner_message(s: Suspect) -> str:
    return (
        "the decay is added to the gradient and then rescaled by the optimizer, as in Adam with "
        "L2; for decay in proportion to w use jaxreg.decoupled_decay after the optimizer"
    )


def _twice_in_chain(s: Suspect) -> bool:
    return s.also is not None


def _twice_message(s: Suspect) -> str:
    return (
        f"decays twice: {text(s.audited.coefficient)}·w in the gradient and {text(s.also)}·w "
        f"beside the step; keep one of the two"
    )


def _twice_in_loss(s: Suspect) -> bool:
    return s.in_loss > 0 and s.decays


def _twice_in_loss_message(s: Suspect) -> str:
    return (
        f"the loss holds a penalty λ‖w‖² with λ = {text(s.in_loss / 2)}, and the optimizer decays "
        f"as well ({s.audited.form}); keep one of the two"
    )


def _ignores_gradients(s: Suspect) -> bool:
    alone, under = s.answers.at(0.0, 1.0), s.answers.at(1.0, 1.0)
    return size(alone) > 0 and size(under - alone) == 0


def _ignores_gradients_message(s: Suspect) -> str:
    return (
        "frozen, for no gradient moves it, but it decays; put the decay inside what freezes, or "
        "leave the leaf out by where="
    )


def _off_schedule(s: Suspect) -> bool:
    return s.pace == "without the schedule" and not _ignores_gradients(s)


def _off_schedule_message(s: Suspect) -> str:
    return (
        "the steps follow a schedule, but the decay is the same at every step; give "
        "jaxreg.decoupled_decay the same schedule as learning_rate"
    )


def _rounds_away(s: Suspect) -> bool:
    """Whether most entries stay what they are when w − share·w is rounded to their dtype.

    In float32 and wider the gradient steps, added together with the decay, are far longer than
    rounding.
    """
    if jnp.finfo(s.leaf.value.dtype).bits >= 32:
        return False
    settled = s.pace != "its own schedule"  # such as an estimate that begins small
    return settled and rounds_away(s.share, s.leaf.value.dtype) > 0.5


def _rounds_away_message(s: Suspect) -> str:
    return (
        f"a step takes away {text(s.share)}·w, which {s.leaf.value.dtype} rounds to nothing; "
        f"keep the parameters in float32"
    )


PER_LEAF: tuple[tuple[str, Detect, Callable[[Suspect], str]], ...] = (
    ("grows", _grows, _grows_message),
    ("too large", _too_large, _too_large_message),
    ("after the learning rate", _unscaled, _unscaled_message),
    ("before the preconditioner", _through_preconditioner, _through_preconditioner_message),
    ("twice", _twice_in_chain, _twice_message),
    ("twice", _twice_in_loss, _twice_in_loss_message),
    ("frozen", _ignores_gradients, _ignores_gradients_message),
    ("off schedule", _off_schedule, _off_schedule_message),
    ("rounds away", _rounds_away, _rounds_away_message),
)
