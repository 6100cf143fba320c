"""Which leaves a penalty acts on: rules by name, by role, by shape.

A rule is None (every parameter), a regular expression searched for in the leaf's name, a function
``(name, leaf) -> bool``, a tree of bools (or a prefix of one), or another rule. ``where`` makes it
a hashable object with ``~``, ``&`` and ``|``; ``weights`` and ``biases`` are ready-made. What a
rule covers is shown by `describe`; what makes a leaf a weight stands in `roles`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jaxreg._messages.calls import explained
from jaxreg._select import roles
from jaxreg._select.roles import Verdict
from jaxreg._select.rules import Where, as_rule
from jaxreg._trees import Leaf


@explained
def where(rule: Any) -> Where:
    r"""A rule for selecting leaves, as a hashable object with ``~``, ``&`` and ``|``.

    >>> where(r"fc1/kernel$") | biases
    where('fc1/kernel$') | biases

    Args:
      rule: None for every parameter; a regular expression, searched for in names such as
        ``fc1/kernel``; a function ``(name, leaf) -> bool``; a tree of bools of the structure of
        the parameters or a prefix of it; or a rule, returned as it is. Functions are compared by
        identity: define one once, or every new lambda compiles anew.

    Returns:
      The rule. It selects floating-point parameters only, whatever it says: never integers, PRNG
      keys, Python numbers, NNX variables other than ``nnx.Param``, Equinox's state or Linen's
      ``batch_stats``. Of two leaves with one name, ``a/b`` in ``{"a/b": …, "a": {"b": …}}``, the
      one whose key holds the slash is called ``a\/b``.

    Raises:
      TypeError: if ``rule`` is none of these, or a function that cannot be hashed or does not
        take two arguments; when applied, if a function does not return a bool.
      ValueError: if the regular expression does not compile; when applied, if it matches no
        parameter, or if a tree of bools leaves one out.
    """
    return as_rule(rule)


@dataclasses.dataclass(frozen=True)
class Role(Where):
    """Parameters of one role; see `roles`."""

    name: str
    verdicts_of: Callable[[Sequence[Leaf]], list[Verdict]]

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        return self.verdicts_of(leaves)

    def __repr__(self) -> str:
        return self.name


weights = Role("weights", roles.weights)
"""Every parameter but biases, the parameters of normalisation layers, and factors of their kind.

Left out, each with its reason in `describe`: what is added (bias…, …_bias, b, b_g, …_b, offset,
beta, shift); what is a factor, a logarithm, a bound, a spread or a recurrence by its name (scale,
…_scale, gamma, gain, lambda_1, temperature, A_log, log_std, clip_min, dt); whatever a module of a
class named …Norm… holds, or stands under a name that says norm, ln, bn or gn (of WeightNorm and
SpectralNorm, which wrap another layer, only the magnitudes), or under a layer scale (ls1); numbers
alone that are called neither w, weight nor kernel; a one-dimensional ``weight`` of an unknown
layer. Low-rank factors (lora_a, lora_b) are weights. The table of evidence is in
``jaxreg._select.roles``.

Where projects differ, these are weights here: embeddings (decayed by nanoGPT, Scenic and the Flax
models of transformers, not by Levanter and big_vision), tables of positions and class tokens (not
by timm and big_vision), routers of experts (by MaxText and Levanter). Leave them out with
``weights & ~where("embed|pos|cls|token")``. Tables called relative_position_bias are biases, as
timm has it. Leaves without names, in lists and flat vectors, count as weights, with a warning.
"""

biases = Role("biases", roles.biases)
"""The additive parameters: bias…, …_bias, b, b_g, …_b, offset, beta, shift, of norms too."""
