"""What `python -m experiments.benchmark --suite NAME` measures: one file for each suite.

A suite has `PACKAGES`, the import names of what must be installed, and
`run(repeats, quick, console, record)`, which measures, hands each sample to `record` as soon as it
is there, prints its tables and returns what is to be saved.
"""
