"""What a penalty is applied to: parameters, and nothing else in their place or beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxreg import _numbers
from jaxreg._messages.brief import brief, is_tree
from jaxreg._messages.calls import meaning
from jaxreg._penalty.arithmetic import applied, weighted
from jaxreg._select.rules import Where
from jaxreg._trees import Leaf, leaves_of


def parameters(penalty: Any, params: Any) -> list[Leaf]:
    """The leaves of the parameters, once it is known that they are parameters.

    A number would otherwise be penalised, or pass for a strength, and a string for no leaf.
    """
    if _numbers.is_python(params):
        raise TypeError(
            f"{penalty!r}: expected parameters (a pytree of arrays), got the number {params!r}; "
            f"write {params!r} * {applied(penalty)}"
        )
    if isinstance(params, str | Where):
        raise TypeError(
            f"{penalty!r}: expected parameters (a pytree of arrays), got {_rule(params)}; "
            f"write {_on(penalty, params)}"
        )
    return leaves_of(penalty, params)


def require_order(penalty: Any, params: Any, step: Any) -> None:
    if _numbers.is_python(params) and is_tree(step):
        raise TypeError(
            f"{penalty!r}: expected parameters and step, got them exchanged; "
            f"write {_factor(penalty)}.prox(params, {params!r})"
        )


def misplaced(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Of a call with more than the parameters, or nothing: what to write instead."""
    penalty, *given = args
    if not given and not kwargs:
        return f"{penalty!r}: expected the parameters, got nothing; write {applied(penalty)}"
    if len(given) > 1 and _numbers.is_python(given[0]) and not _numbers.is_python(given[1]):
        return (
            f"{penalty!r}: expected one argument, the parameters, got the number {given[0]!r} in "
            f"their place and {brief(given[1])} beside it, exchanged; "
            f"write {given[0]!r} * {applied(penalty)}"
        )
    name, extra = next(iter(kwargs.items()), ("", given[-1] if given else None))
    got = f"{name}=" if name else _rule(extra)
    return (
        f"{penalty!r}: expected one argument, the parameters, got also {got}; "
        f"write {_instead(penalty, name, extra)}"
    )


def _instead(penalty: Any, name: str, extra: Any) -> str:
    """What says by itself what was passed beside the parameters."""
    names = ("where", "reference", "step", "axis", "strength", "weights")
    meant = meaning(name, names) if name else None
    if isinstance(extra, str | Where) and (meant == "where" or not name):
        return _on(penalty, extra)
    if _numbers.is_python(extra):
        return f"{extra!r} * {applied(penalty)}"
    others = {
        "where": f"{_factor(penalty)}.on({name})(params)",
        "reference": f"{_factor(penalty)}.around(reference)(params)",
        "step": f"{_factor(penalty)}.prox(params, step)",
        "axis": "group_lasso(axis)(params), for norms of groups",
        "strength": f"strength * {applied(penalty)}",
        "weights": f"{weighted(penalty)}(params)",
    }
    beside = "reference" if is_tree(extra) and not name else "strength"
    return others.get(meant or beside, applied(penalty))


def _on(penalty: Any, rule: str | Where) -> str:
    return f"{_factor(penalty)}.on({rule!r})(params)"


def _factor(penalty: Any) -> str:
    """The penalty as it stands before a dot."""
    shown = repr(penalty)
    return f"({shown})" if " " in shown else shown


def _rule(thing: Any) -> str:
    return f"the rule {thing!r}" if isinstance(thing, Where) else brief(thing)
