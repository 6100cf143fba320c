"""What a transformation is given: numbers, penalties, and schedules of either."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable
from typing import Any

from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.brief import brief, is_optimizer, is_tree
from jaxreg._penalty.penalty import Penalty

ScalarOrSchedule = ArrayLike | Callable[[Any], ArrayLike]
PenaltyOrSchedule = Penalty | Callable[[Any], Penalty]


def at(value: Any, count: Any) -> Any:
    """What a schedule says of a step; anything else is itself."""
    is_schedule = callable(value) and not isinstance(value, Penalty)
    return value(count) if is_schedule else value


def penalty_at(name: str, penalty: Any, count: Any) -> Penalty:
    found = at(penalty, count)
    if not isinstance(found, Penalty):
        raise TypeError(
            f"{name}: expected a schedule step -> penalty, got one that returns {brief(found)}; "
            f"write {name}(lambda step: schedule(step) * l2)"
        )
    return found


def number_at(name: str, argument: str, value: Any, count: Any) -> Any:
    expected = "a number from the schedule"
    return _numbers.required(f"{name}, {argument}", at(value, count), expected)


def require_penalty(name: str, penalty: Any) -> None:
    if isinstance(penalty, Penalty) or (callable(penalty) and not uncalled(penalty)):
        return
    raise TypeError(
        f"{name}: expected a penalty such as 1e-4 * l2, got {brief(penalty)}; "
        f"{_advice(name, penalty)}"
    )


def uncalled(function: Any) -> bool:
    """Whether it is a class, makes penalties, or is a method of one: no schedule at any rate."""
    module = str(getattr(function, "__module__", ""))
    return isinstance(function, type) or (
        module.startswith("jaxreg.") and hasattr(function, "__qualname__")
    )


def _advice(name: str, penalty: Any) -> str:
    bound = getattr(penalty, "__self__", None)
    if isinstance(bound, Penalty):
        return f"give the penalty itself: {name}({bound!r})"
    if callable(penalty):
        return f"call it: {name}(1e-4 * {call_of(penalty)})"
    if is_optimizer(penalty):
        return f"join them: optax.chain({name}(…), optimizer)"
    if isinstance(penalty, numbers.Number):
        return f"write {name}({penalty!r} * l2)"
    if is_tree(penalty):
        return f"write {name}(1e-4 * l2), and give the parameters to init and update"
    return (
        "give the function 1e-4 * l2, not its value 1e-4 * l2(params); inside "
        "optax.inject_hyperparams inject the numbers: "
        "lambda strength, learning_rate: optax.chain(...strength * l2...)"
    )


def call_of(function: Any) -> str:
    settings = inspect.signature(function).parameters
    return f"{function.__name__}({', '.join(settings)})"


def number_or_schedule(name: str, argument: str, value: Any, advice: str = "") -> Any:
    """A Python number as a valid float; schedules and arrays as they are."""
    if isinstance(value, Penalty):
        raise TypeError(
            f"{name}: expected {argument} to be a number or a schedule, got the penalty "
            f"{value!r}; for a penalty use add_penalty_gradient or proximal_step"
        )
    if callable(value):
        return value
    if _numbers.is_python(value):
        return _numbers.checked(f"{name}, {argument}", value)
    try:
        return _numbers.required(name, value, f"{argument} to be a number or a schedule")
    except TypeError as error:
        raise TypeError(f"{error}; {advice}") from None
