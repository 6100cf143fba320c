"""No value of whatever kind, where another belongs, is taken in silence or ends in a traceback of
JAX, NumPy or Python.

A sample of the calls that can be made. All of them, and as many with several wrong values at once:
``JAXREG_FUZZ=20000 python -m pytest tests/jaxreg/test_wrong_values.py``, about five minutes.
"""

from __future__ import annotations

import inspect
import itertools
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.jaxreg.wrong_values import each, fault, functions, required, roles

FUZZ = int(os.environ.get("JAXREG_FUZZ", "0"))
STRIDE = 1 if FUZZ else 23  # with no common factor with the length of any list of wrong values
MANY = settings(
    max_examples=FUZZ or 60,
    derandomize=not FUZZ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
FUNCTIONS = functions()


def shown(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r:.80}' for key, value in arguments.items())})"


def test_every_argument_has_a_role():
    for name, function in FUNCTIONS.items():
        parameters = inspect.signature(function).parameters.values()
        named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        assert named == roles(name, function).keys(), name


def test_one_wrong_argument_is_refused():
    found = {}
    for name, function, arguments, key in itertools.islice(each(), 0, None, STRIDE):
        if what := fault(function, arguments):
            found[shown(name, {key: arguments[key]})] = what
    assert not found


@st.composite
def wrong_calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A function with some wrong arguments, and others right."""
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    known = roles(name, FUNCTIONS[name])
    wrong = draw(st.sets(st.sampled_from(sorted(known)), min_size=1))
    keys = {*required(FUNCTIONS[name]), *wrong}
    return name, {
        key: draw(st.sampled_from(known[key].wrong)) if key in wrong else known[key].right
        for key in sorted(keys)
        if key in known
    }


@MANY
@given(wrong_calls())
def test_several_wrong_arguments_are_refused(call):
    name, arguments = call
    assert not fault(FUNCTIONS[name], arguments), shown(name, arguments)
