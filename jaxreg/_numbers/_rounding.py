"""What low precision makes of a small relative change."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def rounds_away(amount: float, dtype: Any) -> float:
    """The share of the numbers w of a dtype for which w·(1 − amount) rounds back to w.

    Between powers of two the numbers are eps·2ᵏ apart and w is m·2ᵏ, 1 < m < 2, so that to round
    to nearest moves w where amount·m > ½eps: never for an amount up to ¼eps (bfloat16: 2⁻⁹,
    float16: 2⁻¹²), always from ½eps on. Powers of two move from ¼eps on. It does not matter in
    which precision the change was computed, since the sum is rounded; numbers below the least
    normal one are not counted.

    >>> [rounds_away(amount, jnp.bfloat16) for amount in (2**-9, 1.6 * 2**-9, 2**-8)]
    [1.0, 0.25, 0.0]
    """
    if amount <= 0:
        return 0.0
    return min(max(float(jnp.finfo(dtype).eps) / (2 * amount) - 1, 0.0), 1.0)
