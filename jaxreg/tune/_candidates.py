"""Series of strengths, and the candidates among points."""

from __future__ import annotations

import numpy as np
from jax import dtypes

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained


@explained
def strengths(
    low: float = 1e-5, high: float = 1e-2, count: int = 20, *, zero: bool = False
) -> np.ndarray:
    """Strengths to try: from ``low`` to ``high`` in equal steps of the logarithm.

    A strength matters by its order of magnitude: between 1e-5 and 1e-2 equal steps of the number
    itself would leave out all but the last decade. No logarithm reaches 0, the training without a
    penalty; ``zero`` puts it first. For a penalty that makes parameters zero the series from the
    strength that makes all of them zero, `jaxreg.diagnostics.strength_max`, is
    ``strengths(1e-3 * top, top)``.

    Args:
      low: the smallest, above 0.
      high: the largest.
      count: how many, without the 0.
      zero: whether to begin with 0.

    Returns:
      An array of shape (count,), or (count + 1,) with ``zero``, increasing.

    Raises:
      ValueError: if not 0 < low < high, both finite, or ``count`` is below 2.

    >>> strengths(1e-4, 1e-2, 3, zero=True)
    array([0.    , 0.0001, 0.001 , 0.01  ], dtype=float32)
    """
    low, high = (_numbers.positive(f"strengths: {n}", x) for n, x in (("low", low), ("high", high)))
    if not float(low) < float(high):
        raise ValueError(f"strengths: expected low < high, got {low:g} and {high:g}")
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 2:
        raise ValueError(f"strengths: count: expected an integer of at least 2, got {brief(count)}")
    series = np.geomspace(float(low), float(high), count)
    dtype = dtypes.canonicalize_dtype(np.float64)
    return np.concatenate([[0.0] * bool(zero), series]).astype(dtype)
