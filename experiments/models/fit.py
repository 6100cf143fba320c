"""What networks cannot take, said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.errors import ConfigError
from experiments.models.table import MODELS


def check_parts(model: str, norm: str | None, dropout: float) -> None:
    """Raises if a network has no place for what is asked of it, or the share is none.

    Raises:
      ConfigError: with what it has a place for.
    """
    row = MODELS[model]
    if norm is not None and norm not in row.norms:
        raise ConfigError(
            f"--norm: expected {' or '.join(row.norms)} with --model {model}, which has no place "
            f"for another, got {norm}; take --model mlp"
        )
    if not 0 <= dropout < 1:
        advice = f"{dropout:g} % is {dropout / 100:g}" if 1 < dropout < 100 else "0 drops nothing"
        raise ConfigError(
            f"--dropout: expected a share from 0 to below 1, got {dropout:g}; {advice}"
        )
    if dropout and not row.dropout:
        raise ConfigError(
            f"--dropout: expected 0 with --model {model}, which has no place for it, got "
            f"{dropout:g}; take --model mlp"
        )


def check_batches(model: str, norm: str | None, examples: int | None, batch_size: int) -> None:
    """Raises if a batch has one image and its statistics normalise it: what is left is nothing.

    Several devices count as one: the statistics are those of their parts together.

    Args:
      model: of the table.
      norm: what is asked for; None is the network's own.
      examples: images of an epoch, whose last batch is short; None if all are full.
      batch_size: of the others.

    Raises:
      ConfigError: with the batch.
    """
    if (norm or MODELS[model].norms[0]) != "batch":
        return
    others = "; take another --batch-size, or --norm layer"
    if batch_size == 1:
        raise ConfigError(
            f"--norm batch: expected batches of at least 2 images, by whose statistics they are "
            f"normalised, got --batch-size 1{others}"
        )
    if examples is not None and examples % batch_size == 1:
        raise ConfigError(
            f"--norm batch: expected at least 2 images in every batch, by whose statistics they "
            f"are normalised, got 1 in the last of {examples:,} images by {batch_size}{others}"
        )


def check_images(model: str, shape: Sequence[int], data: str) -> None:
    """Raises if images [height, width, channels] are too small for a network.

    Raises:
      ConfigError: with the least that it takes.
    """
    row, (height, width, _) = MODELS[model], shape
    if min(height, width) < row.least:
        raise ConfigError(
            f"--model {model}: expected images of at least {row.least}×{row.least} pixels, "
            f"{row.because}, got {height}×{width} of {data}; take --model mlp"
        )
