"""Settings: what is accepted instead of what, what is refused, what is echoed."""

from __future__ import annotations

import pytest

from experiments.config import Config, ConfigError, describe_problem, resolved


def test_weight_decay_is_echoed_as_half_of_it():
    assert resolved(Config(weight_decay=1e-3)).strength == 5e-4
    assert resolved(Config()).strength == 5e-5


@pytest.mark.parametrize(
    ("penalty", "l1_strength", "expected"),
    [
        ("l2", None, (3e-4, 0.0)),
        ("l1", None, (0.0, 3e-4)),
        ("l1", 1e-6, (0.0, 1e-6)),
        ("elastic_net", None, (3e-4, 3e-4)),
        ("elastic_net", 1e-6, (3e-4, 1e-6)),
    ],
)
def test_strengths(penalty, l1_strength, expected):
    config = resolved(Config(strength=3e-4, penalty=penalty, l1_strength=l1_strength))
    assert (config.strength, config.l1_strength) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strength": -1.0}, "--strength: expected a finite number ≥ 0, got -1.0"),
        ({"strength": float("nan")}, "--strength: expected a finite number ≥ 0, got nan"),
        ({"weight_decay": -1e-4}, "--weight-decay: expected a finite number ≥ 0, got -0.0001"),
        ({"l1_strength": float("inf")}, "--l1-strength: expected a finite number ≥ 0, got inf"),
        ({"rate": -1.0}, "--rate: expected a finite number ≥ 0, got -1.0"),
        ({"learning_rate": 0.0}, "--learning-rate: expected a finite number > 0, got 0.0"),
        ({"batch_size": 0}, "--batch-size: expected at least 1, got 0"),
        ({"epochs": 0}, "--epochs: expected at least 1, got 0"),
        ({"hidden": -3}, "--hidden: expected at least 1, got -3"),
        ({"seed": -1}, "--seed: expected an integer from 0 to 2⁶⁴ − 1, got -1"),
        ({"seed": 2**64}, f"--seed: expected an integer from 0 to 2⁶⁴ − 1, got {2**64}"),
        (
            {"strength": 1e-3, "weight_decay": 1e-3},
            "--weight-decay: expected it instead of --strength, got both; --strength 0.001 alone "
            "is PyTorch's weight_decay=0.002",
        ),
        (
            {"l1_strength": 1e-3},
            "--l1-strength: expected with --penalty l1 or elastic_net, got --penalty l2; add "
            "--penalty elastic_net",
        ),
        (
            {"penalty": "l1", "weight_decay": 1e-3},
            "--weight-decay: expected with --penalty l2 or elastic_net, got --penalty l1; the "
            "strength of l1 is --l1-strength",
        ),
        (
            {"penalty": "l1", "coupling": "decoupled"},
            "--coupling decoupled: expected --penalty l2, got l1; the decoupled form that gives "
            "exact zeros is --coupling proximal",
        ),
        (
            {"penalty": "elastic_net", "coupling": "independent"},
            "--coupling independent: expected --penalty l2, got elastic_net; the decoupled form "
            "that gives exact zeros is --coupling proximal",
        ),
        (
            {"rate": 0.1},
            "--rate: expected with --coupling decoupled or independent, got loss; the strength of "
            "loss is --strength",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(ConfigError) as error:
        resolved(Config(**changes))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "loss = cross-entropy + 5e-05·Σ‖w‖²    (PyTorch: weight_decay=0.0001)"),
        (
            {"where": "weights"},
            "loss = cross-entropy + 5e-05·Σ‖w‖²    (PyTorch: weight_decay=0.0001)"
            "    on weights only, not biases",
        ),
        ({"penalty": "l1", "strength": 1e-3}, "loss = cross-entropy + 0.001·Σ|w|"),
        (
            {"penalty": "elastic_net", "l1_strength": 1e-3},
            "loss = cross-entropy + 0.001·Σ|w| + 5e-05·Σ‖w‖²",
        ),
        (
            {"coupling": "coupled"},
            "gradient = ∇cross-entropy + ∇(5e-05·Σ‖w‖²)    (optax.add_decayed_weights(0.0001))",
        ),
        (
            {"coupling": "coupled", "penalty": "l1"},
            "gradient = ∇cross-entropy + ∇(5e-05·Σ|w|)    (jaxreg.add_penalty_gradient)",
        ),
        (
            {"coupling": "decoupled"},
            "w ← w − η_t·u_t − η_t·ω·w, ω = 2λ = 0.0001    (AdamW of PyTorch and optax)",
        ),
        (
            {"coupling": "independent"},
            "w ← w − η_t·u_t − s_t·ω·w, ω = 2αλ = 1e-06    (AdamW as published)",
        ),
        (
            {"coupling": "independent", "rate": 0.5},
            "w ← w − η_t·u_t − s_t·ω·w, ω = 0.5    (AdamW as published)",
        ),
        (
            {"coupling": "proximal"},
            "w ← argmin_v 5e-05·Σ‖v‖² + ‖v − w⁺‖²/(2η_t), w⁺ = w − η_t·u_t",
        ),
    ],
)
def test_the_problem_in_one_line(changes, line):
    assert describe_problem(resolved(Config(**changes))) == line
