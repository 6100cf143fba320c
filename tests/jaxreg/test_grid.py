"""Every combination once, in the order of nested loops."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

from jaxreg import grid


def test_is_the_product_in_the_order_of_nested_loops():
    axes = {"strength": [0.0, 0.5, 1.0], "seed": [3, 1], "optimizer": np.arange(4)}
    points = grid(**axes)
    assert list(zip(*(array.tolist() for array in points.values()), strict=True)) == list(
        itertools.product(*axes.values())
    )
    assert list(points) == list(axes)


@pytest.mark.parametrize(("x64", "kinds"), [(False, "float32 int32"), (True, "float64 int64")])
def test_has_the_precision_of_jax(x64, kinds):
    with jax.enable_x64(x64):
        points = grid(strength=[0.1, 0.2], seed=[0, 1])
    assert " ".join(str(array.dtype) for array in points.values()) == kinds


def test_takes_keys_and_the_rows_of_an_array():
    keys, starts = jax.random.split(jax.random.key(0), 2), np.arange(6.0).reshape(3, 2)
    points = grid(key=keys, start=starts)
    expected = np.repeat(jax.random.key_data(keys), 3, axis=0)
    np.testing.assert_array_equal(jax.random.key_data(points["key"]), expected)
    np.testing.assert_array_equal(points["start"], np.tile(starts, (2, 1)))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "grid: expected axes, got none; write grid(strength=[1e-4, 1e-3])"),
        (
            {"seed": 3},
            "grid: seed: expected a sequence of values, got 3; write seed=[3]",
        ),
        ({"seed": []}, "grid: seed: expected at least one value, got none; leave it out"),
    ],
)
def test_errors(axes, message):
    with pytest.raises(ValueError, match="grid") as raised:
        grid(**axes)
    assert str(raised.value) == message
