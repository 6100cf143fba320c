"""`python -m experiments.claims`: what papers say about weight decay, each measured here.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments import interrupts, ownership, provenance
from experiments.command import run_command
from experiments.config import ConfigError, MachineConfig
from experiments.data import load
from experiments.formatting import roughly
from experiments.provenance import changed, hardware, how_it_was_made
from experiments.records import append, open_folder, read, read_config, write_config, write_text

if TYPE_CHECKING:
    from experiments.claims.claim import Claim
    from experiments.claims.wording import Record
    from experiments.paired.sample import Source

COMMAND = "claims"
POOL = 2
FEWEST_SEEDS = 3
FILES = "config.json, records.jsonl, claims.md, report.html"


@dataclasses.dataclass(frozen=True)
class ClaimsConfig:
    """Measures what papers say about weight decay and regularization, and computes verdicts.

    Each claim has a statistic and a range in which the paper puts it. It holds if the 95 % interval
    over seeds lies inside, does not hold here if it lies outside, and is undecided otherwise.
    """

    quick: bool = False
    """The claims that are quick to measure: under a minute together."""

    claims: tuple[str, ...] = ()
    """Names of the claims to measure; all if none is given. A wrong name lists them."""

    seeds: int | None = None
    """Seeds of each claim, 5 or what the claim itself says if not given; each draws images, noise,
    initial weights and the order of batches. More of them make intervals narrower."""

    first_seed: int | None = None
    """The first of them, 0 or what the claim itself says: others confirm what these found."""

    data: str = "mnist"
    """mnist (shipped), idx:DIR or tfds:NAME. Images are averaged over 2 × 2 pixels; 5,000 of the
    training images validate."""

    output: Path | None = None
    """Folder of this run; runs/claims/TIME if not given."""

    compilation_cache: bool = True
    """Keep compiled programs for the next run, in $JAXREG_CACHE_DIR or ~/.cache/jaxreg."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a command line has become."""

    config: ClaimsConfig
    claims: tuple[Claim, ...]
    source: Source
    folder: Path

    def seeds(self, claim: Claim) -> range:
        """Those of the command line, or the claim's own."""
        given = self.config
        first = claim.seeds.start if given.first_seed is None else given.first_seed
        return range(first, first + (given.seeds or len(claim.seeds)))

    def seconds(self, claim: Claim) -> float:
        """About how long it takes on two cores."""
        return claim.seconds * len(self.seeds(claim)) / 5


def main(config: ClaimsConfig) -> None:
    """Measures the claims, prints each verdict when it is known, and writes table and page."""
    started = time.perf_counter()
    check(config)
    job, console = _prepare(config), Console()
    console.print(_plan(job), highlight=False, soft_wrap=True)
    finished = True
    try:
        for claim in job.claims:
            _measure(job, claim, console)
    except KeyboardInterrupt:
        finished = False
    append(job.folder, {"event": "stop", "finished": finished, "seconds": _since(started)})
    _close(job, console)
    ownership.release(job.folder)
    if not finished:
        sys.exit(interrupts.status())


def check(config: ClaimsConfig) -> None:
    """Stops before anything is loaded if the settings cannot be meant.

    Raises:
      ConfigError: if there are too few seeds for an interval, or a seed is negative.
    """
    if config.seeds is not None and config.seeds < FEWEST_SEEDS:
        raise ConfigError(
            f"--seeds: expected at least {FEWEST_SEEDS}, since verdicts are of intervals over "
            f"seeds, got {config.seeds}; 5 show something"
        )
    if config.first_seed is not None and config.first_seed < 0:
        raise ConfigError(f"--first-seed: expected at least 0, got {config.first_seed}")


def _prepare(config: ClaimsConfig) -> Job:
    """Everything that can go wrong before measuring: names, device, data, folder."""
    from experiments import machine

    machine.use_every_core()
    from experiments.claims import registry
    from experiments.paired.sample import source

    claims = registry.chosen(config.claims, config.quick)
    dataset = load(config.data)
    device = machine.choose_device(MachineConfig(compilation_cache=config.compilation_cache))
    images = source(dataset, POOL)
    _check_examples(claims, len(images.train.labels), config.data)
    folder = open_folder(COMMAND, config.output)
    facts = hardware(device, _devices())
    write_config(folder, COMMAND, config, facts)
    append(folder, {"event": "start", "config": vars(config), **facts})
    return Job(config, claims, images, folder)


def _devices() -> int:
    import jax

    return len(jax.devices())


def _check_examples(claims: Sequence[Claim], available: int, data: str) -> None:
    """Stops if a claim needs more training images than there are."""
    too_large = [claim for claim in claims if claim.examples > available]
    if too_large:
        names = ", ".join(claim.name for claim in too_large)
        raise ConfigError(
            f"--data {data}: expected at least {max(c.examples for c in too_large):,} images to "
            f"train on for {names}, got {available:,}; leave these out: name others with --claims"
        )


def _plan(job: Job) -> str:
    from experiments.claims.wording import seeds_of

    count, estimate = len(job.claims), sum(map(job.seconds, job.claims))
    claims = "1 claim" if count == 1 else f"{count} claims"
    seeds = seeds_of([(claim.name, job.seeds(claim)) for claim in job.claims])
    return (
        f"{claims}, each with seeds {seeds}, on {job.source.name}: "
        f"about {roughly(estimate)} on two cores.\n"
        f"A claim holds if the 95 % interval of each of its parts lies in the expected range."
    )


def _measure(job: Job, claim: Claim, console: Console) -> None:
    from experiments.claims import wording
    from experiments.claims.claim import Settings, measure

    started, settings = time.perf_counter(), Settings(job.source, tuple(job.seeds(claim)))
    with _status(f"{claim.name}: about {roughly(job.seconds(claim))}", console):
        record = {"event": "claim", **measure(claim, settings), "seconds": _since(started)}
    append(job.folder, record)
    console.print(wording.line(record), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _status(text: str, console: Console) -> Iterator[None]:
    """What is under way, on a terminal only."""
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)


def _close(job: Job, console: Console) -> None:
    """Table and page of the claims that there are."""
    from experiments.claims import page, tables

    records = [record for record in read(job.folder) if record["event"] == "claim"]
    missing = len(job.claims) - len(records)
    note = f"Stopped after {len(records)} of {len(job.claims)} claims." if missing else ""
    if not records:
        console.print(f"Stopped before the first claim. Saved {job.folder}/ (config.json)")
        return
    facts = _facts(job, records)
    write_text(job.folder / "claims.md", tables.markdown(records, facts))
    page.write(records, facts, note, job.folder / "report.html")
    console.print(tables.terminal(records))
    for line in (note, f"Saved {job.folder}/ ({FILES})"):
        if line:
            console.print(line, highlight=False, soft_wrap=True)


def _facts(job: Job, records: Sequence[Record]) -> dict[str, str]:
    """How it was made."""
    from experiments.claims.wording import seeds_of

    source = job.source
    held = f"{len(source.validation.labels):,} images validate, {len(source.test.labels):,} test"
    facts = how_it_was_made(read_config(job.folder), read(job.folder), command_line(job.config))
    return {
        "made": facts.pop("made"),
        "seeds": seeds_of([(record["name"], record["seeds"]) for record in records]),
        "data": f"{source.name}, {POOL} × {POOL} pixels averaged; {held}",
        **facts,
    }


def command_line(config: ClaimsConfig) -> str:
    """What to type to measure the same again, without the folder.

    >>> command_line(ClaimsConfig(claims=("grokking-time",), seeds=8))
    'python -m experiments.claims --claims grokking-time --seeds 8'
    """
    around = ("output", "compilation_cache")
    return provenance.command_line(COMMAND, changed(config, ClaimsConfig(), without=around))


if __name__ == "__main__":
    run_command(COMMAND, main, ClaimsConfig)
