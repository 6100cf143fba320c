"""Speed beside other frameworks, as ratios: suites, and what measures and shows them.

The idea. The speed of a machine drifts, so contenders run in turns (A B C, A B C, …) and are
compared within a round: what is reported is the median over rounds of the ratio of that round, with
the least and the greatest. Where a count decides (bytes that kernels move, programs compiled) it is
taken instead of a time, since it is the same on every machine.

What happens, in this order: `__main__` imports the module of the suite and checks that its packages
are installed; the suite's ``run`` compiles, and where a peer has settings tries them and takes the
fastest; then `timing.interleave` runs all contenders round by round, each sample a line of
``records.jsonl``; `tables` shows spreads and ratios beside each `Target`, `limits` what must stay
below a bound; ``results.json`` holds all of it.

- `timing`: samples, spreads, paired ratios, processes.
- `memory_traffic`: what the kernels of a compiled program read and write.
- `tables`, `limits`: what was measured beside what is to be reached, as tables and as JSON.
- `digits_grid`: a choice of λ by many trainings, as a process; `linear_problems`: by closed forms
  and along paths.
- `suites/`: what is measured. `peers/`: programs of other frameworks, each started as a process;
  its last line of output is JSON.

To add a suite: a module in `suites/` with ``PACKAGES`` and ``run(repeats, quick, console, record)``
(and ``draw(results, folder)`` if it has a picture), and its name in ``Suite`` of `__main__`, with
half a line in that option's docstring. To add a contender: one entry of the suite's contenders, and
a program in `peers/` if it is a framework's own.
"""

from __future__ import annotations
