"""What papers say about weight decay and regularization, as claims that can be measured here."""

from __future__ import annotations
