"""The error for what cannot be meant."""

from __future__ import annotations


class ConfigError(ValueError):
    """A setting that cannot be meant: what was expected, what came, what to do."""
