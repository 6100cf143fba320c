"""`python -m experiments.claims`: what papers say about weight decay, each measured here.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments import interrupts, ownership, provenance
from experiments import study as studies
from experiments.command import FAILED, run_command
from experiments.config import ConfigError, MachineConfig
from experiments.data import load
from experiments.formatting import roughly
from experiments.provenance import changed, hardware, how_it_was_made
from experiments.records import WriteError, append, is_finished, read, read_config

if TYPE_CHECKING:
    from experiments.claims.claim import Claim
    from experiments.claims.wording import Record
    from experiments.paired.sample import Source

COMMAND = "claims"
POOL = 2
FEWEST_SEEDS = 3
AROUND = ("resume", "compilation_cache")
"""Options that are no settings: a run that goes on may have others."""
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

    resume: Path | None = None
    """Folder of a run that was stopped: goes on where it stopped, with its own settings. Of one
    that was finished, writes table and page anew."""

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

    def left(self) -> list[Claim]:
        """Claims that are not measured yet."""
        known = {record["name"] for record in read(self.folder) if record["event"] == "claim"}
        return [claim for claim in self.claims if claim.name not in known]

    def seconds(self, claim: Claim) -> float:
        """About how long it takes on two cores."""
        return claim.seconds * len(self.seeds(claim)) / 5


def main(config: ClaimsConfig) -> None:
    """Measures the claims, prints each verdict when it is known, and writes table and page."""
    started = time.perf_counter()
    config = studies.settings(config, COMMAND, AROUND)
    check(config)
    job = _prepare(config)
    studies.goes_on(COMMAND, job.folder)
    try:
        status = _carried_out(job, Console(), started)
    finally:
        ownership.release(job.folder)
    if status:
        sys.exit(status)


def _carried_out(job: Job, console: Console, started: float) -> int:
    """Measures what is left and shows what there is: the exit status."""
    if is_finished(job.folder):
        print(f"Nothing is left to measure in {job.folder}: it is drawn anew.", flush=True)
        return _close(job, console)
    left = job.left()
    console.print(_plan(job, left), highlight=False, soft_wrap=True)
    finished, failure = _measured(job, left, console)
    with contextlib.suppress(WriteError):
        append(job.folder, {"event": "stop", "finished": finished, "seconds": _since(started)})
    status = _close(job, console)
    if failure is not None:
        print(f"Error: {failure}", file=sys.stderr)
    if status or not finished:
        print(interrupts.advice())
    return status if finished else FAILED if failure is not None else interrupts.status()


def _measured(
    job: Job, claims: Sequence[Claim], console: Console
) -> tuple[bool, WriteError | None]:
    """Measures claims: whether all, and what the disk said if it took no more."""
    try:
        for claim in claims:
            _measure(job, claim, console)
    except KeyboardInterrupt:
        return False, None
    except WriteError as error:
        return False, error
    return True, None


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
    facts = hardware(device, _devices())
    folder = studies.folder(config, COMMAND, facts)
    if not is_finished(folder):
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


def _plan(job: Job, left: Sequence[Claim]) -> str:
    from experiments.claims.wording import seeds_of

    count, estimate = len(left), sum(map(job.seconds, left))
    if not left:
        return "None is left to measure."
    claims = "1 claim" if count == 1 else f"{count} claims"
    seeds = seeds_of([(claim.name, job.seeds(claim)) for claim in left])
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


def _close(job: Job, console: Console) -> int:
    """Table and page of the claims that there are: the exit status."""
    from experiments.claims import page, tables, wording

    records = [record for record in read(job.folder) if record["event"] == "claim"]
    if not records:
        console.print(f"Stopped before the first claim. Saved {job.folder}/ (config.json)")
        return 0
    note, answer = "", [f"Of {len(records)} claims {wording.summary(records)}."]
    if len(records) < len(job.claims):
        count = f"{len(records)} of {len(job.claims)} claims"
        note = f"Stopped after {count}."
        answer = [f"There is no answer yet: {count} are measured.", *answer]
    facts = _facts(job, records)
    files = {
        "claims.md": lambda path: path.write_text(tables.markdown(records, facts), "utf-8"),
        "report.html": lambda path: page.write(records, facts, note, path, answer),
    }
    failed = studies.saved(job.folder, files)
    console.print(tables.terminal(records))
    for line in (note, *(answer[:1] if note else ()), f"Saved {job.folder}/ ({FILES})"):
        if line:
            console.print(line, highlight=False, soft_wrap=True)
    if failed:
        print(f"Error: {failed}", file=sys.stderr)
    return FAILED if failed else 0


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
    around = ("output", *AROUND)
    return provenance.command_line(COMMAND, changed(config, ClaimsConfig(), without=around))


if __name__ == "__main__":
    run_command(COMMAND, main, ClaimsConfig)
