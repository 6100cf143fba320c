"""The regularization path: the study behind ``python -m experiments.path``.

The idea. A penalty is followed along its strength λ, from where it does nothing to where nothing is
left: accuracy is flat, then best, then it collapses, and on the way weights become exactly zero
(L1 by its prox, never by its subgradient), hidden units die (group lasso) or the rank falls
(nuclear norm). A unit that is dead can be cut out, and the smaller network gives the same logits.

What happens, in this order:

1. `config` resolves the options; `penalties` is the table of what is followed, with its strengths.
2. `cost` estimates the seconds of each path.
3. `conduct` takes the paths one at a time: `trainings` of the mission's network, all strengths and
   seeds side by side, or `regression`, exact solutions by `jaxreg.path`, all seeds side by side.
   `measures` says what is measured of both. Every training is a line of ``records.jsonl`` as soon
   as it is done: a study that was stopped goes on from these lines. `pictures` keeps the first
   layer's weights of the first seed, `cut` takes its dead units out.
4. `results` reads the lines back as arrays [strength, seed]. What lies on disk is described there.
5. `findings` computes what the paths say, with intervals over seeds; `answer` and `describe` put it
   into words: the dictionary that `content` types.
6. `tables`, `picture` and `page` draw that dictionary.

Steps 4 to 6 need no training: ``--resume FOLDER`` on a finished study draws it anew.

Each seed redraws training images, wrong labels, initial weights and batches, and all trainings of a
seed share them: gains are compared in pairs. Validation images choose λ, test images are reported.
"""

from __future__ import annotations
