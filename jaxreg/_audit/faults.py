"""What is probably not meant: faults of an optimizer's decay, each with its remedy.

Each check looks at one leaf and returns the message, or None; the leaves of one fault share the
message of the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg._audit.answers import TOLERANCE, Answers, size
from jaxreg._audit.arrays import along
from jaxreg._audit.probes import UNDER_GRADIENT, Probe
from jaxreg._audit.record import Fault, LeafAudit, text
from jaxreg._numbers import rounds_away
from jaxreg._select import select

LARGE_SHARE = 0.01 + 1e-6  # of w a step: forgotten within less than a hundred steps
SHOWN = 3  # leaves named in a message
UPHILL = 0.1  # cosine of a step with its gradient
PASSED = (
    "its raw gradient is added to it, an ascent: optax.masked passes on what its mask leaves out; "
    "add optax.masked(optax.set_to_zero(), the other half), or use optax.partition"
)
Leaves = Sequence[tuple[LeafAudit, Answers]]


def find(leaves: Leaves, frozen: Any) -> tuple[Fault, ...]:
    """Every fault that one leaf or more shows."""
    return tuple(_find(leaves, frozen))


def _find(leaves: Leaves, frozen: Any) -> Iterator[Fault]:
    for name, check in CHECKS:
        yield from _faults(name, check, leaves, as_one=True)
    yield from _no_weights([leaf for leaf in leaves if leaf[0].decays])
    still = [] if frozen is None else _selected(frozen, leaves)
    yield from _faults("frozen", _moves, still)
    held = set(map(id, still))
    moving = [leaf for leaf in leaves if id(leaf) not in held]
    yield from _faults("ascends", _ascends, moving, as_one=True)
    yield from _stuck(leaves[0][1])


def _faults(name: str, check: Check, leaves: Leaves, as_one: bool = False) -> Iterator[Fault]:
    """One fault for each message, or with the first of them for all."""
    kinds: dict[str, list[str]] = {}
    for found, answers in leaves:
        if message := check(found, answers):
            key = next(iter(kinds), message) if as_one else message
            kinds.setdefault(key, []).append(found.name or ".")
    yield from (_fault(name, message, names) for message, names in kinds.items())


def _fault(name: str, message: str, names: Sequence[str]) -> Fault:
    shown = ", ".join(names[:SHOWN]) + f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return Fault(name, f"{shown}: {message}", tuple(names))


# --- the decay of a leaf ---


def _grows(found: LeafAudit, answers: Answers) -> str | None:
    if found.is_coupled:
        grows = (found.coefficient or 0) < 0
    else:
        grows = found.share < 0 or (found.share == 0 and found.decays and _is_pushed_away(answers))
    if not grows:
        return None
    by = -(found.share or found.coefficient or 0)
    growth = f", by {text(by)}·w" if by else ""
    return (
        f"weights grow{growth}: the decay has the wrong sign, as where optax.add_decayed_weights "
        f"or jaxreg.add_penalty_gradient stands after the learning rate; put that first, or use "
        f"jaxreg.decoupled_decay"
    )


def _is_pushed_away(answers: Answers) -> bool:
    """Whether updates without gradients lead away from the centre, entry by entry."""
    outward = np.real(answers.alone[answers.active] * np.conj(answers.direction))
    return bool(np.all(outward >= 0) and np.any(outward > 0))


def _too_large(found: LeafAudit, answers: Answers) -> str | None:
    if found.share < LARGE_SHARE or found.form == "trust ratio":
        return None
    grown = abs(found.share) / (abs(found.largest) or 1.0)  # beyond the steps asked for
    under_gradients = answers.rates(answers.odd())  # less, where a division by them is in it
    if not grown * float(np.abs(under_gradients).max()) >= LARGE_SHARE:
        return None
    return (
        f"a step takes away {text(found.share)}·w, so that weights are forgotten within "
        f"{max(1, round(1 / found.share))} steps; is the decay not multiplied by the learning rate?"
    )


def _unscaled(found: LeafAudit, _: Answers) -> str | None:
    if found.scales_with != "nothing":
        return None
    return (
        "the decay does not follow the learning rate; if independent decay is not meant, use "
        "jaxreg.decoupled_decay(rate, learning_rate)"
    )


def _through_preconditioner(found: LeafAudit, _: Answers) -> str | None:
    if not found.preconditioned or found.also is not None:
        return None
    return (
        "the decay is added to the gradient and then rescaled by the optimizer, as in Adam with "
        "L2; for decay in proportion to w use jaxreg.decoupled_decay after the optimizer"
    )


def _twice_in_chain(found: LeafAudit, _: Answers) -> str | None:
    if found.also is None:
        return None
    return (
        f"decays twice: {text(found.coefficient)}·w in the gradient and {text(found.also)}·w "
        f"beside the step; keep one of the two"
    )


def _twice_in_loss(found: LeafAudit, _: Answers) -> str | None:
    if found.in_loss == 0 or not found.decays:
        return None
    return (
        f"the loss holds a penalty λ‖w‖² with λ = {text(found.in_loss / 2)}, and the optimizer "
        f"decays as well ({found.form}); keep one of the two"
    )


def _ignores_gradients(_: LeafAudit, answers: Answers) -> str | None:
    alone, under = answers.alone, answers.under_gradient
    if not (size(alone) > 0 and size(under - alone) == 0):
        return None
    return (
        "frozen, for no gradient moves it, but it decays; put the decay inside what freezes, or "
        "leave the leaf out by where="
    )


def _off_schedule(found: LeafAudit, answers: Answers) -> str | None:
    if found.pace != "without the schedule" or _ignores_gradients(found, answers):
        return None
    return (
        "the steps follow a schedule, but the decay is the same at every step; give "
        "jaxreg.decoupled_decay the same schedule as learning_rate"
    )


def _rounds_away(found: LeafAudit, answers: Answers) -> str | None:
    """Where most entries stay what they are when w − share·w is rounded to their dtype.

    In float32 and wider the gradient steps, added together with the decay, are far longer than
    rounding. A decay with a schedule of its own may be an estimate that begins small.
    """
    dtype = answers.leaf.value.dtype
    if jnp.finfo(dtype).bits >= 32 or found.pace == "its own schedule":
        return None
    if not rounds_away(found.share, dtype) > 0.5:
        return None
    return (
        f"a step takes away {text(found.share)}·w, which {dtype} rounds to nothing; "
        f"keep the parameters in float32"
    )


Check = Callable[[LeafAudit, Answers], str | None]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("grows", _grows),
    ("too large", _too_large),
    ("after the learning rate", _unscaled),
    ("before the preconditioner", _through_preconditioner),
    ("twice", _twice_in_chain),
    ("twice", _twice_in_loss),
    ("frozen", _ignores_gradients),
    ("off schedule", _off_schedule),
    ("rounds away", _rounds_away),
)


# --- which leaves decay, and which move ---


def _no_weights(decaying: Leaves) -> Iterator[Fault]:
    """Decay of what is no weight, or of what the tree does not tell."""
    verdicts = select.weights.verdicts([answers.leaf for _, answers in decaying])
    names = [found.name or "." for found, _ in decaying]
    judged = list(zip(names, verdicts, strict=True))
    if spared := [name for name, verdict in judged if not verdict.selected]:
        covered = "decays though it is no weight; mask=jaxreg.weights.mask spares biases and norms"
        yield _fault("biases and norms", covered, spared)
    if unknown := [name for name, verdict in judged if not verdict.certain]:
        covered = (
            "decays, and the tree has no name to tell whether it is a weight; name the leaves, or "
            "give a mask of bools"
        )
        yield _fault("nameless", covered, unknown)


def _selected(frozen: Any, leaves: Leaves) -> Leaves:
    chosen = select.where(frozen).selected([answers.leaf for _, answers in leaves])
    return [leaf for leaf, on in zip(leaves, chosen, strict=True) if on]


def _moves(found: LeafAudit, answers: Answers) -> str | None:
    if found.decays:
        return "is to be frozen, but decays; leave it out by where= or an outer optax.masked"
    probed = answers.under_gradient, answers.step, answers.alone
    if not any(size(updates) > 0 for updates in probed):
        return None
    if _passes_gradients(answers):
        return f"is to be frozen, but {PASSED}"
    return (
        "is to be frozen, but moves; give it a label of its own in optax.partition, with "
        "optax.set_to_zero()"
    )


def _passes_gradients(answers: Answers) -> bool:
    """Whether each update is the gradient itself."""
    gradients = answers.probes.gradient(UNDER_GRADIENT, answers.index)
    return size(answers.step - gradients) <= TOLERANCE * size(gradients)


def _ascends(_: LeafAudit, answers: Answers) -> str | None:
    """Where every update leads up the gradient."""
    probe = Probe(gradient=1.0, place=0.0, constant=True)
    steps = answers.to(probe)
    steps = steps[np.any(steps, axis=1)]
    gradient = answers.probes.gradient(probe, answers.index)[0]
    lengths = np.sqrt(along(steps, steps) * along(gradient, gradient))
    if not (steps.size and np.all(along(steps, gradient) > UPHILL * lengths)):
        return None
    if _passes_gradients(answers):
        return PASSED
    return (
        "its steps go up the gradient; if that is not meant, scale by −learning_rate, as "
        "optax.scale_by_learning_rate does"
    )


# --- the optimizer ---


def _stuck(answers: Answers) -> Iterator[Fault]:
    """Counters in the state that stay at 0 while the updates depend on them."""
    probes = answers.probes
    if not any(size(update) for update in probes.updates(UNDER_GRADIENT)):
        return
    stuck = (i for i, counter in enumerate(probes.counters.T) if not counter.any())
    if any(probes.matters(i) for i in stuck):
        message = (
            f"a counter in the state is still 0 after {answers.steps} updates, and the updates "
            f"depend on it; return the state with its count raised, as optax.safe_increment(count) "
            f"does"
        )
        yield Fault("stuck schedule", message)
