"""λ of a penalty in the loss, in the terms of other libraries and of probability.

``examples`` is the size n of the training set, where the other side sums over it instead of taking
the mean. `jaxreg.convert` has it all together; what decays weights beside the gradient step is in
``_rates``.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from jaxreg import _numbers
from jaxreg._messages.calls import explained


@explained
def to_torch_weight_decay(strength: Any) -> Any:
    """PyTorch's ``weight_decay`` in SGD and Adam, and ``optax.add_decayed_weights`` before one.

    They add d·w to the gradient, that is ½d‖w‖² to the loss: d = 2λ.

    >>> to_torch_weight_decay(5e-5)
    0.0001
    """
    return 2 * _numbers.checked("strength", strength)


@explained
def from_torch_weight_decay(weight_decay: Any) -> Any:
    """λ = d/2 for PyTorch's ``weight_decay`` d in SGD and Adam.

    >>> from_torch_weight_decay(1e-4)
    5e-05
    """
    return _numbers.checked("weight_decay", weight_decay) / 2


@explained
def to_keras_l2(strength: Any) -> Any:
    """The argument of Keras's ``regularizers.L2``, which penalises l2·Σw²: the same number.

    >>> to_keras_l2(0.01)
    0.01
    """
    return _numbers.checked("strength", strength)


@explained
def from_keras_l2(l2: Any) -> Any:
    """λ for ``keras.regularizers.L2(l2)``: the same number.

    >>> from_keras_l2(0.01)
    0.01
    """
    return _numbers.checked("l2", l2)


@explained
def to_ridge_alpha(strength: Any, examples: int, *, half: bool = False) -> Any:
    """scikit-learn's ``Ridge(alpha)``, which minimises Σ(y − Xw)² + alpha·‖w‖².

    >>> to_ridge_alpha(0.25, examples=8)
    2.0

    Args:
      strength: λ beside the mean squared error, or beside half of it.
      examples: n.
      half: whether the data loss is ½·mean((y − Xw)²).

    Returns:
      nλ, or 2nλ with ``half``.
    """
    strength = _numbers.checked("strength", strength)
    return (2 if half else 1) * _numbers.whole("examples", examples) * strength


@explained
def from_ridge_alpha(alpha: Any, examples: int, *, half: bool = False) -> Any:
    """λ for scikit-learn's ``Ridge(alpha)``; the inverse of `to_ridge_alpha`.

    >>> from_ridge_alpha(2.0, examples=8)
    0.25
    """
    alpha = _numbers.checked("alpha", alpha)
    return alpha / ((2 if half else 1) * _numbers.whole("examples", examples))


Norm = Literal["l1", "l2"]


@explained
def to_logistic_c(strength: Any, examples: int, norm: Norm = "l2") -> Any:
    """scikit-learn's ``LogisticRegression(C)``, which minimises C·Σ loss + ½‖w‖² (or + ‖w‖₁).

    >>> to_logistic_c(0.25, examples=8)
    0.25

    Args:
      strength: λ beside the mean cross-entropy: of Σ|w|², or of Σ|w| with ``norm="l1"``.
      examples: n.
      norm: ``"l2"`` or ``"l1"``.

    Returns:
      1/(2nλ), or 1/(nλ₁) for l1.

    Raises:
      ValueError: if ``norm`` is neither, or ``strength`` is 0, for which C is infinite.
    """
    strength, examples = (
        _numbers.positive("strength", strength),
        _numbers.whole("examples", examples),
    )
    return 1 / (_norm_factor(norm) * examples * strength)


@explained
def from_logistic_c(c: Any, examples: int, norm: Norm = "l2") -> Any:
    """λ for scikit-learn's ``LogisticRegression(C=c)``; the inverse of `to_logistic_c`.

    >>> from_logistic_c(0.25, examples=8)
    0.25
    """
    c, examples = _numbers.positive("c", c), _numbers.whole("examples", examples)
    return 1 / (_norm_factor(norm) * examples * c)


def _norm_factor(norm: Norm) -> int:
    factors = {"l2": 2, "l1": 1}
    return factors[_numbers.one_of("norm", norm, factors)]


class ElasticNetParameters(NamedTuple):
    """scikit-learn's parametrisation: alpha·(l1_ratio·‖w‖₁ + ½(1 − l1_ratio)·‖w‖²).

    Attributes:
      alpha: the strength of both together.
      l1_ratio: the share of L1, between 0 and 1.
    """

    alpha: Any
    l1_ratio: Any


class ElasticNetStrengths(NamedTuple):
    """jaxreg's: l1·Σ|w| + l2·Σ|w|², as in ``elastic_net(l1=…, l2=…)``.

    Attributes:
      l1: λ₁, the strength of Σ|w|.
      l2: λ, the strength of Σ|w|².
    """

    l1: Any
    l2: Any


@explained
def to_elastic_net(*, l1: Any, l2: Any, half: bool = True) -> ElasticNetParameters:
    """scikit-learn's ``ElasticNet(alpha, l1_ratio)``, whose data loss is ½·mean((y − Xw)²).

    ``Lasso(alpha)`` is the case ``l2=0``. R's glmnet writes (lambda, alpha) for (alpha, l1_ratio),
    of features and targets that it has scaled to variance 1 first.

    >>> to_elastic_net(l1=0.5, l2=0.25)
    ElasticNetParameters(alpha=1.0, l1_ratio=0.5)

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
    """
    l1, l2 = _numbers.checked("l1", l1), _numbers.checked("l2", l2)
    both = _numbers.positive("l1 + 2·l2", l1 + 2 * l2)
    return ElasticNetParameters(both if half else both / 2, l1 / both)


@explained
def from_elastic_net(alpha: Any, l1_ratio: Any, *, half: bool = True) -> ElasticNetStrengths:
    """λ₁ and λ for scikit-learn's ``ElasticNet(alpha, l1_ratio)``.

    >>> from_elastic_net(1.0, 0.5)
    ElasticNetStrengths(l1=0.5, l2=0.25)

    Raises:
      ValueError: if ``l1_ratio`` exceeds 1.
    """
    alpha, l1_ratio = _numbers.checked("alpha", alpha), _numbers.checked("l1_ratio", l1_ratio)
    _numbers.at_most_one("l1_ratio", l1_ratio)
    both = alpha if half else 2 * alpha
    return ElasticNetStrengths(both * l1_ratio, both * (1 - l1_ratio) / 2)


class LogisticParameters(NamedTuple):
    """scikit-learn's parametrisation: C·Σ loss + l1_ratio·‖w‖₁ + ½(1 − l1_ratio)·‖w‖².

    Attributes:
      c: what multiplies the loss, so that a large one is a weak penalty.
      l1_ratio: the share of L1, between 0 and 1.
    """

    c: Any
    l1_ratio: Any


@explained
def to_logistic_elastic_net(*, l1: Any, l2: Any, examples: int) -> LogisticParameters:
    """scikit-learn's ``LogisticRegression(C, l1_ratio)`` with both penalties.

    It minimises C·Σ loss + l1_ratio·‖w‖₁ + ½(1 − l1_ratio)·‖w‖², by ``solver="saga"``; before its
    release 1.8 it wants ``penalty="elasticnet"`` too.

    >>> to_logistic_elastic_net(l1=0.25, l2=0.125, examples=8)
    LogisticParameters(c=0.25, l1_ratio=0.5)

    Args:
      l1: λ₁ of Σ|w|, beside the mean cross-entropy.
      l2: λ of Σ|w|².
      examples: n.

    Returns:
      ``(c, l1_ratio)`` with c = 1/(n(λ₁ + 2λ)) and l1_ratio = λ₁/(λ₁ + 2λ): with one of them 0
      what `to_logistic_c` gives.

    Raises:
      ValueError: if both are 0, for which C is infinite.
    """
    l1, l2 = _numbers.checked("l1", l1), _numbers.checked("l2", l2)
    both = _numbers.positive("l1 + 2·l2", l1 + 2 * l2)
    return LogisticParameters(1 / (_numbers.whole("examples", examples) * both), l1 / both)


@explained
def from_logistic_elastic_net(c: Any, l1_ratio: Any, examples: int) -> ElasticNetStrengths:
    """λ₁ and λ for scikit-learn's ``LogisticRegression(C=c, l1_ratio=l1_ratio)``.

    >>> from_logistic_elastic_net(0.25, 0.5, examples=8)
    ElasticNetStrengths(l1=0.25, l2=0.125)

    Raises:
      ValueError: if ``l1_ratio`` exceeds 1.
    """
    c, examples = _numbers.positive("c", c), _numbers.whole("examples", examples)
    l1_ratio = _numbers.at_most_one("l1_ratio", _numbers.checked("l1_ratio", l1_ratio))
    both = 1 / (examples * c)
    return ElasticNetStrengths(both * l1_ratio, both * (1 - l1_ratio) / 2)


@explained
def to_half_l2(strength: Any) -> Any:
    """λ' of the papers that write ½λ'‖w‖², whose gradient is λ'w: twice λ.

    >>> to_half_l2(0.25)
    0.5
    """
    return 2 * _numbers.checked("strength", strength)


@explained
def from_half_l2(half_l2: Any) -> Any:
    """λ for a penalty written as ½λ'‖w‖²: half of λ'.

    >>> from_half_l2(0.5)
    0.25
    """
    return _numbers.checked("half_l2", half_l2) / 2


@explained
def to_prior_precision(strength: Any, examples: int, *, noise_variance: Any = 1.0) -> Any:
    """The precision δ of the Gaussian prior N(0, 1/δ) whose most probable weights λ‖w‖² finds.

    −log p(w | data) = Σ −log p(yᵢ | w) + ½δ‖w‖² + constant is n times mean data loss + λ‖w‖².

    >>> to_prior_precision(0.25, examples=8)
    4.0

    Args:
      strength: λ beside the mean of −log p(yᵢ | w): the cross-entropy, for instance.
      examples: n.
      noise_variance: σ² of a Gaussian likelihood, whose −log p is ½(y − Xw)²/σ²: the data loss is
        then half the mean squared error. (For the whole of it halve λ.)

    Returns:
      2nλ/σ². With 1/σ² = β it is MacKay's α: their ratio α/β is 2nλ.
    """
    strength, examples = (
        _numbers.checked("strength", strength),
        _numbers.whole("examples", examples),
    )
    return 2 * examples * strength / _numbers.positive("noise_variance", noise_variance)


@explained
def from_prior_precision(precision: Any, examples: int, *, noise_variance: Any = 1.0) -> Any:
    """λ for a Gaussian prior of that precision; the inverse of `to_prior_precision`.

    >>> from_prior_precision(4.0, examples=8)
    0.25
    """
    precision, examples = (
        _numbers.checked("precision", precision),
        _numbers.whole("examples", examples),
    )
    return precision * _numbers.positive("noise_variance", noise_variance) / (2 * examples)
