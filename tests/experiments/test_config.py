"""Settings: what is accepted instead of what, what is echoed; the others: `test_bad_input`."""

from __future__ import annotations

import pytest

from experiments.config import Config, describe_problem, resolved


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
