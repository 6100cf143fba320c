"""The auditor: every optimizer of optax that decays weights, and what is returned of it."""

from __future__ import annotations

import functools
import inspect
import math
import pathlib
import re
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState
from optax import contrib

from jaxreg import audit, weights
from jaxreg._audit import black_box
from jaxreg._messages.brief import brief
from jaxreg._numbers import _in_numpy
from tests.jaxreg.audits import (
    KERNEL,
    LR,
    PARAMS,
    RATE,
    add_decayed,
    on_kernel,
    wrapped,
)

# What prodigy and dadapt multiply the learning rate by in the first step: their d of 1e-6 with
# Adam's bias correction.
D_AT_FIRST = 1e-6 * math.sqrt(1 - 0.999) / (1 - 0.9)


# that is read, and what that scales with. The rows of the table in the pages.
OPTAX = {
    "adadelta": ("coupled", RATE, "gradient"),
    "adafactor": ("decoupled", RATE, "nothing"),
    "adamaxw": ("decoupled", RATE, "learning rate"),
    "adamw": ("decoupled", RATE, "learning rate"),
    "adan": ("decoupled", RATE, "learning rate"),
    "lamb": ("trust ratio", None, "learning rate"),
    "lars": ("trust ratio", None, "learning rate"),
    "lion": ("decoupled", RATE, "learning rate"),
    "nadamw": ("decoupled", RATE, "learning rate"),
    "novograd": ("through momentum", RATE, "learning rate"),
    "contrib.acprop": ("decoupled", RATE, "learning rate"),
    "contrib.ademamix": ("decoupled", RATE, "learning rate"),
    "contrib.cocob": ("coupled", RATE, "gradient"),
    "contrib.dadapt_adamw": ("decoupled", D_AT_FIRST * RATE, "learning rate"),
    "contrib.dog": ("coupled", RATE, "gradient"),
    "contrib.dowg": ("coupled", RATE, "gradient"),
    "contrib.galore": ("decoupled", RATE, "learning rate"),
    "contrib.madgrad": ("coupled", RATE, "gradient"),
    "contrib.mechanize": ("undetermined", None, ""),
    "contrib.momo": ("proximal", RATE, "learning rate"),
    "contrib.momo_adam": ("proximal", RATE, "learning rate"),
    "contrib.muon": ("decoupled", RATE, "learning rate"),
    "contrib.prodigy": ("decoupled", D_AT_FIRST * RATE, "learning rate"),
    "contrib.schedule_free_adamw": ("undetermined", None, ""),
    "contrib.schedule_free_sgd": ("undetermined", None, ""),
    "contrib.simplified_ademamix": ("decoupled", RATE, "learning rate"),
    "contrib.sophia": ("decoupled", RATE, "learning rate"),
}


def optimizer_of(name, learning_rate):
    module, _, last = name.rpartition(".")
    make = getattr(contrib if module else optax, last)
    if last == "adafactor":
        return make(learning_rate, weight_decay_rate=RATE)
    if last == "cocob":
        return make(weight_decay=RATE)  # it has no learning rate
    if last == "mechanize":
        return make(optax.adam(learning_rate), weight_decay=RATE)
    return make(learning_rate, weight_decay=RATE)


def arguments_of(name):
    objective = lambda params: sum(jnp.sum(w**2) for w in jax.tree.leaves(params))  # noqa: E731
    known = {"contrib.sophia": {"obj_fn": objective}}
    return known.get(name, {"value": 1.0} if "momo" in name else None)


def takes_weight_decay(function):
    if not isinstance(function, types.FunctionType | functools.partial):
        return False
    names = inspect.signature(function).parameters
    return bool({"weight_decay", "weight_decay_rate"} & set(names))


def test_the_table_holds_every_optimizer_that_takes_a_weight_decay():
    found = set()
    for prefix, module in (("", optax), ("contrib.", contrib)):
        functions = inspect.getmembers(module, takes_weight_decay)
        found |= {prefix + name for name, _ in functions if not name.startswith("scale_by_")}
    assert found - {"add_decayed_weights"} == set(OPTAX)


def test_the_table_in_the_pages_is_this_one():
    page = pathlib.Path(__file__).parents[2] / "docs" / "explanation" / "optimizers.md"
    rows = [line.split("|")[1:3] for line in page.read_text("utf-8").splitlines()]
    forms = {form for form, _, _ in OPTAX.values()}
    told = {
        name: row[1].strip()
        for row in rows
        if len(row) == 2 and row[1].strip() in forms
        for name in re.findall(r"`([\w.]+)`", row[0])
    }
    del told["weight_decay_rate"]
    assert told == {name: form for name, (form, _, _) in OPTAX.items()}


@pytest.fixture
def nothing_compiled(request, monkeypatch):
    """All runs in NumPy, but for what NumPy has not."""

    def compiled(*_):
        raise AssertionError("asked of JAX")

    if request.node.callspec.params["name"] not in ("contrib.galore", "contrib.sophia"):
        monkeypatch.setattr(_in_numpy, "_as_jax_does", compiled)
        monkeypatch.setattr(black_box, "_eagerly", compiled)


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("name", OPTAX)
def test_what_the_optimizers_of_optax_do(name):
    form, coefficient, scales_with = OPTAX[name]
    make = functools.partial(optimizer_of, name)
    report = audit(make, PARAMS, update_args=arguments_of(name))
    found = on_kernel(report)
    assert (found.form, found.scales_with) == (form, scales_with), found
    assert "asked of JAX" not in found.evidence
    if coefficient is not None:
        np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-6)
    in_disguise = audit(lambda lr: wrapped(make(lr)), PARAMS, update_args=arguments_of(name))
    assert str(in_disguise) == str(report)


def test_masks_frameworks_and_odd_leaves():
    def forms(optimizer, params):
        return audit(optimizer, params).forms

    adamw = optax.adamw(LR, weight_decay=RATE)
    assert forms(optax.masked(adamw, KERNEL), PARAMS) == {"bias": "none", "kernel": "decoupled"}
    labels = {"bias": "b", "kernel": "a"}
    by_label = optax.multi_transform({"a": adamw, "b": optax.set_to_zero()}, labels)
    frozen = audit(by_label, PARAMS).leaves[0]
    assert (frozen.form, frozen.evidence) == ("none", "frozen: no gradient moves it")
    state = nnx.state(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
    assert forms(adamw, state) == dict.fromkeys(["bias", "kernel"], "decoupled")
    odd = {"a": jnp.ones((2, 3)), "c": jnp.ones(3) + 1j, "i": jnp.arange(3), "n": None}
    expected = {"a": "decoupled", "c": "decoupled", "s": "decoupled"}
    assert forms(adamw, odd | {"s": jnp.ones(())}) == expected
    assert forms(optax.chain(add_decayed(RATE), optax.adam(LR)), odd)["c"] == "coupled"


class Normalised(nnx.Module):
    """Holds statistics and keys of random numbers beside its parameters."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.bn, self.drop = nnx.BatchNorm(3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        self.fc = nnx.Linear(3, 2, rngs=rngs)


@pytest.mark.parametrize(
    ("model", "decayed"),
    [
        (eqx.nn.MLP(3, 1, 2, 1, key=jax.random.key(0)), ["layers/0/weight", "layers/1/weight"]),
        (Normalised(), ["fc/kernel"]),
    ],
    ids=["equinox", "nnx"],
)
def test_a_module_is_audited_as_its_parameters_are(model, decayed):
    """It holds functions, keys and statistics as well, which its users filter out."""
    optimizer = optax.adamw(LR, weight_decay=RATE, mask=weights.mask)
    report = audit(optimizer, model)
    assert [name for name, form in report.forms.items() if form == "decoupled"] == decayed
    assert {form for name, form in report.forms.items() if name not in decayed} == {"none"}
    assert str(report) == str(audit(optimizer, _parameters(model)))

    def update(updates, state, params):
        raise TypeError("what the optimizer needs")

    refused = audit(optax.GradientTransformation(optimizer.init, update), model)
    assert "what the optimizer needs" in refused.leaves[0].evidence


def _parameters(model):
    if isinstance(model, nnx.Module):
        return nnx.state(model, nnx.Param)
    return eqx.filter(model, eqx.is_inexact_array)


def test_lookahead_parameters_are_audited_as_their_fast_copy():
    optimizer = optax.lookahead(optax.adamw(LR, weight_decay=RATE, mask=KERNEL), 5, 0.5)
    report = audit(optimizer, optax.LookaheadParams.init_synced(PARAMS))
    assert report.forms == {"bias": "none", "kernel": "decoupled"}


def test_what_cannot_be_asked_is_undetermined_with_the_reason():
    report = audit(contrib.momo(LR), PARAMS)
    assert set(report.forms.values()) == {"undetermined"}
    assert re.search("'value'.*update_args", report.leaves[0].evidence)
    assert (report.decayed, report.warnings) == ((), ())


def test_the_report_prints_as_a_table():
    report = audit(lambda lr: optax.adamw(lr, weight_decay=RATE, mask=weights.mask), PARAMS)
    lines = str(report).splitlines()
    assert lines[0].split() == ["leaf", "form", "coefficient", "scales", "with", "evidence"]
    assert lines[2].startswith("kernel  decoupled  0.1          learning rate  −c·w")
    assert lines[3] == "1 of 2 leaves decay" == lines[-1]
    assert repr(report) == str(report)


def test_what_holds_an_optimizer_is_judged_by_it():
    class Model(nnx.Module):
        def __init__(self):
            self.kernel = nnx.Param(jnp.ones((2, 3)))

    tx = optax.adamw(LR, weight_decay=RATE)
    of_nnx = nnx.Optimizer(Model(), tx, wrt=nnx.Param)
    of_linen = TrainState.create(apply_fn=None, params=PARAMS, tx=tx)
    for holder in (of_nnx, of_linen):
        assert set(audit(holder, PARAMS).forms.values()) == {"decoupled"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: audit(0.1, PARAMS),
            TypeError,
            "audit: expected an optax optimizer, or a function learning_rate -> optimizer, got "
            "0.1; write audit(optax.adamw(1e-3), params)",
        ),
        (
            lambda: audit(PARAMS, optax.sgd(LR)),
            TypeError,
            "audit: expected an optimizer and the parameters, got them exchanged; "
            "write audit(optimizer, params)",
        ),
        (
            lambda: audit(PARAMS, PARAMS),
            TypeError,
            "audit: expected an optax optimizer, or a function learning_rate -> optimizer, got "
            f"{brief(PARAMS)}; write audit(optax.adamw(1e-3), params)",
        ),
        (
            lambda: audit(optax.sgd(LR)),
            TypeError,
            "audit: expected the arguments (optimizer, params, *, learning_rates=None, steps=4, "
            "update_args=None, loss=None, frozen=None), got none for params; "
            "write audit(optimizer, params)",
        ),
        (
            lambda: audit(optax.sgd(LR), PARAMS, learning_rates=(0.1, 0.2)),
            TypeError,
            "audit: expected a function learning_rate -> optimizer beside learning_rates, got an "
            "optimizer; write audit(lambda learning_rate: …, params, learning_rates=…)",
        ),
        (
            lambda: audit(optax.sgd, PARAMS, learning_rates=(0.1,)),
            ValueError,
            "audit: expected two or more different learning_rates > 0, got (0.1,); leave them "
            "out for (0.001, 0.002)",
        ),
        (
            lambda: audit(optax.sgd(LR), PARAMS, steps=1),
            ValueError,
            "audit: expected steps ≥ 2, to see what is kept of step 0, got 1",
        ),
        (
            lambda: audit(optax.sgd(LR), {"n": jnp.arange(3)}),
            ValueError,
            "audit: expected at least one floating-point array among the parameters, got none; "
            "give the parameters that the optimizer updates",
        ),
        (
            lambda: audit(lambda lr: "x", PARAMS),
            TypeError,
            "audit: expected a function learning_rate -> optimizer, got one that returns 'x'; let "
            "it return optax.adamw(learning_rate)",
        ),
        (
            lambda: audit(lambda lr: types.SimpleNamespace(tx=optax.adam(lr)), PARAMS),
            TypeError,
            "audit: expected a function learning_rate -> optimizer, got one that returns "
            "namespace(tx=GradientTransformationExtraArgs(init=<function ; let it return its .tx",
        ),
        (
            lambda: audit(lambda lr: optax.adamw(lr, weight_decay=1 / 0), PARAMS),
            TypeError,
            "audit: expected a function learning_rate -> optimizer, got one that raises "
            "“division by zero” for 0.001; write "
            "audit(lambda learning_rate: optax.adamw(learning_rate), params)",
        ),
    ],
)
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
