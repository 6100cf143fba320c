"""Every penalty of the catalogue obeys the laws, in every container; a broken one is caught."""

from __future__ import annotations

import collections
import re
from typing import Any

import equinox
import flax.core
import haiku
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.core import Tracer
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import NamedSharding, PartitionSpec

from jaxreg import Penalty, box, l0, l1, l2, orthogonal, prox, pytree, static
from jaxreg.testing import LawViolation, check_penalty
from jaxreg.testing._case import Broken, Case
from jaxreg.testing._penalty_laws import LAWS
from tests.jaxreg.cases import CASES, COMPOSED

ROWS = CASES | COMPOSED


ALIKE = ("group_lasso, two axes", "group_scad", "slope, q")  # to rows beside them, for the laws


@pytest.mark.parametrize("name", [name for name in ROWS if name not in ALIKE])
def test_the_catalogue_obeys_the_laws(name):
    row = ROWS[name]
    shapes, dtypes = row.shapes[:1], [jnp.bfloat16]  # the others are drawn below
    check_penalty(row.penalty, shapes=shapes, dtypes=dtypes, minimiser=row.minimiser)


@pytest.mark.parametrize("name", CASES)
def test_stacked_layers_count_by_the_same_formula(name):
    row = CASES[name]
    for shape in row.shapes[1:]:
        w = 1.5 * np.random.default_rng(3).standard_normal(shape)
        value = jax.jit(row.penalty)(jnp.asarray(w, jnp.float32))
        np.testing.assert_allclose(value, row.formula(w), rtol=1e-5)


# --- the formula, in every container and dtype ---


class Module(equinox.Module):
    kernel: jax.Array
    inner: tuple
    rate: float = 0.5


CONTAINERS = {
    "dict": lambda a, b, n: {"fc": {"kernel": a, "none": None}, "out": {"kernel": b, "step": n}},
    "tuple": lambda a, b, n: (a, (b, None), n),
    "list": lambda a, b, n: [a, [], [b, n, None]],
    "array and list": lambda a, b, n: {"layers": [a, b], "step": n},
    "FrozenDict": lambda a, b, n: flax.core.freeze({"params": {"a": a, "b": b}, "n": n, "z": None}),
    "nnx.State": lambda a, b, n: nnx.State(
        {"a": nnx.Param(a), "b": {"kernel": nnx.Param(b)}, "count": nnx.Variable(n)}
    ),
    "equinox.Module": lambda a, b, n: Module(a, (b, None, n)),
    "haiku": lambda a, b, n: haiku.data_structures.to_immutable_dict(
        {"linear": {"w": a, "n": n}, "linear_1": {"w": b}}
    ),
}
DTYPES = ("bfloat16", "float16", "float32", "float64", "complex64")
REAL_ONLY = ("box", "non_negative")
EXAMPLES = 2


def arrays(seed, dtype):
    """Two arrays of one dtype, whose entries that dtype holds exactly."""
    rng = np.random.default_rng(seed)
    both = 2 * rng.standard_normal((2, 4, 3))
    both = both * np.exp(2j * np.pi * rng.random(both.shape)) if "complex" in dtype else both
    return [jnp.asarray(w).astype(dtype) for w in both]


@pytest.mark.parametrize("container", CONTAINERS)
def test_value_and_prox_in_every_container_and_dtype(container):
    drawn = collections.Counter()

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @hypothesis.given(
        dtypes=st.permutations(DTYPES),
        names=st.permutations(sorted(CASES)),
        strength=st.floats(0.125, 8.0),
        seed=st.integers(0, 5),
    )
    def check(dtypes, names, strength, seed):
        for dtype, name in zip(dtypes, names, strict=False):
            if not (dtype == "complex64" and name in REAL_ONLY):
                check_one(container, dtype, CASES[name], strength, seed)
                drawn[dtype] += 1

    with jax.enable_x64(True):
        check()
    assert set(drawn) == set(DTYPES)
    assert min(drawn.values()) >= EXAMPLES - 1


def check_one(container, dtype, row, strength, seed):
    a, b = arrays(seed, dtype)
    strength = 1 if row.penalty.terms[0].unit.constraint else strength
    penalty = row.penalty if strength == 1 else strength * row.penalty
    params = CONTAINERS[container](a, b, jnp.arange(3))
    value = penalty(params)
    assert value.dtype == ("float64" if dtype == "float64" else "float32")
    wide = [np.asarray(w, np.complex128 if dtype == "complex64" else np.float64) for w in (a, b)]
    wanted = strength * sum(float(row.formula(w)) for w in wide)
    np.testing.assert_allclose(value, wanted, rtol=1e-12 if dtype == "float64" else 1e-5)
    if "orthogonal" not in repr(penalty):
        check_moved(penalty.prox(params, 0.5), params, penalty.prox([a, b], 0.5))


def check_moved(moved, params, wanted):
    """The same tree, its float leaves as ``wanted`` in order, everything else untouched."""
    assert jax.tree.structure(moved) == jax.tree.structure(params)
    pairs = list(zip(jax.tree.leaves(moved), jax.tree.leaves(params), strict=True))
    floats = [new for new, old in pairs if jnp.issubdtype(jnp.result_type(old), jnp.inexact)]
    floats = [new for new in floats if not isinstance(new, float)]
    assert [new.dtype for new in floats] == [new.dtype for new in wanted]
    for new, same in zip(floats, wanted, strict=True):
        np.testing.assert_array_equal(new, same)
    for new, old in pairs:
        if not jnp.issubdtype(jnp.result_type(old), jnp.inexact):
            assert new is old


# --- broken penalties, each caught by its own law ---

L0: Any = type(l0)  # of no static type, so that subclasses may break its rules
L1: Any = type(l1)
L2: Any = type(l2)
Box: Any = type(box(0, 1))
Orthogonal: Any = type(orthogonal("rows"))


@pytree
class Halved(L2):
    def array_value(self, w):
        return super().array_value(w) / 2


@pytree
class HalvedWithItsGradient(L2):
    def array_value(self, w):
        return super().array_value(w) / 2

    def array_grad(self, w):
        return w


@pytree
class WrongSign(L2):
    def array_value(self, w):
        return -super().array_value(w)

    def array_grad(self, w):
        return -2 * w


@pytree
class GradientOfWrongSize(L1):
    def array_grad(self, w):
        return jnp.sign(w) / w.size


@pytree
class ProxOfAnotherStep(L1):
    def array_prox(self, w, step):
        return prox.l1(w, step / 2)


@pytree
class ProxWithoutItsStep(L1):
    def array_prox(self, w, step):
        return prox.l1(w, 0.1)


@pytree
class ExpansiveProx(L1):
    def array_prox(self, w, step):
        return prox.l0(w, step)


@pytree
class LocalProx(L0):
    def array_prox(self, w, step):
        return jnp.where(jnp.abs(w) <= step, 0, w)  # both are local minima


@pytree
class NormWithNaN(Penalty):
    __name__ = "norm"

    def array_value(self, w):
        return jnp.sqrt(jnp.sum(jnp.abs(w) ** 2))


@pytree
class SignedOrthogonality(Orthogonal):
    def array_value(self, w):
        gram = w @ jnp.conj(w.T)
        return jnp.sum(gram - jnp.diag(jnp.diag(gram))).real


@pytree
class NotZeroAtItsMinimum(L2):
    def array_value(self, w):
        return super().array_value(w) + 1


@pytree
class NotFlatAtItsMinimum(L1):
    def array_value(self, w):
        return jnp.sum(jnp.abs(w))

    def array_grad(self, w):
        return jnp.where(w >= 0, 1, -1).astype(w.dtype)


@pytree
class AlwaysFloat32(L2):
    def array_value(self, w):
        return super().array_value(w).astype(jnp.float32)


@pytree
class AccumulatesInItsDtype(L2):
    def array_value(self, w):
        low = w.astype(jnp.bfloat16) if w.dtype == jnp.float32 else w
        return jnp.sum(jnp.abs(low) ** 2).astype(jnp.finfo(w.dtype).dtype)


@pytree
class StaticStrength(Penalty):
    """A strength in the structure, so that each one is traced anew."""

    strength: float = static(default=1.0)
    __name__ = "static_strength"

    def __call__(self, params, /, *misplaced):
        return l2(params) * self.strength

    def prox(self, params, step):
        return (self.strength * l2).prox(params, step)

    def grad(self, params):
        return (self.strength * l2).grad(params)

    def on(self, rule):
        return (self.strength * l2).on(rule)

    def __mul__(self, strength):
        if isinstance(strength, Tracer):
            return strength * (self.strength * l2)
        return StaticStrength(float(strength) * self.strength)

    __rmul__ = __mul__


@pytree
class SquaredStrength(L2):
    def __mul__(self, strength):
        return super().__mul__(strength * strength)

    __rmul__ = __mul__


@pytree
class PartsOfAnother(L1):
    def array_parts(self, w):
        return 2 * super().array_parts(w)


@pytree
class FloatOfStrength(L2):
    def __mul__(self, strength):
        return super().__mul__(float(strength))

    __rmul__ = __mul__


@pytree
class SelectionIgnored(L2):
    def on(self, rule):
        del rule
        return 1.0 * self


@pytree
class EmptyTreeIsZero(L2):
    def __call__(self, params):
        return super().__call__(params) if jax.tree.leaves(params) else jnp.zeros(())


@pytree
class IntegersCounted(L2):
    def __call__(self, params):
        return super().__call__(jax.tree.map(lambda w: w * 1.0, params))


@pytree
class OtherUnderJit(L2):
    def array_value(self, w):
        return super().array_value(w) * (1.5 if isinstance(w, Tracer) else 1)


@custom_partitioning
def partitioned(w):
    return jnp.sum(w)


def everywhere(mesh, *_):
    return NamedSharding(mesh, PartitionSpec())


def of_one_shard(mesh, arguments, result):
    return mesh, jnp.sum, everywhere(mesh), (arguments[0].sharding,)


partitioned.def_partition(
    of_one_shard, infer_sharding_from_operands=everywhere, sharding_rule="i j -> "
)


@jax.custom_jvp
@jax.custom_batching.custom_vmap
def sum_of_first_shard(w):
    """Right but for sharding, which JAX can neither batch nor differentiate."""
    return partitioned(w)


sum_of_first_shard.fun.def_vmap(lambda size, batched, w: (jnp.sum(w, (1, 2)), True))
sum_of_first_shard.defjvp(lambda w, dw: (jnp.sum(*w), jnp.sum(*dw)))


@pytree
class FirstShardOnly(L2):
    def array_value(self, w):
        return sum_of_first_shard(w**2)


@jax.tree_util.register_pytree_node_class
class SettingLost(L2):
    factor: float

    def __init__(self, factor=1.0):
        object.__setattr__(self, "factor", factor)

    def tree_flatten(self):
        return (), None

    @classmethod
    def tree_unflatten(cls, _, __):
        return cls()

    def array_value(self, w):
        return self.factor * super().array_value(w)


class NoPytree(L2):
    pass


@pytree
class SettingRoundedInTheRepr(L2):
    factor: float

    def array_value(self, w):
        return self.factor * super().array_value(w)

    def __repr__(self):
        return f"l2(factor={self.factor:.0f})"


@pytree
class Expanding(Box):
    def array_prox(self, w, step):
        return super().array_prox(w, step) * (1 + 0.1 * step)


BROKEN = {
    Halved(): "gradient matches differences",
    HalvedWithItsGradient(): "prox is stationary",
    WrongSign(): "never negative",
    GradientOfWrongSize(): "gradient matches differences",
    ProxOfAnotherStep(): "prox is stationary",
    ProxWithoutItsStep(): "prox of step zero",
    ExpansiveProx(): "prox non expansive",
    LocalProx(): "prox beats candidates",
    NormWithNaN(): "finite at zero",
    SignedOrthogonality("rows"): "never negative",
    NotZeroAtItsMinimum(): "zero at its minimum",
    NotFlatAtItsMinimum(): "gradient zero at minimum",
    AlwaysFloat32(): "dtype kept",
    AccumulatesInItsDtype(): "low precision accumulates",
    StaticStrength(): "one trace for all strengths",
    SquaredStrength(): "linear in strength",
    FloatOfStrength(): "vmap equals loop",
    PartsOfAnother(): "weights multiply its parts",
    SelectionIgnored(): "selection respected",
    EmptyTreeIsZero(): "empty trees refused",
    IntegersCounted(): "integers left alone",
    OtherUnderJit(): "jit equals eager",
    FirstShardOnly(): "sharded equals unsharded",
    SettingLost(2.0): "pytree round trip",
    NoPytree(): "pytree round trip",
    SettingRoundedInTheRepr(1.25): "repr evaluates back",
    Expanding(-0.5, 2.0): "prox is projection",
}


@pytest.mark.parametrize(("penalty", "law"), BROKEN.items(), ids=[type(p).__name__ for p in BROKEN])
def test_a_broken_penalty_is_caught_by_its_own_law(penalty, law):
    with pytest.raises(LawViolation) as caught:
        check_penalty(penalty, shapes=[(4, 3)], dtypes=[jnp.float32, jnp.float64])
    assert caught.value.law == law, str(caught.value)
    assert re.match(
        rf"(?s){law}: expected .+, got .+, for .+ of shape \(4, 3\)$", str(caught.value)
    )


def test_every_law_is_broken_by_one_of_them():
    """Moreau's decomposition follows from the others for a prox, so that it never comes first."""
    case = Case(ProxOfAnotherStep(), (4, 3), np.float64, (), None, lambda w: [w], frozenset())
    moreau = LAWS[-1]
    with jax.enable_x64(True), pytest.raises(Broken, match="to be a subgradient"):
        moreau.holds(case)
    assert {law.name for law in LAWS} == {*BROKEN.values(), moreau.name}
