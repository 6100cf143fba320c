"""What is given as a rule, checked, with what to write instead of what is none."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any


def kind(rule: Any, flags: Sequence[Any]) -> str:
    if flags and all(isinstance(flag, str) for flag in flags):
        pattern = "|".join(flags)
        return f"several names; write one regular expression: where({pattern!r})"
    if any(hasattr(flag, "dtype") for flag in flags):
        return (
            f"arrays in a {type(rule).__name__}; is it the parameters, exchanged with the rule? "
            f"A tree of bools holds Python's True and False"
        )
    brief = repr(rule) if isinstance(rule, int | float) else f"a {type(rule).__name__}"
    return f"{brief}; for one leaf write its name, as in where('fc1/kernel$')"


def hashable(rule: Any) -> Any:
    try:
        hash(rule)
    except TypeError:
        raise TypeError(
            f"where: expected a hashable function, since rules key jit's cache, got {rule!r}; "
            f"wrap it: def rule(name, leaf): ..."
        ) from None
    return rule


def of_two_arguments(rule: Callable[..., Any]) -> Callable[[str, Any], Any]:
    try:
        inspect.signature(rule).bind("fc1/kernel", None)
    except ValueError:  # a builtin without a signature
        return rule
    except TypeError:
        name = getattr(rule, "__name__", type(rule).__name__)
        raise TypeError(
            f"where: expected a function of two arguments, (name, leaf) -> bool, got {name}"
            f"{inspect.signature(rule)}; write lambda name, leaf: …, or, if it makes a mask of the "
            f"whole tree as optax's masks do, give its result: where({name}(params))"
        ) from None
    return rule


def compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"where: expected a regular expression, got {pattern!r} ({error}); "
            f"re.escape() quotes a literal name"
        ) from None
