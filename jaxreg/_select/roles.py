"""What a parameter is for: a weight, something that is added, or neither.

A leaf is judged by its evidence, one line of `EVIDENCE` after the other. The first line that speaks
decides, and its words are the reason that `describe` gives:

===============================================  ======================  =======================
the evidence against a weight                    such as                 but a weight is
===============================================  ======================  =======================
called as what is added                          bias, b_g, output_b     lora_b beside lora_a
named after the weight beside it                 bq beside wq
called as what is no map of its inputs:          scale, gamma_1, gain    gamma/kernel
factors, logarithms, bounds, spreads,            A_log, log_std, dt
recurrences, running statistics                  clip_min, running_mean
held by a class of norms or of scales            RMSNormGated            of a NormLinear
a feed-through of a state space                  D beside A_log
under a norm, or called one                      ffn_norm/kernel, ln_w   norm_proj/kernel
under a layer scale                              ls1/weight              scale_net/kernel
the magnitude of a weight norm                   weight_g, scales/…      weight_v
a gain beside a bias                             g beside b
a number alone                                   t, logit_bound          w, kernel
a 1-d ``weight`` where no class is known         PyTorch's norms
===============================================  ======================  =======================

A kernel whose bias has fewer axes than it has is a linear map, whatever holds it: the two of a norm
have the same axes, also if layers are stacked. There is no rule by dimension alone, for stacked
norms have two and the weights of a linear model one.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxreg._trees import Leaf, Stem

Reason = str | None
Words = tuple[str, ...]


class Verdict(NamedTuple):
    """Whether a leaf is selected, why, and whether the tree tells enough to be certain."""

    selected: bool
    why: str
    certain: bool = True


WEIGHT = re.compile(r"[wW]s?_?\d*|(.*_)?(weights?|kernels?)(_?\d+)?")
BIAS = re.compile(
    r".*bias(es)?(_.*|\d+[a-z]?)?|\w*Bias|b_?s?\d*|b_[a-z]{1,3}|.*_b|(.*_)?(offset|beta|shift)s?"
    r"|beta_\w+|intercept_?|phase"
)
FACTOR = re.compile(
    r"(.*_)?(scales?|scalar|gammas?|lambdas?|gain|temperature|temp|tau|alphas?|omega|freqs?"
    r"|negative_slope)(_?\w?\d*)|gamma_\w+|\w*Scale|t"
)
LOGARITHM = re.compile(r"log_(?!.*(w|weight|kernel)$).*|.*_log")
BOUND = re.compile(r"(.*_)?(min|max|lower|upper|threshold|clip|clip_val(ue)?|bound)s?(_bounds?)?")
SPREAD = re.compile(r"(.*_)?(std|stddev|sigma|logvar|noise_strength|dt)(_param)?")
RECURRENCE = re.compile(
    r"A_(log|re|im|real|imag)|a_(\w+_)?param|Lambda\w*|time_(decay|first|faaaa|(mix|maa)(_[a-z]+)?)"
)
STATISTIC = re.compile(r"(running|moving)_(mean|var|variance|std)|inv_freq|amax_\w+")
NO_MAPS = {
    FACTOR: "a factor",
    LOGARITHM: "a logarithm",
    BOUND: "a bound",
    SPREAD: "a spread",
    RECURRENCE: "a recurrence",
    STATISTIC: "a statistic",
    re.compile(r"(.*_)?sinks?"): "a sink of attention",
}
STATE_SPACE = re.compile(r"A_log|Lambda\w*|log_(step|dt)|dt_bias|nu_log|[AC]_(re|im)")
NAMELESS = ("~", "sublayers", "module", "params", "args", "kwargs")  # words between the names

OF_NORMS = r"(?<!Weight)(?<!Spectral)(?<!weight)(?<!weight_)(?<!spectral)(?<!spectral_)"
NORM_CLASS = re.compile(rf"{OF_NORMS}Norm(ali[sz](ation|er))?(?![a-z])(?P<rest>.*)")
NORM_WORD = re.compile(
    rf"({OF_NORMS}norm(ali[sz]ation|ali[sz]er)?s?|(?<![a-z])(ln|bn|gn))(?![a-z])(?P<rest>.*)",
    re.IGNORECASE,
)
MAP = (
    r"linear|lin(?![a-z])|dense|conv|proj|embed|(?<!per)(?<!per_)(?<!multi)head|net(?![a-z])|block"
)
MAP_WORD = re.compile(rf"{MAP}|fc", re.IGNORECASE)
MAP_CLASS = re.compile(rf"{MAP}|att(e)?n|mlp|coder|former|cell|rnn|gru|lstm|free", re.IGNORECASE)
ADAPTIVE = re.compile(r"ada(?![a-z])|adaptive|cond|film|modul", re.IGNORECASE)
SCALE_CLASS = re.compile(r"(Layer|Learned|Learnable|^)Scal(e|ing|er)\d*$|PReLU|Temperature$")
LAYER_SCALE = re.compile(r"ls_?\d*|(.*_)?layer_?scale_?\d*", re.IGNORECASE)
SUFFIX = re.compile(r"_(w|weights?|kernels?|g|p|param)$")


@dataclasses.dataclass(frozen=True)
class Site:
    """A parameter with what is around it."""

    name: str  # the last word of its name that is no position in a list
    parent: str  # the one before it
    is_listed: bool  # whether a position comes after the name
    classes: tuple[str, ...]  # of the module that holds it, and of what that derives from
    ndim: int
    size: int
    beside: Mapping[str, int]  # the other parameters at its place, with their dimensions

    def twin(self, pattern: str, *others: str, ndim: int = 0) -> Reason:
        """The name beside it in which the group of ``pattern`` is another, if there is one."""
        found = re.fullmatch(pattern, self.name)
        if not found:
            return None
        start, end = found.span(1)
        names = (self.name[:start] + other + self.name[end:] for other in others)
        return next((name for name in names if self.beside.get(name, -1) >= ndim), None)

    @property
    def is_linear(self) -> bool:
        """Whether its bias stands beside it and has fewer axes: that of a norm has as many."""
        if not WEIGHT.fullmatch(self.name):
            return bool(self.twin(r"([wW])_\w+", "b", "B"))
        biases = (n for name, n in self.beside.items() if BIAS.fullmatch(name))
        return any(0 < n < self.ndim for n in biases)


# --- the evidence, each line a reason or None ---


def _added(site: Site) -> Reason:
    return f"called {site.name}" if BIAS.fullmatch(site.name) else None


def _named_after_a_weight(site: Site) -> Reason:
    names = ("w", "W", "u", "U", "weight", "kernel")
    weight = site.twin(r"([bB])\w*", *names, ndim=site.ndim + 1)
    return f"the bias beside {weight}" if weight else None


def _no_map(site: Site) -> Reason:
    if site.is_linear:
        return None
    kinds = (kind for pattern, kind in NO_MAPS.items() if pattern.fullmatch(site.name))
    kind = next(kinds, None)
    if kind:
        return f"called {site.name}, {kind}"
    of_factor = site.ndim == 1 and WEIGHT.fullmatch(site.name) and FACTOR.fullmatch(site.parent)
    return f"{site.name} of {site.parent}, a factor" if of_factor else None


def _held_by_a_norm(site: Site) -> Reason:
    norms = [c for c in site.classes if _is_norm(NORM_CLASS.search(c), MAP_CLASS)]
    scales = [c for c in site.classes[:1] if SCALE_CLASS.search(c)]
    held = not site.is_linear and (norms or scales)
    return f"held by {held[0]}" if held else None


def _state_space(site: Site) -> Reason:
    beside = next(filter(STATE_SPACE.fullmatch, site.beside), None)
    known = beside and site.name in ("A", "D", "P")
    return f"{site.name} of a state space, beside {beside}" if known else None


def _under_a_norm(site: Site) -> Reason:
    if site.is_linear:
        return None
    if _says_norm(SUFFIX.sub("", site.name)):
        return f"called {site.name}"
    named = WEIGHT.fullmatch(site.name) or site.name in ("g", "value", "param")
    return f"{site.name} of {site.parent}" if named and _says_norm(site.parent) else None


def _says_norm(name: str) -> bool:
    return _is_norm(NORM_WORD.search(name), MAP_WORD) and not ADAPTIVE.search(name)


def _is_norm(found: re.Match[str] | None, maps: re.Pattern[str]) -> bool:
    """Whether a name says norm, and what follows does not say that it is of a linear map."""
    return found is not None and not maps.search(found["rest"])


def _under_a_layer_scale(site: Site) -> Reason:
    return f"{site.name} of {site.parent}" if LAYER_SCALE.fullmatch(site.parent) else None


def _magnitude(site: Site) -> Reason:
    beside = site.name == "g" and ("WeightNorm" in site.classes or site.twin("(g)", "v"))
    pair = site.name == "original0" and "original1" in site.beside  # PyTorch's parametrization
    known = site.parent == "scales" or site.name.endswith("weight_g") or beside or pair
    return "magnitude of a weight norm" if known else None


def _gain(site: Site) -> Reason:
    bias = site.twin(r"(?:.*_)?(g)", "b", "bias")
    weight = site.twin(r"(?:.*_)?(g)", "w", "weight", "kernel")
    return f"the gain beside {bias}" if bias and not weight else None


def _number(site: Site) -> Reason:
    alone = site.size == 1 and site.ndim <= 1 and not WEIGHT.fullmatch(site.name)
    return "a number alone" if alone else None


def _unknown_weight(site: Site) -> Reason:
    known = site.name != "weight" or site.classes or site.ndim != 1
    return None if known else "one-dimensional weight of an unknown layer"


ADDED = (_added, _named_after_a_weight)
EVIDENCE: tuple[Callable[[Site], Reason], ...] = (
    *ADDED,
    _no_map,
    _held_by_a_norm,
    _state_space,
    _under_a_norm,
    _under_a_layer_scale,
    _magnitude,
    _gain,
    _number,
    _unknown_weight,
)


# --- the verdicts ---


def weights(leaves: Sequence[Leaf]) -> list[Verdict]:
    """Of every parameter, whether it is a weight: no line of the evidence speaks against it."""
    return [_weight(sites) for sites in _sites(leaves)]


def biases(leaves: Sequence[Leaf]) -> list[Verdict]:
    """Of every parameter, whether it is additive, those of normalisation layers included."""
    return [_bias(sites) for sites in _sites(leaves)]


def _weight(sites: Sequence[Site]) -> Verdict:
    for site in sites:
        pair = _low_rank(site)
        if pair:
            return Verdict(True, f"a weight, low-rank beside {pair}")
        against = next((reason for line in EVIDENCE if (reason := line(site))), None)
        if against:
            return Verdict(False, against)
    return _without_a_name(sites) or Verdict(True, "a weight")


def _bias(sites: Sequence[Site]) -> Verdict:
    for site in sites:
        added = next((reason for line in ADDED if (reason := line(site))), None)
        if added and not _low_rank(site):
            return Verdict(True, added)
    unknown = _without_a_name(sites)
    return Verdict(False, unknown.why if unknown else f"called {sites[-1].name}", not unknown)


def _low_rank(site: Site) -> Reason:
    """The other factor of a product of two matrices, of which this is one."""
    if site.ndim < 2 or not re.fullmatch(r"(.*_)?[abAB]", site.name):
        return None
    other = site.twin(r"(?:.*_)?([abAB])", *"abAB", ndim=2)
    firsts = (n for n, ndim in site.beside.items() if ndim >= 2 and re.fullmatch(r".*_[aA]", n))
    is_lora = "lora" in f"{site.parent}_{site.name}".lower()
    return other or next(firsts, None) or ("its other factor" if is_lora else None)


def _without_a_name(sites: Sequence[Site]) -> Verdict | None:
    """For a position in a list, unless the list is called weights."""
    if not all(site.is_listed and not WEIGHT.fullmatch(site.name) for site in sites):
        return None
    return Verdict(True, "a weight as far as is known: it has no name", certain=False)


# --- where leaves stand ---


def _sites(leaves: Sequence[Leaf]) -> list[list[Site]]:
    """For every leaf its place, after that of the array that it may be a part of."""
    at: dict[Words, dict[str, int]] = {}
    for leaf in leaves:
        for stem in leaf.stems:
            *place, last = _words(stem.path)
            beside = at.setdefault(tuple(place), {})
            beside[last] = max(np.ndim(leaf.value), beside.get(last, 0))
    return [[_site(stem, np.shape(leaf.value), at) for stem in leaf.stems] for leaf in leaves]


def _site(stem: Stem, shape: tuple[int, ...], at: Mapping[Words, Mapping[str, int]]) -> Site:
    words = _words(stem.path)
    others = {other: n for other, n in at[words[:-1]].items() if other != words[-1]}
    named = [word for word in words if not word.isdigit() and word not in NAMELESS]
    if words[-1] in ("value", "param") and not others and len(named) > 1:
        named.pop()  # a dictionary that wraps one array
    *_, parent, name = ["", "", *named]
    classes = tuple(c.__name__ for c in stem.owner.__mro__) if stem.owner else ()
    is_listed = words[-1].isdigit() or not name
    return Site(name, parent, is_listed, classes, len(shape), math.prod(shape), others)


@functools.lru_cache(maxsize=2**14)
def _words(path: Sequence[str]) -> Words:
    """The segments of a name without positions under one key; PyTorch's are split at dots."""
    plain = (re.sub(r"\[\d+\]$", "", segment) for segment in path)
    return tuple(word for segment in plain for word in re.split(r"[/.]", segment)) or ("",)
