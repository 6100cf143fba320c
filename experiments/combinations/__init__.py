"""Penalties beside Dropout and BatchNorm: the study behind ``python -m experiments.combinations``.

The idea. Each penalty, and none, is trained with and without Dropout and BatchNorm, at a strength
that is tuned for that place. What helps a plain network may add nothing where something else does
the same already, or hurt. Two questions have an answer in print: whether dropout with max-norm is
better than dropout with L2, max-norm and L2, in this order (Srivastava et al. 2014, table 9); and
what L2 does to layers that a norm follows: it cannot regularise them, their scale being without
effect, but it shrinks them, which raises their effective learning rate η/‖w‖² (van Laarhoven 2017).

What happens, in this order:

1. `config` resolves the options; `penalties` is the table of what is combined, with its strengths.
2. `cost` estimates the seconds of each part.
3. `conduct` takes the parts one at a time, a network and its norm: one program, whose traced
   numbers are the seed, the dropout and the numbers of every penalty (`trainings`). Tuning seeds
   try the strengths, validation images choose, and other seeds measure. Every training is a line of
   ``records.jsonl`` as soon as it is done: a study that was stopped goes on from these lines.
4. `results` reads the lines back as arrays. What lies on disk is described there.
5. `findings` computes what they say, with intervals over seeds, in pairs; `describe` puts it into
   words and digits: the dictionary that `content` types.
6. `tables`, `picture` and `page` draw that dictionary.

Steps 4 to 6 need no training: ``--resume FOLDER`` on a finished study draws it anew.
"""

from __future__ import annotations
