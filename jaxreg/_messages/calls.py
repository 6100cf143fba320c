"""Calls that do not fit a signature: the arguments that were expected, and what was meant."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, TypeVar

import jax

from jaxreg._messages import kinds
from jaxreg._messages.brief import is_array

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Explanation = Callable[[tuple[Any, ...], Mapping[str, Any]], str]

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "where": ("mask", "rule", "filter", "select", "only", "on", "weight_decay_mask"),
    "rate": ("weight_decay", "wd", "decay", "decay_rate", "strength", "lambda_", "lam", "omega"),
    "learning_rates": ("lr", "lrs", "learning_rate"),
    "learning_rate": ("lr", "eta", "step_size", "stepsize", "schedule", "step"),
    "strength": ("weight_decay", "wd", "lambda_", "lam", "lmbda", "reg", "coef", "l2", "alpha"),
    "weight_decay": ("wd", "decay", "strength", "lambda_", "lam"),
    "step": ("learning_rate", "lr", "step_size", "stepsize", "tau", "eta"),
    "axis": ("axes", "dim", "dims", "groups", "group"),
    "bound": ("max_norm", "max_value", "max", "c", "radius", "limit"),
    "lower": ("min", "minimum", "low", "a_min", "lb", "lo"),
    "upper": ("max", "maximum", "high", "a_max", "ub", "hi"),
    "weights": (
        *("penalty_factor", "penalty_factors", "factor", "factors", "scales", "relevance"),
        *("alphas", "lambdas", "lambda_", "lam", "sequence"),
    ),
    "reference": ("anchor", "center", "centre", "target", "start", "init", "params"),
    "optimizer": ("tx", "opt", "base", "inner", "base_optimizer"),
    "penalty": ("regularizer", "reg", "regularization", "constraint", "strength", "l2"),
    "constraint": ("penalty", "projection", "box"),
    "loss": ("loss_fn", "fn", "fun", "f", "data_loss", "objective"),
    "params": ("parameters", "model", "weights", "tree", "variables"),
    "examples": ("n", "n_samples", "num_examples", "size", "samples"),
    "l1_ratio": ("l1", "ratio", "mixing", "alpha"),
    "l1": ("l1_strength", "lambda1", "l1_lambda", "alpha"),
    "l2": ("l2_strength", "lambda2", "l2_lambda", "beta"),
    "delta": ("d", "threshold", "epsilon"),
    "eps": ("epsilon", "delta"),
    "frozen": ("mask", "freeze", "fixed"),
    "tolerance": ("tol", "atol", "rtol", "precision"),
    "max_steps": ("max_iter", "maxiter", "max_iterations", "num_iters", "n_iter", "steps"),
    "steps": ("max_steps", "max_iter", "maxiter", "n_steps", "iterations", "n_iter", "trials"),
    "trials": ("n_trials", "budget", "n_iter", "max_evals", "steps"),
    "batch": ("batch_size", "q"),
    "batch_size": ("batch", "bs"),
    "half": ("half_l2",),
    "half_l2": ("half",),
    "strengths": ("lambdas", "alphas", "lambda_path", "cs", "grid"),
    "count": ("n_alphas", "n_lambdas", "nlambda", "num", "n"),
    "ratio": ("eps", "lambda_min_ratio", "min_ratio"),
    "folds": ("cv", "k", "n_splits", "n_folds", "nfolds", "splits"),
    "repeats": ("n_repeats", "repetitions"),
    "classes": ("stratify", "labels", "stratified"),
    "share": ("test_size", "fraction", "validation_split", "val_size", "size"),
    "seed": ("random_state", "rng", "key", "random_seed"),
    "journal": ("storage", "checkpoint", "resume", "file", "path", "log"),
    "storage": ("journal", "checkpoint", "resume", "file", "path", "db"),
    "features": ("x", "inputs", "design", "data"),
    "targets": ("y", "labels", "outputs", "target"),
    "low": ("min", "minimum", "lower", "start"),
    "high": ("max", "maximum", "upper", "stop", "end"),
    "intercept": ("fit_intercept", "bias", "center"),
}
"""What an argument is called elsewhere."""
TAKING: dict[str, list[tuple[str, str]]] = {}
"""By argument that goes by name: (package, name) of the functions that take it."""
SPELLING, SIBLING = 0.6, 0.8
"""How near to a name a keyword must be; if it is the name of another argument itself."""


def explained(
    function: Callable[Arguments, Result], *, by: Explanation | None = None
) -> Callable[Arguments, Result]:
    """The function, whose TypeError for arguments that do not fit it says what to write.

    ``by`` makes the message, of the positional and the named arguments, instead of `_misfit`.
    """
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        place = _package(function), function.__name__
        TAKING.setdefault(parameter.name, [])
        TAKING[parameter.name] += [place] * (parameter.kind is parameter.KEYWORD_ONLY)
    checks = kinds.of(signature)

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        kinds.require(function.__name__, checks, kwargs)
        try:
            return function(*args, **kwargs)
        except TypeError:
            if _fits(signature, args, kwargs):
                raise
        raise TypeError(by(args, kwargs) if by else _misfit(function, args, kwargs))

    return call


def _fits(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _misfit(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    name = function.__name__
    parameters = dict(inspect.signature(function).parameters)
    if "self" in parameters:
        name, args = f"{args[0]!r}.{name}", args[1:]
        del parameters["self"]
    plain = [p.replace(annotation=p.empty) for p in parameters.values()]
    expected = f"{name}: expected the arguments {inspect.Signature(plain)}"
    named = [p.name for p in plain if p.kind is p.KEYWORD_ONLY]
    positional = [p.name for p in plain if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    free = [key for key in positional[len(args) :] + named if key not in kwargs]
    if unknown := [key for key in kwargs if key not in parameters]:
        got = ", ".join(f"{key}=" for key in unknown)
        rest = positional if any(p.kind is p.VAR_POSITIONAL for p in plain) else None
        given = {key: kwargs[key] for key in unknown}
        return f"{expected}, got {got}; {_advice(function, name, given, free, rest)}"
    if len(args) > len(positional):
        needed = [n for n in named if parameters[n].default is inspect.Parameter.empty]
        beside = needed or named[: len(args) - len(positional)]
        names = positional + [f"{n}=…" for n in beside]
        write = "write" if positional else "say which is which:"
        return f"{expected}, got {len(args)} without a name; {write} {_call(name, names)}"
    if twice := [key for key in positional[: len(args)] if key in kwargs]:
        return f"{expected}, got {twice[0]} twice; leave out one of them"
    kinds = (plain[0].VAR_POSITIONAL, plain[0].VAR_KEYWORD) if plain else ()
    needed = [p.name for p in plain if p.default is p.empty and p.kind not in kinds]
    missing = " and ".join(key for key in needed if key in free)
    shown = [f"{key}=…" if key in named else key for key in needed]
    return f"{expected}, got none for {missing}; write {_call(name, shown)}"


def _call(name: str, arguments: Collection[str]) -> str:
    return f"{name}({', '.join(arguments) or 'name=…'})"


def _advice(
    function: Any,
    name: str,
    unknown: Mapping[str, Any],
    free: Collection[str],
    before: list[str] | None,
) -> str:
    """``before`` are the arguments before those of any number, which go without a name."""
    meant = [meaning(key, free) for key in unknown]
    if all(meant):
        return f"write {', '.join(f'{key}=…' for key in meant)}"
    if others := _taking(function, unknown):
        verb = "takes" if len(others) == 1 else "take"
        return f"{' and '.join(others)} {verb} {', '.join(f'{key}=' for key in unknown)}"
    if before is not None and all(map(_holds_arrays, unknown.values())):
        return f"write {_call(name, [*before, *unknown])}, without the names"
    return f"help({name.rpartition('.')[2]}) says what each is for"


def _holds_arrays(value: Any) -> bool:
    """Whether it may be one of the arguments of any number, which are data."""
    return any(map(is_array, jax.tree.leaves(value)))


def _taking(function: Any, unknown: Collection[str]) -> list[str]:
    """The functions beside it that take all of these, if they are few."""
    taking = [{n for p, n in TAKING.get(key, ()) if p == _package(function)} for key in unknown]
    found = sorted(set.intersection(*taking)) if taking else []
    return found if len(found) <= 2 else []


def _package(function: Any) -> str:
    """As ``jaxreg.tune``."""
    return ".".join(function.__module__.split(".")[:2])


def meaning(keyword: str, names: Collection[str]) -> str | None:
    """Which of the names a keyword stands for: one that it is called elsewhere, or the nearest.

    None if it is nearer to an argument of other functions: that is then what was meant.
    """
    word = keyword.lower()
    known = [name for name in names if word in OTHER_NAMES.get(name, ())]
    others = TAKING.keys() - {word}
    cutoff = SIBLING if word in TAKING else SPELLING
    near = difflib.get_close_matches(word, sorted({*names, *others}), n=1, cutoff=cutoff)
    return next(iter([*known, *(name for name in near if name in names)]), None)
