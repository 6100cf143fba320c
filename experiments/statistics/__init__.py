"""What a grid of trainings says, with intervals over its seeds. Imports no jax."""

from __future__ import annotations
