"use strict";
/* The page: one switch for all heat maps, one selected training in each regime. */

const PAGE = {
  study: JSON.parse(document.getElementById("data").textContent),
  tip: document.getElementById("tip"),
  regimes: [],
};

class Regime {
  constructor(host, regime, seeds) {
    Object.assign(this, { regime, seeds });
    const maps = host.querySelector(".maps");
    const listeners = { select: (...where) => this.select(...where), hover };
    this.maps = regime.panels.map((panel) => {
      const figure = make("section", { className: "map" });
      maps.append(figure);
      return new HeatMap(figure, panel, regime, seeds, listeners);
    });
    this.chosen = new Chosen(host.querySelector(".chosen"), regime, seeds, listeners.select);
    this.parts = host.querySelectorAll(".chosen, .accuracy");
    this.accuracy = new Chart(host.querySelector(".accuracy .charts"), "", 300);
    new ResizeObserver(() => this.resize()).observe(maps);
  }

  start(view) {
    this.view = view;
    for (const map of this.maps) map.render(view);
    const first = this.regime.panels.find(({ best }) => best);
    for (const part of this.parts) part.hidden = !first;
    if (first) this.select(first, ...first.best);
    if (first) this.drawAccuracy();
  }

  turn(view) {
    hover(null);
    this.view = view;
    for (const map of this.maps) map.slide(view);
    this.redraw();
  }

  redraw() {
    const { panel, row, column } = this.chosen;
    if (!panel) return;
    this.select(panel, row, column);
    this.drawAccuracy();
  }

  resize() {
    for (const map of this.maps) if (map.width !== map.host.clientWidth) map.render(this.view);
  }

  select(panel, row, column) {
    for (const map of this.maps) map.mark(map.panel === panel ? [row, column] : null);
    this.chosen.show(panel, row, column, this.view);
  }

  drawAccuracy() {
    const { symbol, title } = AXES[this.view];
    const shown = this.regime.panels
      .map((panel, place) => ({ panel, place, label: panel.labels[this.view] }))
      .filter(({ panel, label }) => label !== null && panel.best);
    const traces = shown.map((line) => accuracyTrace(line, this.view));
    const x = logarithmic(traces.flatMap((trace) => trace.x));
    const y = { title: { text: "test accuracy, %" }, range: nearBest(traces) };
    const legend = { orientation: "h", y: -0.2, yanchor: "top" };
    const settings = { showlegend: true, legend, margin: { l: 52, r: 8, t: 6, b: 44 } };
    this.accuracy.caption.textContent = `against ${title}; bars: spread of the seeds`;
    this.accuracy.show(
      traces,
      layout({ ...x, title: { text: symbol, standoff: 4 } }, y, settings),
      `Test accuracy against ${symbol} for ${shown.map(({ label }) => label).join(", ")}`,
    );
  }
}

function accuracyTrace({ panel, place, label }, view) {
  const [row] = panel.best;
  const cells = panel.cells[row];
  const look = series(place);
  const rate = written(panel.learning_rates[row]);
  return {
    name: `${label} (η ${rate})`,
    type: "scatter",
    mode: "lines+markers",
    x: panel[view][row],
    y: cells.map((cell) => (cell?.test_error == null ? null : 100 - 100 * cell.test_error)),
    error_y: { type: "data", array: cells.map((cell) => 100 * (cell?.test_spread ?? 0)), width: 3 },
    line: { color: look.color, dash: look.dash },
    marker: { color: look.color, symbol: look.symbol, size: 7 },
    hovertemplate: `%{x:.3~g}: %{y:.2f} %<extra>${label}</extra>`,
  };
}

/** The range of accuracies in which lines can be told apart: at most ten points below the best. */
function nearBest(traces) {
  const known = traces.flatMap(({ y }) => y).filter((value) => value !== null);
  const high = Math.max(...known);
  const low = Math.max(Math.min(...known), high - 10);
  const pad = (high - low) * 0.08 + 0.2;
  return [low - pad, high + pad];
}

/** Shows what is known of a cell beside it, inside the window. */
function hover(cell, title, known) {
  const { tip } = PAGE;
  tip.hidden = !cell;
  PAGE.pointed = cell;
  if (!cell) return;
  const pairs = known.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
  tip.replaceChildren(make("b", {}, title), make("dl", {}, ...pairs));
  placeTip();
}

/** Beside the cell; above or below it where the window is narrow. */
function placeTip() {
  const { tip, pointed } = PAGE;
  if (!pointed) return;
  const cell = pointed.getBoundingClientRect();
  const size = { x: tip.offsetWidth, y: tip.offsetHeight };
  const room = { x: document.documentElement.clientWidth - size.x, y: innerHeight - size.y };
  const { x, y } = room.x < 2 * size.x ? overCell(cell, size) : besideCell(cell, size, room);
  tip.style.left = `${clamp(x, 4, room.x - 4)}px`;
  tip.style.top = `${clamp(y, 4, room.y - 4)}px`;
}

function besideCell(cell, size, room) {
  const right = cell.right + 10;
  return { x: right < room.x ? right : cell.left - size.x - 10, y: cell.top - size.y / 2 };
}

function overCell(cell, size) {
  const above = cell.top - size.y - 10;
  return { x: (cell.left + cell.right - size.x) / 2, y: above > 0 ? above : cell.bottom + 10 };
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function chosenView() {
  return document.querySelector("input[name=axis]:checked").value;
}

function start() {
  const { study, regimes } = PAGE;
  document.querySelectorAll(".regime").forEach((host, i) => {
    regimes.push(new Regime(host, study.regimes[i], study.seeds.length));
  });
  for (const regime of regimes) regime.start(chosenView());
  for (const radio of document.querySelectorAll("input[name=axis]")) {
    radio.addEventListener("change", () => regimes.forEach((r) => r.turn(chosenView())));
  }
  addEventListener("scroll", placeTip, { passive: true });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => regimes.forEach((regime) => regime.redraw()));
}

start();
