"""All claims, and how they are chosen by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from experiments.claims import (
    adaptive,
    equivalence,
    grokking,
    normalisation,
    rotation,
    separability,
    sparsity,
    timescales,
    transfer,
    variants,
)
from experiments.claims.claim import Claim
from experiments.config import ConfigError

CLAIMS: tuple[Claim, ...] = (
    *equivalence.CLAIMS,
    *separability.CLAIMS,
    *normalisation.CLAIMS,
    *rotation.CLAIMS,
    *timescales.CLAIMS,
    *variants.CLAIMS,
    *adaptive.CLAIMS,
    *sparsity.CLAIMS,
    *transfer.CLAIMS,
    *grokking.CLAIMS,
)


def chosen(names: Sequence[str], quick: bool) -> tuple[Claim, ...]:
    """The claims of these names, or the quick set, or all.

    Raises:
      ConfigError: if there is no claim of a name, or names are given beside ``quick``.
    """
    if names and quick:
        raise ConfigError(
            "--quick: expected no --claims beside it, since it is a set of claims itself; "
            "leave one of them out"
        )
    known = {claim.name: claim for claim in CLAIMS}
    for name in names:
        if name not in known:
            raise ConfigError(_unknown(name, list(known)))
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    return tuple(claim for claim in CLAIMS if claim.quick or not quick)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "take one of these"
    return f"--claims: expected any of {', '.join(known)}, got {name!r}; {hint}"
