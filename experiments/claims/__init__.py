"""What papers state about weight decay and regularization, as claims that are measured here.

The idea. A claim is a statistic, and the range in which the paper puts it, fixed before anything is
measured. It is measured with several seeds, each of which redraws images, noise, initial weights
and batches. It *holds* if the 95 % jackknife-t interval over seeds lies inside the range, *does not
hold here* if it lies wholly outside, and is *undecided* otherwise. Identities are judged without an
interval, by the worst number, each beside a control that must differ.

Five seeds are the rule. A claim that they leave undecided has as many as the width of its interval
asks for: the number follows from the spread of a pilot, is written down where the claim is defined,
and is then measured with fresh seeds, once, whatever comes out.

What happens, in this order:

1. `registry` chooses claims by name.
2. The function ``measure`` of a claim trains: `trainings` serves networks, losses and optimizers of
   its own (`networks` adds one that nothing normalises), `experiments.paired` grids. It returns,
   for each part of the claim, an array with a leading axis of seeds.
3. `claim.judge` computes estimate and verdict of each part, `claim.measure` the record, which
   holds every number that it takes to compute the verdict anew.
4. `wording`, `tables`, `plot` and `page` show records; they import no jax.

To add a claim: append a `Claim` to ``CLAIMS`` of the module of its subject (`normalisation`,
`rotation`, `timescales`, …), with its paper, its statistic and set-up in words, and its parts with
their ranges; a new subject is a new module, and one line of `registry`. Choose the set-up on other
seeds than those that measure. The tests take every claim of the registry; a statistic of its own is
tested in ``tests/experiments/test_papers.py``, on arrays whose answer is known.

Where to look instead: intervals are those of `experiments.statistics.resample`, the statistics of
grids those of `experiments.statistics`.
"""

from __future__ import annotations
