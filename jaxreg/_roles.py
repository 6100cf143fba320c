"""What a parameter is for: a weight, a bias or part of a normalisation layer.

Judged by the class of the module that holds it, where the tree still knows, and by its name. There
is no rule by dimension: scanned norms have two, and a linear model's weights only one.
"""

from __future__ import annotations

import re

import numpy as np

from jaxreg._tree import Leaf

Verdict = tuple[bool, str]  # selected, and why
BIAS = re.compile(r"(.*_)?bias.*|b_?\d*|offset|beta")
SCALE = re.compile(r"(.*_)?(scale|gamma)|negative_slope")
NORM_CLASS = re.compile(r"(?<!Weight)(?<!Spectral)Norm(alization)?(Layer)?(\dd)?$")
NORM_NAME = re.compile(
    r"(?<!weight)(?<!weight_)(?<!spectral)(?<!spectral_)norm|(?<![a-z])(ln|bn|gn)(?![a-z])",
    re.IGNORECASE,
)


def weight(leaf: Leaf) -> Verdict:
    """Whether a parameter is neither a bias nor part of a normalisation layer."""
    parent, last = _ending(leaf)
    classes = [c.__name__ for c in leaf.owner.__mro__] if leaf.owner else []
    norms = [name for name in classes if NORM_CLASS.search(name)]
    if BIAS.fullmatch(last) or SCALE.fullmatch(last):
        return False, f"called {last}"
    if norms:
        return False, f"held by {norms[0]}"
    if parent == "scales" or (last == "g" and "WeightNorm" in classes):
        return False, "magnitude of a weight norm"
    if last in ("w", "weight") and NORM_NAME.search(parent):
        return False, f"{last} of {parent}"
    if last == "weight" and not classes and np.ndim(leaf.value) == 1:
        return False, "one-dimensional weight of an unknown layer"
    return True, "a weight"


def bias(leaf: Leaf) -> Verdict:
    """Whether a parameter is additive, those of normalisation layers included."""
    last = _ending(leaf)[1]
    return bool(BIAS.fullmatch(last)), f"called {last}"


def _ending(leaf: Leaf) -> tuple[str, str]:
    """The last two segments of the name; PyTorch's names are split at dots."""
    *_, parent, last = ["", *re.split(r"[/.]", leaf.name)]
    return parent, last
