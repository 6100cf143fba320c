"""Arrays of one leaf: random directions, and what is looked for in updates, [steps, size]."""

from __future__ import annotations

from typing import Any

import numpy as np


def first_with_update(updates: np.ndarray) -> int:
    return int(np.argmax(np.abs(updates).max(axis=1, initial=0.0) > 0))


def along(updates: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Re⟨w, u⟩ of every update. Not by BLAS, whose threads wait for each other on small arrays."""
    return np.sum(np.real(updates * np.conj(w)), axis=-1)


def narrow(array: np.ndarray) -> np.ndarray:
    """Rounded to what float32 holds."""
    dtype = np.complex64 if np.iscomplexobj(array) else np.float32
    return array.astype(dtype).astype(array.dtype)


def drawn(shape: tuple[int, ...], dtype: Any, seed: tuple[int, int]) -> np.ndarray:
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    sign = rng.choice([-1.0, 1.0], size)
    if dtype == np.complex128:
        sign = np.exp(1j * rng.uniform(0, 2 * np.pi, size))
    return rng.uniform(0.5, 1.5, size) * sign
