"""λ in other conventions, and back. jaxreg's own: mean data loss + λ Σ|w|² (+ λ₁ Σ|w|), no ½.

Each pair ``to_x(strength, …)``, ``from_x(number, …)`` is exact and each other's inverse; whatever
is not equivalent has no function here. Numbers may be traced. ``examples`` is the size n of the
training set, where the other side sums over it instead of taking the mean. Python numbers that are
negative or not finite raise a ValueError, and so do zeros by which the formula divides.

There is no conversion between the penalty in the loss and decoupled decay under Adam: no λ makes
them equal (Loshchilov & Hutter 2019, proposition 2).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from jaxreg import _number


def to_torch_weight_decay(strength: Any) -> Any:
    """PyTorch's ``weight_decay`` in SGD and Adam, and ``optax.add_decayed_weights`` before one.

    They add d·w to the gradient, that is ½d‖w‖² to the loss: d = 2λ.

    >>> to_torch_weight_decay(5e-5)
    0.0001
    """
    return 2 * _number.checked("strength", strength)


def from_torch_weight_decay(weight_decay: Any) -> Any:
    """λ = d/2 for PyTorch's ``weight_decay`` d in SGD and Adam.

    >>> from_torch_weight_decay(1e-4)
    5e-05
    """
    return _number.checked("weight_decay", weight_decay) / 2


def to_keras_l2(strength: Any) -> Any:
    """The argument of Keras's ``regularizers.L2``, which penalises l2·Σw²: the same number.

    >>> to_keras_l2(0.01)
    0.01
    """
    return _number.checked("strength", strength)


def from_keras_l2(l2: Any) -> Any:
    """λ for ``keras.regularizers.L2(l2)``: the same number.

    >>> from_keras_l2(0.01)
    0.01
    """
    return _number.checked("l2", l2)


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
    strength = _number.checked("strength", strength)
    return (2 if half else 1) * _positive("examples", examples) * strength


def from_ridge_alpha(alpha: Any, examples: int, *, half: bool = False) -> Any:
    """λ for scikit-learn's ``Ridge(alpha)``; the inverse of `to_ridge_alpha`.

    >>> from_ridge_alpha(2.0, examples=8)
    0.25
    """
    alpha = _number.checked("alpha", alpha)
    return alpha / ((2 if half else 1) * _positive("examples", examples))


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
      ValueError: if ``norm`` is neither, or ``strength`` is 0, for which C is infinite.

    >>> to_logistic_c(0.25, examples=8)
    0.25
    """
    strength, examples = _positive("strength", strength), _positive("examples", examples)
    return 1 / (_norm_factor(norm) * examples * strength)


def from_logistic_c(c: Any, examples: int, norm: Norm = "l2") -> Any:
    """λ for scikit-learn's ``LogisticRegression(C=c)``; the inverse of `to_logistic_c`.

    >>> from_logistic_c(0.25, examples=8)
    0.25
    """
    c, examples = _positive("c", c), _positive("examples", examples)
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

    Raises:
      ValueError: if both are 0, for which no ratio exists.

    >>> to_elastic_net(l1=0.5, l2=0.25)
    ElasticNetParameters(alpha=1.0, l1_ratio=0.5)
    """
    l1, l2 = _number.checked("l1", l1), _number.checked("l2", l2)
    both = _positive("l1 + 2·l2", l1 + 2 * l2)
    return ElasticNetParameters(both if half else both / 2, l1 / both)


def from_elastic_net(alpha: Any, l1_ratio: Any, *, half: bool = True) -> ElasticNetStrengths:
    """λ₁ and λ for scikit-learn's ``ElasticNet(alpha, l1_ratio)``.

    Raises:
      ValueError: if ``l1_ratio`` exceeds 1.

    >>> from_elastic_net(1.0, 0.5)
    ElasticNetStrengths(l1=0.5, l2=0.25)
    """
    alpha, l1_ratio = _number.checked("alpha", alpha), _number.checked("l1_ratio", l1_ratio)
    _require_at_most_one("l1_ratio", l1_ratio)
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
    strength = _number.checked("strength", strength)
    learning_rate = _number.checked("learning_rate", learning_rate)
    return 2 * learning_rate * strength / _left_by(momentum)


def from_paper_decay(decay: Any, learning_rate: Any, momentum: Any = 0.0) -> Any:
    """λ for a decay of SGDW as published; the inverse of `to_paper_decay`.

    >>> from_paper_decay(5e-5, learning_rate=0.5)
    5e-05
    """
    decay = _number.checked("decay", decay)
    return decay * _left_by(momentum) / (2 * _positive("learning_rate", learning_rate))


def _left_by(momentum: Any) -> Any:
    return 1 - _require_at_most_one("momentum", _number.checked("momentum", momentum), below=True)


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
    return _number.checked("decay", decay) * _steps(batch_size, examples, epochs) ** 0.5


def from_normalized_decay(normalized: Any, *, batch_size: int, examples: int, epochs: int) -> Any:
    """The decay per step for a normalised decay; the inverse of `to_normalized_decay`.

    >>> from_normalized_decay(0.1, batch_size=100, examples=1000, epochs=10)
    0.01
    """
    normalized = _number.checked("normalized", normalized)
    return normalized / _steps(batch_size, examples, epochs) ** 0.5


def _steps(batch_size: Any, examples: Any, epochs: Any) -> Any:
    """nT/b, the steps of the whole training."""
    steps = _positive("examples", examples) * _positive("epochs", epochs)
    return steps / _positive("batch_size", batch_size)


def _positive(name: str, number: Any) -> Any:
    number = _number.checked(name, number)
    if _number.is_python(number) and number == 0:
        raise ValueError(f"{name}: expected a number > 0, got 0")
    return number


def _require_at_most_one(name: str, number: Any, *, below: bool = False) -> Any:
    if _number.is_python(number) and (number > 1 or (below and number == 1)):
        raise ValueError(f"{name}: expected a number {'<' if below else '≤'} 1, got {number!r}")
    return number
