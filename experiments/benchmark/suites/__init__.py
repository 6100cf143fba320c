"""What `python -m experiments.benchmark --suite NAME` measures: one module for each suite.

A suite has `PACKAGES`, the import names of what must be installed, and
`run(repeats, quick, console, record)`, which measures, hands each sample to `record` as soon as it
is there, prints its tables and returns what is to be saved. See `experiments.benchmark`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

Recorder = Callable[[Mapping[str, object]], None]
"""Writes one line of ``records.jsonl``."""
ROOT = Path(__file__).parents[3]
"""Of the repository: where the processes of contenders are started."""
PEERS = Path(__file__).parents[1] / "peers"
"""The programs of other frameworks, each run as a process."""
