"""Which form of decay the answers of an optimizer show, leaf by leaf.

Each rule looks at the answers for one leaf and names a form or passes. No rule knows the name, the
state or the class of an optimizer: all that counts is what comes out for what goes in. The tests
behind them, with F what the optimizer makes of gradients alone and W a random direction:

- without gradients, is the update −c·W, twice that at 2W, and blind to earlier parameters?
- under gradients, is half the difference of the updates at W and −W the same −c·W?
- coupled: is there a d such that gradients G − d·W at W give what G + d·W give at −W, F(G)?
"""

from __future__ import annotations

from jaxreg._audit import at_rest, shares, shrinkages
from jaxreg._audit.answers import Answers
from jaxreg._audit.forms import Finding

RULES = (
    at_rest.unreadable,
    at_rest.stationary,
    at_rest.unanswered,
    at_rest.keeps_parameters,
    at_rest.idle,
    shrinkages.projection,
    at_rest.only_under_gradients,
    shares.trust_ratio,
    shares.linear_with_memory,
    shares.linear,
    shrinkages.threshold,
    shrinkages.preconditioned,
    shrinkages.beside_the_step,
    shrinkages.unexplained,
)


def judge(answers: Answers) -> Finding:
    """The first rule that recognises the leaf's answers says which form it is."""
    return next(found for rule in RULES if (found := rule(answers)) is not None)
