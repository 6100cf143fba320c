"""A small language model and its decay: the study behind ``python -m experiments.language``.

The idea. AdamW's decay acts by ω = η·λ, the decay per step. PyTorch and optax take λ, AdamW as
published takes ω, and Wang & Aitchison (2025) find that it is τ = 1/(ω · updates in an epoch) which
stays the same, in epochs. Decay is tuned for one width, one text and one learning rate; then one of
these changes, and each number is kept in turn. What that costs on held-out text says which of them
has to be chosen anew.

What happens, in this order:

1. `config` resolves the options; `text` reads and splits the text; `planned` lists the programs,
   one for each shape of the model and its text.
2. `cost` estimates the seconds of each.
3. `conduct` trains them one after another, each by one `jaxreg.sweep` over learning rates, decays
   and seeds (`trainings`, of the `model`). Devices may share a training (`sharding`). Every
   training is a line of ``records.jsonl`` as soon as it is done.
4. `results` reads the lines back as arrays. What lies on disk is described there.
5. `findings` computes what a number costs that is kept, and the best time scales, with intervals
   over seeds; `comparison` says what is held against what; `answer` and `describe` put it into
   words and digits: the dictionary that `content` types.
6. `tables`, `picture` and `page` draw that dictionary.

Steps 4 to 6 need no training: ``--resume FOLDER`` on a finished study draws it anew.
"""

from __future__ import annotations
