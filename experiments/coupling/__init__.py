"""Coupled against decoupled decay: the study behind ``python -m experiments.coupling``.

The idea. A *heat map* trains learning rates × decays for one network, optimizer and form of decay.
The same cells can be laid out by λ (which the learning rate multiplies) or by ω (the decay per
step): with ω = 2ηλ on a log-log lattice, one view is the other, sheared. If the valley of low loss
is upright in one view, that number can be tuned once, whatever the learning rate. Theory predicts
which: ω for scale-invariant networks (`regimes`, A), λ where training converges to the minimum of
loss + penalty (B), neither for networks as people train them (C). So the statistic that decides is
the slope, in log-log, of the *upper edge*: the decay beyond the minimum of a row at which the log
loss has risen by 0.25. From λ to ω it grows by exactly 1.

What happens, in this order:

1. `config` resolves the options; `regimes` turns them into panels: set-up, form, first grid.
2. `cost` estimates the seconds of each.
3. `conduct` takes the panels one at a time. `search` moves the grid with a coarse pass to where the
   optimum and the edges are; `nature` tries the network: scale-invariant, linear, or neither. Then
   all cells are trained as one program (`experiments.paired`), and every training is a line of
   ``records.jsonl`` as soon as it is done: a study that was stopped goes on from these lines.
   `grid` has all arithmetic of the lattice, of λ and of ω.
4. `results` reads the lines back as arrays [learning rate, decay, seed].
5. `conclusions` computes everything once: `findings` (slopes, interaction, regret, each with
   intervals over seeds and a verdict) and `comparisons` (best against best, in test error).
6. `answer` and `describe`, with `describe_map` and `names`, put the conclusions into words: the
   dictionary that `content` types.
7. `page` and `heat_maps` draw that dictionary.

Steps 4 to 7 need no training: ``--resume FOLDER`` on a finished study draws it anew.

Each seed redraws training images, wrong labels, initial weights and batches, and all cells of a
seed share them: cells are compared in pairs, and intervals are over seeds (`statistics.resample`).

Where to look instead: what a form of decay does to an optimizer is a row of `experiments.forms`;
the network and what decays in it, `experiments.models`; the train step, `experiments.training`.
"""

from __future__ import annotations
