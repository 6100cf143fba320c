"""The experiments: commands, and what they share. ``python -m experiments`` lists the commands.

A command is a folder with a ``__main__.py`` and everything that it alone uses; it imports nothing
from the folder of another. What commands share stands beside them; an import goes up this list:

- `formatting`, `verdicts`, `provenance`, `progress`: numbers as text; marks of a yes, no or
  undecided; device, versions and command line of a run; what it says while it trains.
- `errors`: the one for what cannot be meant.
- `interrupts`, `ownership`: signals that ask to stop; one run in a folder.
- `forms`: the forms of decay, a row for each, made of what `decay_form` defines.
- `models`: the networks, a row for each.
- `config`, `options`, `data`: settings of one training, and of the machine; options that several
  studies have; images.
- `records`, `command`: the folder of a run; options, errors and exit status of a command.
- `checkpoints`: a pytree on disk, whole or not at all.
- `optimizers`, `training`, `problem`: penalty, schedule and optimizer of a configuration; the train
  step; a configuration and its data, bound.
- `machine`, `devices`, `runs`, `sweeping`: the device; a training on several; one training; many
  as one program.
- `statistics`: of grids of losses, with intervals over seeds.
- `paired`: trainings of one set-up whose seeds draw everything anew, for comparisons in pairs.
- `study`: what all studies do, from options to a page; how one that was stopped goes on.
- `axes`, `curves`, `page`: an axis of powers of ten; pictures; pages.

``results/`` holds committed records, ``assets/`` the images.
"""

from __future__ import annotations
