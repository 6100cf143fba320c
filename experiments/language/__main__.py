"""`python -m experiments.language`: a character transformer by AdamW, what of decay to re-tune.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

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
from experiments.records import append, read

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


def _announce(study: Study, parts: Sequence[Part], console: Console) -> dict[str, float]:
    """Prints what will be trained; about how many seconds each part will take."""
    from experiments.language import cost, tables

    sizes = len(study.seeds), len(study.source.alphabet), study.layout.shards
    seconds = cost.estimates(parts, *sizes)
    counts = {part.id: len(study.runs(part)) for part in parts}
    console.print(tables.plan(parts, counts, seconds), highlight=False)
    console.print(studies.in_all(seconds), highlight=False)
    return seconds


def _draw(study: Study, parts: Sequence[Part], console: Console, record: bool) -> None:
    """The answer, the tables and the picture, of whatever there is."""
    from experiments.language import page, picture, tables
    from experiments.language.describe import describe
    from experiments.language.results import results

    found = [each for each in results(read(study.folder)) if each.complete.any()]
    if not found:
        print(studies.nothing(KIND, study, "decay"))
        studies.print_saved(study, FILES)
        return
    note = studies.note(KIND, study, parts)
    content = describe(found, _made(study), note)
    if record:
        append(study.folder, {"event": "summary", **_summary(content)})
    drawn = study.folder / "language.png"
    picture.draw(content, drawn)
    page.write(content, drawn, study.folder / "report.html")
    (study.folder / "language.md").write_text(tables.markdown(content), encoding="utf-8")
    for line in (note, *content["answer"]):
        if line:
            console.print(line, highlight=False)
    for table in tables.terminal(content):
        console.print(table)
    studies.print_saved(study, FILES)


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


KIND = studies.Kind(COMMAND, _prepare, _announce, _draw, ("run",), "part", "program")

if __name__ == "__main__":
    run_command(COMMAND, main, LanguageConfig)
