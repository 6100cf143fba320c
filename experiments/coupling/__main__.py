"""`python -m experiments.coupling`: coupled against decoupled decay, and the page that shows it.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from experiments import study as studies
from experiments.command import run_command
from experiments.coupling.config import AROUND, StudyConfig, command_line, planned, resolved
from experiments.data import load
from experiments.formatting import in_seconds

if TYPE_CHECKING:
    from experiments.coupling.conduct import Study
    from experiments.coupling.content import StatisticContent, StudyContent
    from experiments.coupling.regimes import Panel

COMMAND = "coupling"
FILES = ("config.json", "records.jsonl", "heatmaps.png", "report.html")


def main(config: StudyConfig) -> None:
    """Says what it will do, trains, prints what came out, and writes the page."""
    studies.carry_out(KIND, config)


def _prepare(config: StudyConfig) -> tuple[Study, list[Panel]]:
    """Everything that can go wrong before training: options, device, data, folder."""
    config = resolved(studies.settings(config, COMMAND, AROUND))
    panels = planned(config)
    dataset = load(config.data)
    from experiments import machine

    facts = machine.every_device(config.platform, config.compilation_cache)
    from experiments.coupling.conduct import Study
    from experiments.paired import sample

    source = sample.source(dataset, config.pool)
    for panel in panels:
        sample.check(panel.setup, source)
    folder = studies.folder(config, COMMAND, {**facts, "data": config.data})
    return Study(config, source, folder), panels


def _estimate(study: Study, panels: Sequence[Panel]) -> dict[str, float]:
    """About how many seconds each panel takes."""
    from experiments.coupling import cost
    from experiments.paired.cost import pace

    here = pace()
    return {p.id: cost.seconds(p, study.source, study.count(p), here) for p in panels}


def _plan(
    study: Study, panels: Sequence[Panel], left: Mapping[str, int], seconds: Mapping[str, float]
) -> Table:
    """One row for each program that will be compiled, below its regime; called as on the page."""
    from experiments.coupling import names

    table = Table(box=box.SIMPLE, title="What will be trained", title_justify="left")
    table.add_column("heat map")
    for name in ("rates × decays × seeds", "trainings", "steps", "about"):
        table.add_column(name, justify="right")
    heading = ""
    for panel in panels:
        group = [other for other in planned(study.config) if other.regime == panel.regime]
        alone = names.are_alone(group)
        own = f"{names.short(panel.regime)}{f': {names.network(panel)}' if alone else ''}"
        if own != heading:
            table.add_row(heading := own, style="bold")
        rows, columns = panel.grid.shape
        size = f"{rows} × {columns + len(study.columns)} × {len(study.seeds)}"
        numbers = f"{left[panel.id]:,}", f"{panel.setup.steps:,}", in_seconds(seconds[panel.id])
        table.add_row(f"  {names.title(panel, alone)}", size, *numbers)
    return table


def _titles(panels: Sequence[Panel]) -> dict[str, str]:
    """Heat maps as they are called on the page, after their regime."""
    from experiments.coupling import names

    groups = {panel.regime: [p for p in panels if p.regime == panel.regime] for panel in panels}
    alone = {regime: names.are_alone(group) for regime, group in groups.items()}
    return {p.id: f"{names.short(p.regime)} {names.title(p, alone[p.regime])}" for p in panels}


def _report(
    study: Study, panels: Sequence[Panel], records: studies.Records, state: studies.State
) -> studies.Report | None:
    """The answer, the statistics and the page, of whatever there is."""
    from experiments.coupling.conclusions import conclude
    from experiments.coupling.describe import describe
    from experiments.coupling.heat_maps import heat_maps
    from experiments.coupling.page.write import write
    from experiments.coupling.results import results

    found = results(records)
    if not found:
        return None
    left = {panel.id: panel.regime for panel in panels if panel.id in state.left}
    content = describe(conclude(found, left), _made(study), state.note, state.headline)
    files = {
        "report.html": lambda path: write(content, path),
        "heatmaps.png": lambda path: heat_maps(content, path),
    }
    return studies.Report(content["answer"], _summary(content), files, [_statistics(content)])


def _summary(content: StudyContent) -> dict[str, Any]:
    statistics = [
        {"regime": regime["name"], **statistic}
        for regime in content["regimes"]
        for statistic in regime["statistics"]
    ]
    kept = {name: content[name] for name in ("answer", "comparisons", "note")}
    return {**kept, "statistics": statistics}


def _made(study: Study) -> dict[str, str]:
    """How it was made, for the page."""
    source = study.source
    rows = {
        "seeds": ", ".join(map(str, study.seeds)),
        "data": f"{source.name}: {studies.held(source)}",
    }
    return studies.made(KIND, study, rows, command_line(study.config))


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
            verdict = found["λ"]["verdict"] if found else "not trained yet"
            cells = (_measured(found.get(axis)) for axis in ("λ", "ω"))
            table.add_row(regime["name"], panel["title"], *cells, verdict)
    return table


def _measured(statistic: StatisticContent | None) -> str:
    if statistic is None:
        return ""
    expected = f" ({statistic['expected']})" if statistic["expected"] else ""
    return statistic["measured"] + expected


KIND = studies.Kind(
    COMMAND,
    _prepare,
    _estimate,
    _plan,
    _report,
    trains=("run",),
    begins="grid",
    part="heat map",
    lacks="heat map",
    files=FILES,
    key="panel",
    titles=_titles,
    first="the coarse pass",
    aside="Each heat map is one program; a coarse pass with a seed of its own finds its grid "
    "first.",
)

if __name__ == "__main__":
    run_command(COMMAND, main, StudyConfig)
