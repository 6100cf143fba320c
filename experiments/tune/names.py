"""What ways are called, and what they choose λ for."""

from __future__ import annotations

from typing import Literal

Subject = Literal["network", "pixels", "features"]
SUBJECTS: dict[str, str] = {
    "network": "the network",
    "pixels": "least squares on pixels",
    "features": "least squares on features",
}
"""Features: the hidden layer, trained without a penalty."""
TITLES: dict[str, str] = {
    "cv": "cross-validation",
    "bayesian": "Bayesian search",
    "random": "random search",
    "sobol": "Sobol search",
    "hypergradient": "hypergradient",
    "ridge": "leave-one-out",
    "evidence": "evidence",
}
