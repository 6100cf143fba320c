"""`python -m experiments.language`: a character transformer by AdamW, what of decay to re-tune.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from experiments import study as studies
from experiments.command import run_command
from experiments.config import ConfigError, MachineConfig
from experiments.language import text
from experiments.language.config import (
    AROUND,
    LanguageConfig,
    Part,
    command_line,
    planned,
    resolved,
)
from experiments.provenance import hardware

if TYPE_CHECKING:
    from experiments.language.conduct import Study
    from experiments.language.content import Content

COMMAND = "language"
FILES = ("config.json", "records.jsonl", "language.png", "language.md", "report.html")


def main(config: LanguageConfig) -> None:
    """Says what it will do, trains, prints what came out, and draws it."""
    studies.carry_out(KIND, config)


def _prepare(config: LanguageConfig) -> tuple[Study, list[Part]]:
    """Everything that can go wrong before training: options, text, devices, folder."""
    config = resolved(studies.settings(config, COMMAND, AROUND))
    source = text.load(config.text)
    held = min(len(source.validation), len(source.test))
    parts = planned(config, len(source.train), held)
    facts, found = _devices(config)
    from experiments.language.conduct import Study
    from experiments.language.sharding import layout

    facts |= {"text": source.name, "characters": source.size, "digest": source.digest}
    folder = studies.folder(config, COMMAND, facts)
    return Study(config, source, folder, layout(found, config.shard)), parts


def _devices(config: LanguageConfig) -> tuple[dict[str, Any], list[Any]]:
    """What it runs on, for records; the devices.

    Raises:
      ConfigError: if there are too few, or a training cannot be split over so many of them.
    """
    from experiments import machine

    if config.devices is None:
        facts = machine.every_device(config.platform, config.compilation_cache)
        import jax

        found = jax.devices()
    else:
        wanted = MachineConfig(
            platform=config.platform,
            devices=config.devices,
            compilation_cache=config.compilation_cache,
        )
        first = machine.choose_device(wanted)
        found = machine.chosen(wanted)
        facts = hardware(first, len(found))
    if len(found) % config.shard:
        raise ConfigError(
            f"--shard: expected a number that divides the {len(found)} devices, got "
            f"{config.shard}; add --devices {config.shard}"
        )
    return facts, found


def _estimate(study: Study, parts: Sequence[Part]) -> dict[str, float]:
    """About how many seconds each part takes."""
    from experiments.language import cost

    sizes = len(study.seeds), len(study.source.alphabet), study.layout.shards
    return cost.estimates(parts, *sizes)


def _plan(
    study: Study, parts: Sequence[Part], left: Mapping[str, int], seconds: Mapping[str, float]
) -> Table:
    """What will be trained."""
    del study
    from experiments.language import tables

    return tables.plan(parts, left, seconds)


def _report(
    study: Study, parts: Sequence[Part], records: studies.Records, state: studies.State
) -> studies.Report | None:
    """The answer, the tables and the picture, of whatever there is."""
    del parts
    from experiments.language import page, picture, tables
    from experiments.language.describe import describe
    from experiments.language.results import results

    found = [each for each in results(records) if each.complete.any()]
    if not found:
        return None
    content = describe(found, _made(study), state.note, state.headline)
    drawn = study.folder / "language.png"
    files = {
        drawn.name: lambda path: picture.draw(content, path),
        "report.html": lambda path: page.write(content, drawn, path),
        "language.md": lambda path: path.write_text(tables.markdown(content), "utf-8"),
    }
    return studies.Report(content["answer"], _summary(content), files, tables.terminal(content))


def _summary(content: Content) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "carried", "note")}


def _made(study: Study) -> dict[str, str]:
    """How it was made, for the page."""
    source, config = study.source, study.config
    parts = (len(part) for part in (source.train, source.validation, source.test))
    learnt, choose, tests = (f"{count:,}" for count in parts)
    rows = {
        "seeds": ", ".join(map(str, study.seeds)),
        "text": f"{source.name} ({source.digest}), {len(source.alphabet)} different characters: of "
        f"{learnt} each seed learns windows; {choose} choose, {tests} test",
        "arithmetic": config.dtype,
    }
    return studies.made(KIND, study, rows, command_line(config))


KIND = studies.Kind(
    COMMAND,
    _prepare,
    _estimate,
    _plan,
    _report,
    trains=("run",),
    begins="part",
    part="program",
    lacks="decay",
    files=FILES,
)

if __name__ == "__main__":
    run_command(COMMAND, main, LanguageConfig)
