"""Coupled against decoupled decay: grids of trainings, and what they say."""

from __future__ import annotations
