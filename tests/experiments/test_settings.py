"""Any settings of any command either make sense, or are refused by a line that says what does.

A sample; many more: ``JAXREG_FUZZ=5000 python -m pytest tests/experiments/test_settings.py``.
"""

from __future__ import annotations

import dataclasses
import os
import re
import types
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import config as training
from experiments.benchmark import __main__ as benchmark
from experiments.claims import __main__ as claims
from experiments.combinations import config as combinations
from experiments.coupling import config as coupling
from experiments.errors import ConfigError
from experiments.frameworks import __main__ as frameworks
from experiments.language import config as language
from experiments.path import config as path
from experiments.tpu_plan import __main__ as tpu_plan
from experiments.tune import config as tune

FUZZ = int(os.environ.get("JAXREG_FUZZ", "0"))
FORM = re.compile(r"--[a-z0-9-]+( \S+)*: expected .+((got|found) |; add ).+", re.DOTALL)
COMMANDS = {
    "mnist": (training.Config, training.resolved),
    "coupling": (coupling.StudyConfig, lambda c: coupling.planned(coupling.resolved(c))),
    "claims": (claims.ClaimsConfig, claims.check),
    "path": (path.PathConfig, lambda c: path.planned(path.resolved(c))),
    "combinations": (
        combinations.CombinationsConfig,
        lambda c: combinations.planned(combinations.resolved(c), 9000),
    ),
    "language": (
        language.LanguageConfig,
        lambda c: language.planned(language.resolved(c), 9000, 500),
    ),
    "tune": (tune.TuneConfig, lambda c: tune.planned(tune.resolved(c))),
    "frameworks": (frameworks.FrameworksConfig, lambda c: None),
    "benchmark": (benchmark.BenchmarkConfig, lambda c: benchmark.check(c, ())),
    "tpu_plan": (tpu_plan.PlanConfig, tpu_plan.checked),
}
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), 5e-5]),
    st.just(float("nan")),
    st.floats(),
    st.floats(0.001, 10),
)
INTS = st.one_of(
    st.sampled_from([0, -1, 1, 2, 3, 64, 2**31, 2**63, 2**64, -(2**63), 10**30]),
    st.integers(1, 40),
)
WORDS = st.sampled_from(["", "mnist", "digits", "idx:/", "tfds:", "v5e:4x4", "a b", "--", "∞", "1"])


def values(kind: Any) -> st.SearchStrategy[Any]:
    """What a command line can make of an annotation."""
    of, inner = typing.get_origin(kind), typing.get_args(kind)
    if of is typing.Annotated:
        return values(inner[0])
    if of in (typing.Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if of is typing.Literal:
        return st.sampled_from(inner)
    if of is tuple and inner[-1] is Ellipsis:
        return st.lists(values(inner[0]), max_size=5).map(tuple)
    if of is tuple:
        return st.tuples(*map(values, inner))
    simple = {
        bool: st.booleans(), int: INTS, float: FLOATS, str: WORDS,
        Path: st.just(Path("/nonexistent")), types.NoneType: st.none(),
    }  # fmt: skip
    return simple[kind]


def fields(config: type[Any]) -> dict[str, st.SearchStrategy[Any]]:
    hints = typing.get_type_hints(config, include_extras=True)
    return {field.name: values(hints[field.name]) for field in dataclasses.fields(config)}


@pytest.mark.parametrize("command", COMMANDS)
def test_any_settings_make_sense_or_are_refused(command):
    config, resolve = COMMANDS[command]
    strategies = fields(config)

    @settings(
        max_examples=FUZZ or 40,
        derandomize=not FUZZ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data):
        names = data.draw(st.sets(st.sampled_from(sorted(strategies)), max_size=4))
        chosen = {name: data.draw(strategies[name], name) for name in sorted(names)}
        refusal = ""
        try:
            resolve(config(**chosen))
        except ConfigError as error:
            refusal = str(error)
        assert not refusal or FORM.match(refusal), refusal

    check()
