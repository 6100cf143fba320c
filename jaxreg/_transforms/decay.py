"""Weight decay beside the gradient step, and where low precision rounds it away."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from jaxreg import _numbers, _trees
from jaxreg._messages.calls import explained
from jaxreg._numbers import rounds_away
from jaxreg._select.rules import Where
from jaxreg._select.select import where as rule
from jaxreg._transforms.frame import transformation
from jaxreg._transforms.schedules import ScalarOrSchedule, number_at, number_or_schedule
from jaxreg._trees import Leaf, leaves_of

ADVICE = (
    "write optax.chain(optimizer, decoupled_decay(rate, learning_rate)), with the learning rate of "
    "the optimizer, or 1.0 for decay that does not depend on it"
)


@explained
def decoupled_decay(
    rate: ScalarOrSchedule,
    learning_rate: ScalarOrSchedule,
    *,
    where: Any = None,
    reference: Any = None,
    cautious: bool = False,
) -> optax.GradientTransformation:
    """Weight decay beside the gradient step, last in the chain: never seen by the optimizer.

    u ← u − learning_rate_t · rate_t · (w − reference).

    With the optimizer's own learning rate it is AdamW of PyTorch and optax:
    ``optax.chain(optax.adam(lr), decoupled_decay(ω, lr))`` equals ``optax.adamw(lr,
    weight_decay=ω)``. With the schedule's multiplier s_t alone in its place it is AdamW and SGDW
    as published, where the decay does not depend on the base learning rate. Only for plain SGD
    does ω = 2λ equal the penalty λ‖w‖² in the loss; for Adam no λ does.

    >>> optimizer = optax.chain(optax.sgd(0.1), decoupled_decay(0.5, 0.1))
    >>> params = jnp.array([1.0, -2.0])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> updates
    Array([-0.05,  0.1 ], dtype=float32)

    Published variants are chains of it; ``lr`` is the schedule η_t = s_t·α:

    - independent: ``decoupled_decay(ω, s)`` with the multiplier ``s`` alone;
    - normalised to the length of training: ``decoupled_decay(from_normalized_decay(…), s)``, where
      `jaxreg.convert.from_normalized_decay` gives λ_norm·√(b/(BT));
    - scheduled: ``decoupled_decay(lambda step: …, lr)``;
    - corrected (AdamC), η_t²/η_max on layers that a normalisation follows and η_t on the rest:
      ``decoupled_decay(ω, lambda t: lr(t)**2 / peak, where=normalised)`` and
      ``decoupled_decay(ω, lr, where=~normalised)``;
    - to the start: ``decoupled_decay(ω, lr, reference=params)``; L2-SP is that on the pretrained
      leaves, and ``decoupled_decay(β, lr, where="head")`` on the new ones;
    - cautious: ``cautious=True``.

    "Last" has exceptions. Inside ``optax.contrib.schedule_free`` the decay belongs to the base
    optimizer; ``optax.contrib.reduce_on_plateau`` comes after the decay; ``optax.MultiSteps`` goes
    around the whole chain; a leaf that ``optax.set_to_zero`` holds still is left out by ``where``,
    or a mask goes around both.

    In bfloat16 and float16, w·(1 − learning_rate·rate) may round back to w: always where the
    product is at most eps/4 (2⁻⁹ and 2⁻¹²). Keep the parameters in float32.

    Args:
      rate: ω ≥ 0, decay per unit of ``learning_rate``; a number, traced value or schedule.
      learning_rate: what multiplies the rate; likewise. No default, since this is the choice.
      where: which leaves decay, as for `jaxreg.where`; None for all.
      reference: a tree like the parameters that they decay to, instead of 0; copied, and found
        by leaf name, so that it works inside masks.
      cautious: decays only entries whose update points towards the reference already, so that
        the minimiser of the data loss stays one.

    Returns:
      A transformation whose ``update`` needs ``params``. Leaves outside ``where``, and updates
      that are None, are left as they are.

    Raises:
      TypeError: if a rate is neither a number nor a schedule.
      ValueError: if a Python number is negative or not finite; in ``init``, if ``where`` matches
        no leaf or ``reference`` lacks one; in ``update``, without parameters, or if updates and
        parameters are different trees.

    Warns:
      UserWarning: in ``init``, if both factors are Python numbers whose product rounds away in
        the dtype of a leaf narrower than float32.

    References: Loshchilov & Hutter 2019, *Decoupled weight decay regularization*
    (arXiv:1711.05101); Wortsman et al. 2023, *Small-scale proxies for large-scale transformer
    training instabilities* (arXiv:2309.14322); Defazio 2025, *Why gradients rapidly increase near
    the end of training* (arXiv:2506.02285); Li et al. 2018, *Explicit inductive bias for transfer
    learning* (arXiv:1802.01483); Chen et al. 2025, *Cautious weight decay* (arXiv:2510.12402).
    """
    ω = number_or_schedule("decoupled_decay", "rate", rate, ADVICE)
    η = number_or_schedule("decoupled_decay", "learning_rate", learning_rate, ADVICE)
    chosen = rule(where)
    if reference is not None:
        leaves_of("decoupled_decay, reference", reference)
    named = None if reference is None else _trees.named_copy(reference)

    def notice(leaves: Sequence[Leaf]) -> None:
        if _numbers.is_python(ω) and _numbers.is_python(η):
            _warn_of_rounding(η * ω, chosen, leaves)

    def move(updates: Sequence[Any], leaves: Sequence[Leaf], count: Any) -> list[Any]:
        factors = (
            jnp.asarray(number_at("decoupled_decay", "learning_rate", η, count)),
            jnp.asarray(number_at("decoupled_decay", "rate", ω, count)),
        )
        rows = zip(updates, leaves, chosen.selected(leaves), strict=True)
        return [
            _decayed(u, leaf, factors, named, cautious) if on and u is not None else u
            for u, leaf, on in rows
        ]

    return transformation("decoupled_decay", move, notice)


def _decayed(u: Any, leaf: Leaf, factors: Any, named: Any, cautious: bool) -> Any:
    w = jnp.asarray(leaf.value)
    real = _numbers.real_dtype(
        _numbers.widen(w).dtype
    )  # schedules are float32 whatever the parameters
    learning_rate, rate = (factor.astype(real) for factor in factors)
    amount = learning_rate * rate
    distance = w if named is None else w - _trees.named(named, leaf).astype(w.dtype)
    decay = amount.astype(w.dtype) * distance
    if cautious:
        towards = jnp.real(jnp.conj(u) * _numbers.cast(distance, u.dtype)) <= 0
        decay = jnp.where(towards, decay, 0)
    return u - _numbers.cast(decay, u.dtype)


def _warn_of_rounding(amount: float, chosen: Where, leaves: Sequence[Leaf]) -> None:
    """Not of float32 and wider, where gradient steps are far longer than rounding."""
    shares = {
        leaf.name or "the array": rounds_away(amount, leaf.value.dtype)
        for leaf in itertools.compress(leaves, chosen.selected(leaves))
        if jnp.finfo(leaf.value.dtype).bits < 32
    }
    lost = [name for name, share in shares.items() if share > 0]
    if lost:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        warnings.warn(
            f"decoupled_decay: expected a decay that survives rounding, got learning_rate·rate = "
            f"{amount:.3g}, by which {max(shares.values()):.0%} of the values of "
            f"{', '.join(lost[:3])}{more} round back to themselves; keep the parameters in "
            f"float32, as a master copy of the low-precision ones",
            UserWarning,
            stacklevel=4,
        )
