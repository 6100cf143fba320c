"""`python -m experiments.coupling`: coupled against decoupled decay, and the page that shows it.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.command import INTERRUPTED, run_command
from experiments.coupling.config import StudyConfig, command_line, from_record, planned, resolved
from experiments.data import load
from experiments.formatting import in_minutes, in_seconds
from experiments.progress import progress
from experiments.provenance import how_it_was_made
from experiments.records import (
    append,
    is_finished,
    open_folder,
    read,
    read_config,
    reopen_folder,
    write_config,
)

if TYPE_CHECKING:
    from experiments.coupling.conduct import Study
    from experiments.coupling.content import StatisticContent, StudyContent
    from experiments.coupling.regimes import Panel

COMMAND = "coupling"


def main(config: StudyConfig) -> None:
    """Says what it will do, trains, prints what came out, and writes the page."""
    started = time.perf_counter()
    study, panels = _prepare(config)
    console = Console()
    if is_finished(study.folder):
        _draw(study, len(panels), console)
        return
    append(study.folder, {"event": "start", "config": vars(study.config)})
    seconds = _estimates(study, panels)
    console.print(_plan(study, panels, seconds), _duration(seconds), highlight=False)
    finished = True
    try:
        shares = dict(zip([p.id for p in panels], seconds, strict=True))
        with progress(shares, console, "the coarse pass") as advance:
            study.conduct(panels, advance)
    except KeyboardInterrupt:
        finished = False
    took = time.perf_counter() - started
    append(study.folder, {"event": "stop", "finished": finished, "seconds": took})
    _draw(study, len(panels), console, record=True)
    if not finished:
        print(f"Go on: python -m experiments.coupling --resume {study.folder}")
        sys.exit(INTERRUPTED)


def _prepare(config: StudyConfig) -> tuple[Study, list[Panel]]:
    """Everything that can go wrong before training: options, device, data, folder."""
    if config.resume is not None:
        config = from_record(reopen_folder(config.resume, COMMAND), config)
    config = resolved(config)
    panels = planned(config)
    dataset = load(config.data)
    facts = _devices(config)
    from experiments.coupling.conduct import Study
    from experiments.paired import sample

    source = sample.source(dataset, config.pool)
    for panel in panels:
        sample.check(panel.setup, source)
    folder = config.resume or open_folder(COMMAND, config.output)
    if config.resume is None:
        write_config(folder, COMMAND, config, facts)
    return Study(config, source, folder), panels


def _estimates(study: Study, panels: Sequence[Panel]) -> list[float]:
    """About how many seconds each panel will take."""
    from experiments.coupling import cost
    from experiments.paired.cost import pace

    here = pace()
    return [cost.seconds(p, study.source, study.count(p), here) for p in panels]


def _devices(config: StudyConfig) -> dict[str, Any]:
    """A device for each core, or those asked for; what they are, for the records."""
    from experiments import machine

    return {**machine.every_device(config.platform, config.compilation_cache), "data": config.data}


def _plan(study: Study, panels: Sequence[Panel], seconds: Sequence[float]) -> Table:
    """One row for each program that will be compiled, below the network that it trains."""
    from experiments.coupling import names

    table = Table(box=box.SIMPLE, title="What will be trained", title_justify="left")
    table.add_column("heat map")
    for name in ("rates × decays × seeds", "trainings", "steps", "about"):
        table.add_column(name, justify="right")
    headings: list[str] = []
    for panel, estimate in zip(panels, seconds, strict=True):
        heading = f"{names.short(panel.regime)}: {names.network(panel)}"
        if heading not in headings:
            headings.append(heading)
            table.add_row(heading, style="bold")
        rows, columns = panel.grid.shape
        size = f"{rows} × {columns + len(study.columns)} × {len(study.seeds)}"
        numbers = f"{study.count(panel):,}", f"{panel.setup.steps:,}", in_seconds(estimate)
        table.add_row(f"  {names.title(panel)}", size, *numbers)
    return table


def _duration(seconds: Sequence[float]) -> str:
    return (
        f"About {in_minutes(sum(seconds))} in all. Each heat map is one program; a coarse pass "
        f"with a seed of its own finds its grid first."
    )


def _draw(study: Study, panels: int, console: Console, record: bool = False) -> None:
    """The answer, the statistics and the page, of whatever there is."""
    from experiments.coupling.conclusions import conclude
    from experiments.coupling.describe import describe
    from experiments.coupling.heat_maps import heat_maps
    from experiments.coupling.page.write import write
    from experiments.coupling.results import results

    records = read(study.folder)
    found = results(records)
    if not found:
        print(f"Stopped before the first heat map. Saved {study.folder}/ (config.json)")
        return
    note = _note(records, study, panels)
    content = describe(conclude(found), _made(study, records), note)
    if record:
        append(study.folder, {"event": "summary", **_summary(content)})
    write(content, study.folder / "report.html")
    heat_maps(content, study.folder / "heatmaps.png")
    for line in (note, *content["answer"]):
        if line:
            console.print(line, highlight=False)
    console.print(_statistics(content))
    files = "config.json, records.jsonl, heatmaps.png, report.html"
    print(f"Saved {study.folder}/ ({files})")


def _note(records: Sequence[dict[str, Any]], study: Study, panels: int) -> str:
    """What the reader must know first: that the study is not finished."""
    if is_finished(study.folder):
        return ""
    done = sum(record["event"] == "run" for record in records)
    begun = sum(record["event"] == "grid" for record in records)
    return f"Stopped after {done:,} trainings, in heat map {begun} of {panels}."


def _summary(content: StudyContent) -> dict[str, Any]:
    statistics = [
        {"regime": regime["name"], **statistic}
        for regime in content["regimes"]
        for statistic in regime["statistics"]
    ]
    kept = {name: content[name] for name in ("answer", "comparisons", "note")}
    return {**kept, "statistics": statistics}


def _made(study: Study, records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How it was made, for the page."""
    runs = [record for record in records if record["event"] == "run"]
    diverged = sum(record["diverged"] for record in runs)
    source = study.source
    held = f"{len(source.validation.labels):,} images choose, {len(source.test.labels):,} test"
    return {
        "trainings": f"{len(runs):,}, {diverged:,} diverged",
        "seeds": ", ".join(map(str, study.seeds)),
        "data": f"{source.name}: {held}",
        **how_it_was_made(read_config(study.folder), records, command_line(study.config)),
    }


def _statistics(content: StudyContent) -> Table:
    """The statistics that decide, a row for each heat map; all of them are on the page."""
    title = "Slope of the largest good decay against the learning rate, ± 95 % (expected)"
    table = Table(box=box.SIMPLE, title=title, title_justify="left")
    for name in ("", "heat map", "of λ", "of ω", ""):
        table.add_column(name)
    for regime in content["regimes"]:
        for panel in regime["panels"]:
            found = {
                s["axis"]: s
                for s in regime["statistics"]
                if (s["panel"], s["name"]) == (panel["id"], "upper-edge slope")
            }
            verdict = found["λ"]["verdict"]
            cells = (_measured(found.get(axis)) for axis in ("λ", "ω"))
            table.add_row(regime["name"], panel["title"], *cells, verdict)
    return table


def _measured(statistic: StatisticContent | None) -> str:
    if statistic is None:
        return ""
    expected = f" ({statistic['expected']})" if statistic["expected"] else ""
    return statistic["measured"] + expected


if __name__ == "__main__":
    run_command(COMMAND, main, StudyConfig)
