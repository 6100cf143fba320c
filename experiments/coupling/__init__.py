"""Coupled against decoupled decay: grids of trainings, and what they say."""
