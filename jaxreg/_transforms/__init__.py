"""Regularization as optax transformations."""
