"""What a wrong name and a call that does not fit are told, for everything that is public."""

from __future__ import annotations

import inspect
import re
import types
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg
from jaxreg import convert, diagnostics, l1, l2, prox, testing, tune
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._messages.names import HERE

NAMESPACES = (jaxreg, convert, diagnostics, prox, testing, tune)
FUNCTIONS = {
    f"{space.__name__}.{name}": function
    for space in NAMESPACES
    for name, function in vars(space).items()
    if inspect.isfunction(function)
    and function.__module__.startswith("jaxreg")
    and not name.startswith("_")
    and name not in ("absent", "explained", "pytree", "static", "grid")
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_says_which_arguments_it_takes(name):
    function = FUNCTIONS[name]
    short = function.__name__
    signature = inspect.signature(function)
    assert not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for call in (lambda: function(nonsense=1), lambda: function(*[1.0] * 20, nonsense=1)):
        with pytest.raises(TypeError, match=f"^{short}: expected the arguments .*, got nonsense="):
            call()
    needed = [
        p.name
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    if needed:
        with pytest.raises(TypeError, match=f"got none for {' and '.join(needed)}; write {short}"):
            function()


# What people type, of jaxreg or another library, and the argument that they are told.
KEYWORDS = [
    (lambda: jaxreg.decoupled_decay(0.1, 0.1, mask=None), "write where=…"),
    (lambda: jaxreg.decoupled_decay(wd=0.1, lr=0.1), "write rate=…, learning_rate=…"),
    (lambda: jaxreg.decoupled_decay(0.1, 0.1, wheer=None), "write where=…"),
    (lambda: jaxreg.proximal_step(l1, lr=0.1), "write learning_rate=…"),
    (lambda: jaxreg.proximal_step(l1, tx=optax.adam(0.1)), "write optimizer=…"),
    (lambda: jaxreg.group_lasso(dim=0), "write axis=…"),
    (lambda: jaxreg.box(min=0, max=1), "write lower=…, upper=…"),
    (lambda: jaxreg.max_norm(max_value=2, axis=0), "write bound=…"),
    (lambda: jaxreg.elastic_net(alpha=1, beta=1), "write l1=…, l2=…"),
    (lambda: jaxreg.elastic_net(1e-4), "say which is which: elastic_net(l1=…, l2=…)"),
    (lambda: jaxreg.sparse_group_lasso(0, l1=0.5), "write l1_ratio=…"),
    (lambda: jaxreg.huber(threshold=1), "write delta=…"),
    (lambda: jaxreg.regularized(loss_fn=abs, penalty=l2), "write loss=…"),
    (lambda: jaxreg.audit(optax.sgd(0.1), jnp.ones(2), lr=0.1), "write learning_rates=…"),
    (lambda: convert.to_ridge_alpha(0.1, n_samples=3), "write examples=…"),
    (lambda: convert.to_torch_weight_decay(lam=0.1), "write strength=…"),
    (lambda: diagnostics.norms(jnp.ones(2), mask=None), "write where=…"),
    (lambda: prox.l1(jnp.ones(2), lr=0.1), "write step=…"),
    (lambda: l2.prox(jnp.ones(2), tau=0.1), "write step=…"),
    (lambda: l2.around(anchor=jnp.ones(2)), "write reference=…"),
    (lambda: jaxreg.elastic_net(0.1, 0.2), "say which is which: elastic_net(l1=…, l2=…)"),
    (lambda: jaxreg.elastic_net(l1=0.1), "got none for l2; write elastic_net(l1=…, l2=…)"),
    (lambda: jaxreg.huber(1.0, delta=1.0), "got delta twice; leave out one of them"),
    (lambda: jaxreg.sweep(abs), "got none for points; write sweep(train, points)"),
    # arguments of others, however near in spelling
    (lambda: tune.sobol(abs, None, sampler="gp"), "; bayesian takes sampler="),
    (lambda: tune.folds(30, grow=True), "; cross_validate takes grow="),
    (
        lambda: tune.cross_validate(abs, {}, mode="forward"),
        "; hypergradient and validation_gradient take mode=",
    ),
    (lambda: tune.random(abs, None, samplr="gp"), "; help(random) says what each is for"),
    (
        lambda: tune.cross_validate(abs, {}, n_jobs=2),
        "; help(cross_validate) says what each is for",
    ),
    (lambda: tune.ridge_path(jnp.ones((2, 1)), jnp.ones(2), strength=[1]), "write strengths=…"),
]


@pytest.mark.parametrize(("call", "advice"), KEYWORDS, ids=[advice for _, advice in KEYWORDS])
def test_an_argument_by_another_name_is_told_its_own(call, advice):
    with pytest.raises(TypeError, match=f"{re.escape(advice)}$"):
        call()


def test_what_fits_is_called_and_its_own_errors_are_its_own():
    @explained
    def raises(a, b=1):
        """Its docstring."""
        raise TypeError(f"got {a} and {b}")

    with pytest.raises(TypeError, match=r"^got 1 and 2$"):
        raises(1, b=2)
    with pytest.raises(TypeError, match=r"^raises: expected the arguments") as error:
        raises(c=1)
    assert error.value.__context__ is None
    assert (raises.__doc__, str(inspect.signature(raises))) == ("Its docstring.", "(a, b=1)")


# --- names ---

NAMES: dict[types.ModuleType, dict[str, str | None]] = {
    jaxreg: {
        "lasso": "jaxreg.l1",
        "Lasso": "jaxreg.l1",
        "L1": "jaxreg.l1",
        "L2": "jaxreg.l2",
        "ridge": "jaxreg.l2",
        "l2_loss": "jaxreg.l2",
        "l2_regularization": "jaxreg.l2",
        "L2Regularizer": "jaxreg.l2",
        "frobenius_norm": "jaxreg.l2",
        "elasticnet": "jaxreg.elastic_net(l1=…, l2=…)",
        "GroupLasso": "jaxreg.group_lasso(axis)",
        "l21_norm": "jaxreg.group_lasso(axis)",
        "nuclear_norm": "jaxreg.nuclear",
        "weight_decay": "jaxreg.decoupled_decay(rate, learning_rate)",
        "adamw": "jaxreg.decoupled_decay(rate, learning_rate)",
        "add_decayed_weights": "jaxreg.add_penalty_gradient(penalty)",
        "mask": "jaxreg.weights.mask",
        "adaptive_lasso": "jaxreg.l1.weighted(weights)",
        "WeightedGroupL2": "jaxreg.group_lasso(axis)",
        "BlockMCPenalty": "jaxreg.group_mcp(gamma, axis)",
        "grSCAD": "jaxreg.group_scad(a, axis)",
        "SLOPE": "jaxreg.slope(weights)",
        "prox_l1": "jaxreg.prox.l1",
        "soft_threshold": "jaxreg.prox.l1",
        "prox_group_lasso": "jaxreg.prox.group_lasso",
        "sparsity": "jaxreg.diagnostics.sparsity",
        "to_torch_weight_decay": "jaxreg.convert.to_torch_weight_decay",
        "check_penalty": "jaxreg.testing.check_penalty",
        "decouple_decay": "jaxreg.decoupled_decay",
        "grup_lasso": "jaxreg.group_lasso",
        "xyzzy": None,
    },
    prox: {"lasso": "jaxreg.prox.l1", "soft_threshold": "jaxreg.prox.l1"},
    convert: {
        "to_adamw": "jaxreg.convert.to_decoupled_rate",
        "to_torch_weigth_decay": "jaxreg.convert.to_torch_weight_decay",
        "from_pytorch": "jaxreg.convert.from_torch_weight_decay",
        "xyzzy": None,
    },
    diagnostics: {"norm": "jaxreg.diagnostics.norms", "group_lasso": "jaxreg.group_lasso"},
    testing: {"check_transforms": "jaxreg.testing.check_transform"},
}


@pytest.mark.parametrize("module", NAMES, ids=lambda module: module.__name__)
def test_a_name_from_elsewhere_is_told_the_one_here(module):
    for name, here in NAMES[module].items():
        advice = f"write {here}" if here else f"help({module.__name__}) says what there is"
        expected = f"module {module.__name__!r} has no attribute {name!r}; {advice}"
        with pytest.raises(AttributeError, match=f"^{re.escape(expected)}$"):
            getattr(module, name)
        assert not hasattr(module, name)
        assert getattr(module, name, 1) == 1


def test_an_import_is_told_too_and_stays_an_import_error():
    with pytest.raises(ImportError, match=r"has no attribute 'ridge'; write jaxreg\.l2$"):
        from jaxreg import ridge  # pyright: ignore  # noqa: F401
    with pytest.raises(ImportError, match=r"^cannot import name 'xyzzy'"):
        from jaxreg import xyzzy  # pyright: ignore  # noqa: F401


def test_every_name_that_is_recommended_exists():
    for here in HERE:
        thing: Any = jaxreg
        for part in here.partition("(")[0].split("."):
            thing = getattr(thing, part)
        named = re.findall(r"\((.+)\)", here)
        if named and named != ["…"] and inspect.isfunction(thing):
            own = list(inspect.signature(thing).parameters)
            told = [word.partition("=")[0] for word in named[0].split(", ")]
            assert told == own[: len(told)]


# --- what came, in a few words ---


class Pair(NamedTuple):
    a: Any
    b: Any


BRIEF = {
    "None": None,
    "0.5": 0.5,
    "np.float32(0.5)": np.float32(0.5),
    "the string 'kernel'": "kernel",
    "the string 'xxxxxxxxxxxx...xxxxxxxxxxxxx'": "x" * 1000,
    "a float32 array of shape (2, 3)": jnp.ones((2, 3)),
    "an int64 array of shape (1000000,)": np.zeros(10**6, np.int64),
    "an optimizer": optax.adam(0.1),
    "the penalty 0.5 * l2": 0.5 * l2,
    "the function l1": prox.l1,
    "the class dict": dict,
    "an empty dict": {},
    "a dict of 1 float32 array": {"w": jnp.ones(3)},
    "a dict of 2 float32 arrays": {"a": jnp.ones(3), "b": [jnp.ones(2)]},
    "a list of 2 Python numbers": [1.0, 2],
    "a tuple of 2 strings": ("a", "b"),
    "a Pair of 2 leaves": Pair(1.0, jnp.ones(2)),
    "an object": object(),
}


@pytest.mark.parametrize(("words", "thing"), BRIEF.items(), ids=BRIEF)
def test_a_thing_is_said_in_a_few_words(words, thing):
    assert brief(thing) == words
