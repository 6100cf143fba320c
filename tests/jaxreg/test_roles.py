"""Whether leaves of public models are weights or biases, by name, rank, siblings and owner."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxreg import describe, weights
from jaxreg._select import roles
from jaxreg._trees import Leaf
from tests.jaxreg import model_names
from tests.jaxreg.model_names import Row, expanded, rows

EXCEPTIONS = {name for names in model_names.EXCEPTIONS for name in expanded(names)}


def leaf(row: Row) -> Leaf:
    shape = jax.ShapeDtypeStruct((2,) * row.rank, jnp.float32)
    path = tuple(row.name.split("/"))
    owner = type(row.owner, (), {}) if row.owner else None
    return Leaf(row.name, shape, owner, True, path)


def misjudged(table: str) -> set[str]:
    found = rows(table)
    leaves = [leaf(row) for row in found]
    verdicts = zip(found, roles.weights(leaves), roles.biases(leaves), strict=True)
    return {
        row.name
        for row, weight, bias in verdicts
        if weight.selected != (row.role in model_names.DECAYED)
        or bias.selected != (row.role == "bias")
    }


@pytest.mark.parametrize("model", model_names.MODELS)
def test_parameters_of_public_models(model: str):
    named = {row.name for row in rows(model_names.MODELS[model])}
    assert misjudged(model_names.MODELS[model]) == EXCEPTIONS & named


def test_names_that_resemble_others():
    assert misjudged(model_names.TRAPS) == set()


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"lora_a": 2, "lora_b": 2}, "a weight, low-rank beside lora_a"),
        ({"w": 2, "b": 1}, "called b"),
        ({"wq": 2, "bq": 1}, "the bias beside wq"),
        ({"gamma_1": 1}, "called gamma_1, a factor"),
        ({"log_std": 1}, "called log_std, a logarithm"),
        ({"clip_min": 1}, "called clip_min, a bound"),
        ({"init_std": 1}, "called init_std, a spread"),
        ({"time_decay": 1}, "called time_decay, a recurrence"),
        ({"running_var": 1}, "called running_var, a statistic"),
        ({"sinks": 1}, "called sinks, a sink of attention"),
        ({"A_log": 2, "D": 1}, "D of a state space, beside A_log"),
        ({"ffn_norm/kernel": 2}, "kernel of ffn_norm"),
        ({"ln_1_weight": 1}, "called ln_1_weight"),
        ({"norm_proj/kernel": 2}, "a weight"),
        ({"ls1/weight": 1}, "weight of ls1"),
        ({"conv/weight_v": 4, "conv/weight_g": 4}, "magnitude of a weight norm"),
        ({"layer/b": 1, "layer/g": 1}, "the gain beside b"),
        ({"bound_of_logits": 0}, "a number alone"),
        ({"act/weight": 1}, "one-dimensional weight of an unknown layer"),
        ({"scale/weight": 1}, "weight of scale, a factor"),
    ],
)
def test_the_reason_is_the_line_of_evidence(names: dict[str, int], why: str):
    params = {name: jnp.ones((2,) * ndim) for name, ndim in names.items()}
    assert (
        next(row for row in describe(params, weights).rows if row[0] == list(names)[-1])[3] == why
    )


def test_a_kernel_with_more_axes_than_its_bias_is_a_map_whatever_holds_it():
    dense = {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}
    stacked_norm = {"kernel": jnp.ones((3, 2)), "bias": jnp.ones((3, 2))}
    for params, expected in ((dense, True), (stacked_norm, False)):
        assert weights.mask({"attention_norm": params})["attention_norm"]["kernel"] is expected


CLASSES = {
    "LayerNorm": True, "Qwen3RMSNorm": True, "RMSNormGated": True, "LayerNormPerHead": True,
    "EncoderNorm": True, "BatchNorm2d": True, "GroupNormAct": True, "RMSNormalization": True,
    "LayerScale": True, "LearnedScale": True, "PReLU": True, "MultiHeadRMSNorm": True,
    "WeightNormLinear": False, "SpectralNormConv": False, "NormLinear": False, "NormFreeNet": False,
    "LayerNormGRUCell": False, "NormalHead": False, "LogNormal": False, "Affine": False,
    "MultiScaleAttention": False, "ScaledDense": False, "NormalizedLinear": False,
    "PreNormBlock": False,
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_classes_of_norms_and_scales(name: str):
    owned = leaf(Row("layer/kernel", 2, "", name))
    assert roles.weights([owned])[0].selected is not CLASSES[name]
