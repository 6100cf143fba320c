"""λ in other conventions, and back. jaxreg's own: mean data loss + λ Σ|w|² (+ λ₁ Σ|w|), no ½.

Each pair ``to_x(strength, …)``, ``from_x(number, …)`` is exact and each other's inverse; whatever
is not equivalent has no function here. Numbers may be traced. ``examples`` is the size n of the
training set, where the other side sums over it instead of taking the mean.

There is no conversion between the penalty in the loss and decoupled decay under Adam: no λ makes
them equal (Loshchilov & Hutter 2019, proposition 2).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple


def to_torch_weight_decay(strength: Any) -> Any:
    """PyTorch's ``weight_decay`` in SGD and Adam, and ``optax.add_decayed_weights`` before one.

    They add d·w to the gradient, that is ½d‖w‖² to the loss: d = 2λ.

    >>> to_torch_weight_decay(5e-5)
    0.0001
    """
    return 2 * strength


def from_torch_weight_decay(weight_decay: Any) -> Any:
    """λ = d/2 for PyTorch's ``weight_decay`` d in SGD and Adam.

    >>> from_torch_weight_decay(1e-4)
    5e-05
    """
    return weight_decay / 2


def to_keras_l2(strength: Any) -> Any:
    """The argument of Keras's ``regularizers.L2``, which penalises l2·Σw²: the same number.

    >>> to_keras_l2(0.01)
    0.01
    """
    return strength


def from_keras_l2(l2: Any) -> Any:
    """λ for ``keras.regularizers.L2(l2)``: the same number.

    >>> from_keras_l2(0.01)
    0.01
    """
    return l2


def to_ridge_alpha(strength: Any, examples: int, *, half: bool = False) -> Any:
    """scikit-learn's ``Ridge(alpha)``, which minimises Σ(y − Xw)² + alpha·‖w‖².

    Args:
      strength: λ beside the mean squared error, or beside half of it.
      examples: n.
      half: whether the data loss is ½·mean((y − Xw)²).

    Returns:
      nλ, or 2nλ with ``half``.

    >>> to_ridge_alpha(0.25, examples=8)
    2.0
    """
    return (2 if half else 1) * examples * strength


def from_ridge_alpha(alpha: Any, examples: int, *, half: bool = False) -> Any:
    """λ for scikit-learn's ``Ridge(alpha)``; the inverse of `to_ridge_alpha`.

    >>> from_ridge_alpha(2.0, examples=8)
    0.25
    """
    return alpha / ((2 if half else 1) * examples)


Norm = Literal["l1", "l2"]


def to_logistic_c(strength: Any, examples: int, norm: Norm = "l2") -> Any:
    """scikit-learn's ``LogisticRegression(C)``, which minimises C·Σ loss + ½‖w‖² (or + ‖w‖₁).

    Args:
      strength: λ beside the mean cross-entropy: of Σ|w|², or of Σ|w| with ``norm="l1"``.
      examples: n.
      norm: ``"l2"`` or ``"l1"``.

    Returns:
      1/(2nλ), or 1/(nλ₁) for l1.

    Raises:
      ValueError: if ``norm`` is neither.

    >>> to_logistic_c(0.25, examples=8)
    0.25
    """
    return 1 / (_norm_factor(norm) * examples * strength)


def from_logistic_c(c: Any, examples: int, norm: Norm = "l2") -> Any:
    """λ for scikit-learn's ``LogisticRegression(C=c)``; the inverse of `to_logistic_c`.

    >>> from_logistic_c(0.25, examples=8)
    0.25
    """
    return 1 / (_norm_factor(norm) * examples * c)


def _norm_factor(norm: Norm) -> int:
    factors = {"l2": 2, "l1": 1}
    if norm not in factors:
        raise ValueError(f"norm: expected 'l2' or 'l1', got {norm!r}")
    return factors[norm]


class ElasticNetParameters(NamedTuple):
    """scikit-learn's parametrisation: alpha·(l1_ratio·‖w‖₁ + ½(1 − l1_ratio)·‖w‖²)."""

    alpha: Any
    l1_ratio: Any


class ElasticNetStrengths(NamedTuple):
    """jaxreg's: l1·Σ|w| + l2·Σ|w|², as in ``elastic_net(l1=…, l2=…)``."""

    l1: Any
    l2: Any


def to_elastic_net(*, l1: Any, l2: Any, half: bool = True) -> ElasticNetParameters:
    """scikit-learn's ``ElasticNet(alpha, l1_ratio)``, whose data loss is ½·mean((y − Xw)²).

    Args:
      l1: λ₁ of Σ|w|.
      l2: λ of Σ|w|².
      half: whether λ₁ and λ stand beside half the mean squared error, as there; False: beside
        the mean squared error itself.

    Returns:
      ``(alpha, l1_ratio)`` with alpha = λ₁ + 2λ and l1_ratio = λ₁/(λ₁ + 2λ); alpha is halved
      where ``half`` is False.

    >>> to_elastic_net(l1=0.5, l2=0.25)
    ElasticNetParameters(alpha=1.0, l1_ratio=0.5)
    """
    both = l1 + 2 * l2
    return ElasticNetParameters(both if half else both / 2, l1 / both)


def from_elastic_net(alpha: Any, l1_ratio: Any, *, half: bool = True) -> ElasticNetStrengths:
    """λ₁ and λ for scikit-learn's ``ElasticNet(alpha, l1_ratio)``.

    >>> from_elastic_net(1.0, 0.5)
    ElasticNetStrengths(l1=0.5, l2=0.25)
    """
    both = alpha if half else 2 * alpha
    return ElasticNetStrengths(both * l1_ratio, both * (1 - l1_ratio) / 2)


def to_paper_decay(strength: Any, learning_rate: Any, momentum: Any = 0.0) -> Any:
    """The decay of SGDW as published, w ← (1 − s_t·decay)·w, that equals λ‖w‖² in the loss.

    Exact for plain SGD; with momentum μ it has the same stationary points. For Adam there is no
    such number.

    Args:
      strength: λ.
      learning_rate: the base learning rate, without the schedule's multiplier s_t.
      momentum: μ.

    Returns:
      2·learning_rate·λ/(1 − μ).

    >>> to_paper_decay(5e-5, learning_rate=0.5)
    5e-05
    """
    return 2 * learning_rate * strength / (1 - momentum)


def from_paper_decay(decay: Any, learning_rate: Any, momentum: Any = 0.0) -> Any:
    """λ for a decay of SGDW as published; the inverse of `to_paper_decay`.

    >>> from_paper_decay(5e-5, learning_rate=0.5)
    5e-05
    """
    return decay * (1 - momentum) / (2 * learning_rate)


def to_normalized_decay(decay: Any, *, batch_size: int, examples: int, epochs: int) -> Any:
    """The normalised decay of the AdamW paper (appendix B.1) for a decay per step.

    decay = normalised·√(b/(n·T)), meant to make one number do for any length of training.

    Args:
      decay: the published decay per step, before the schedule's multiplier.
      batch_size: b.
      examples: n.
      epochs: T; with warm restarts, the epochs of the current restart.

    Returns:
      decay·√(nT/b).

    >>> to_normalized_decay(0.01, batch_size=100, examples=1000, epochs=10)
    0.1
    """
    return decay * (examples * epochs / batch_size) ** 0.5


def from_normalized_decay(normalized: Any, *, batch_size: int, examples: int, epochs: int) -> Any:
    """The decay per step for a normalised decay; the inverse of `to_normalized_decay`.

    >>> from_normalized_decay(0.1, batch_size=100, examples=1000, epochs=10)
    0.01
    """
    return normalized / (examples * epochs / batch_size) ** 0.5
