"""Calls that do not fit a signature: the arguments that were expected, and what was meant."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, TypeVar

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
    "strengths": ("lambdas", "alphas", "lambda_path", "cs", "grid"),
    "count": ("n_alphas", "n_lambdas", "nlambda", "num", "n"),
    "ratio": ("eps", "lambda_min_ratio", "min_ratio"),
    "folds": ("cv", "k", "n_splits", "n_folds", "nfolds", "splits"),
    "repeats": ("n_repeats", "repetitions"),
    "classes": ("stratify", "labels", "stratified"),
    "share": ("test_size", "fraction", "validation_split", "val_size", "size"),
    "seed": ("random_state", "rng", "key", "random_seed"),
    "journal": ("storage", "checkpoint", "resume", "file", "path", "log"),
    "features": ("x", "inputs", "design", "data"),
    "targets": ("y", "labels", "outputs", "target"),
    "low": ("min", "minimum", "lower", "start"),
    "high": ("max", "maximum", "upper", "stop", "end"),
    "intercept": ("fit_intercept", "bias", "center"),
}
"""What an argument is called elsewhere."""
DATA = {"features", "targets"}
"""Of these, arguments of any number that go without a name, where a function has such."""


def explained(
    function: Callable[Arguments, Result], *, by: Explanation | None = None
) -> Callable[Arguments, Result]:
    """The function, whose TypeError for arguments that do not fit it says what to write.

    ``by`` makes the message, of the positional and the named arguments, instead of `_misfit`.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
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
        return f"{expected}, got {got}; {_advice(name, unknown, free, rest)}"
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
    name: str, unknown: Collection[str], free: Collection[str], before: list[str] | None
) -> str:
    """``before`` are the arguments before those of any number, which go without a name."""
    meant = [meaning(key, free) for key in unknown]
    if all(meant):
        return f"write {', '.join(f'{key}=…' for key in meant)}"
    if before is not None and not any(meaning(key, OTHER_NAMES.keys() - DATA) for key in unknown):
        return f"write {_call(name, [*before, *unknown])}, without the names"
    return f"help({name.rpartition('.')[2]}) says what each is for"


def meaning(keyword: str, names: Collection[str]) -> str | None:
    """Which of the names a keyword stands for: one that it is called elsewhere, or the nearest."""
    known = (name for name in names if keyword.lower() in OTHER_NAMES.get(name, ()))
    near = difflib.get_close_matches(keyword.lower(), names, n=1, cutoff=0.6)
    return next(known, near[0] if near else None)
