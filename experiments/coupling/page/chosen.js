"use strict";
/* The selected training: its numbers, its curves, its weights. */

const CURVES = [
  { title: "data loss", values: ({ curves }) => curves.loss },
  { title: "penalty λ‖w‖²", values: penalty },
  { title: "‖w‖, size of the weights", values: ({ curves }) => curves.norm },
  { title: "effective learning rate η/‖w‖power", values: effective },
  { title: "weights that are (nearly) zero, %", values: zeros, linear: true },
];
const BINS = 41;

function penalty({ curves, strength }) {
  return strength === null ? null : curves.norm.map((norm) => (norm ? strength * norm ** 2 : null));
}

/** η·s_t/‖w‖^power: how far a step turns weights whose size does not matter. */
function effective({ curves, rate, panel }) {
  const { multiplier, power } = panel;
  return curves.norm.map((norm, i) => (norm ? (rate * multiplier[i]) / norm ** power : null));
}

function zeros({ curves }) {
  return curves.sparsity.map(percent);
}

function training(panel, row, column) {
  const cell = panel.cells[row][column];
  const strength = panel.strength[row][column];
  return { ...cell, panel, strength, rate: panel.learning_rates[row] };
}

class Chosen {
  constructor(host, regime, seeds, select) {
    Object.assign(this, { host, regime, seeds, select });
    this.reference = host.querySelector(".reference");
    this.numbers = host.querySelector(".numbers");
    this.boxes = { panel: box("heat map"), row: box("learning rate η"), column: box("decay") };
    host.querySelector(".choice").append(...Object.values(this.boxes).map(labelled));
    for (const select of Object.values(this.boxes)) {
      select.addEventListener("change", () => this.picked());
    }
    const charts = host.querySelector(".charts");
    this.charts = CURVES.map(({ title }) => new Chart(charts, title, 170));
    this.histogram = new Chart(charts, "weights at the end, % in each bin", 170);
  }

  picked() {
    const { panel, row, column } = this.boxes;
    const chosen = this.regime.panels[panel.value];
    const fits = (size, place) => Math.min(place, size - 1);
    const up = fits(chosen.learning_rates.length, Number(row.value));
    this.select(chosen, up, fits(chosen.decays.length, Number(column.value)));
  }

  show(panel, row, column, view) {
    Object.assign(this, { panel, row, column });
    this.fill(view);
    const known = facts(panel, row, column, this.seeds).map((pair) => pair.join(" "));
    this.numbers.textContent = known.join(" · ");
    this.draw();
  }

  fill(view) {
    const { panel, row, column } = this;
    const axis = panel.labels[view] === null ? panel.trained : view;
    const names = this.regime.panels.map((p) => p.labels[view] ?? p.labels[views(p)[0]]);
    options(this.boxes.panel, names, this.regime.panels.indexOf(panel));
    options(this.boxes.row, panel.learning_rates.map((rate) => written(rate)), row);
    const decays = panel[axis][row].map((decay) => `${AXES[axis].symbol} ${written(decay)}`);
    options(this.boxes.column, decays, column);
  }

  draw() {
    const shown = [["selected", training(this.panel, this.row, this.column)]];
    const best = this.panel.best;
    if (best && String(best) !== String([this.row, this.column])) {
      shown.unshift(["best of this map", training(this.panel, ...best)]);
    }
    this.reference.hidden = shown.length === 1;
    const known = shown.filter(([, run]) => run.curves);
    CURVES.forEach((curve, i) => this.drawCurve(this.charts[i], curve, known));
    this.drawHistogram(shown.filter(([, run]) => run.histogram));
  }

  drawCurve(chart, { title, values, linear }, runs) {
    const drawn = runs.map(([name, run]) => [name, values(run)]).filter(([, y]) => y);
    const traces = drawn.map(([name, y]) => ({
      ...line(name),
      x: this.panel.times,
      y,
      hovertemplate: `step %{x}: %{y:.3~g}<extra>${name}</extra>`,
    }));
    const all = drawn.flatMap(([, y]) => y);
    const y = linear ? { rangemode: "tozero", nticks: 5 } : logarithmic(all);
    const x = steps(this.panel.times.at(-1));
    chart.caption.textContent = title.replace("‖power", this.panel.power === 2 ? "‖²" : "‖");
    const last = drawn.at(-1)?.[1].at(-1);
    chart.show(traces, layout(x, y), `${title} over the steps; at the end ${written(last)}`);
  }

  drawHistogram(runs) {
    const traces = runs.map(([name, { histogram, largest }]) => {
      const total = histogram.reduce((a, b) => a + b, 0) || 1;
      return {
        ...line(name),
        line: { ...line(name).line, shape: "hvh" },
        x: histogram.map((_, i) => largest * ((2 * i + 1) / BINS - 1)),
        y: histogram.map((count) => (100 * count) / total),
        hovertemplate: `w = %{x:.2~g}: %{y:.2~f} %<extra>${name}</extra>`,
      };
    });
    const x = { title: { text: "weight", standoff: 4 }, nticks: 4 };
    const largest = written(runs.at(-1)?.[1].largest);
    const settings = layout(x, { rangemode: "tozero", nticks: 5 });
    this.histogram.show(traces, settings, `Histogram of the weights, at most ${largest}`);
  }
}

function steps(last) {
  return {
    title: { text: "step", standoff: 4 },
    range: [0, last],
    tickvals: [0, last / 2, last],
  };
}

function line(name) {
  const selected = name === "selected";
  const look = { color: colour(selected ? "chosen" : "quiet"), dash: selected ? "solid" : "dot" };
  return { name, type: "scatter", mode: "lines", line: { ...look, width: selected ? 2.5 : 1.5 } };
}

function box(name) {
  const select = make("select");
  select.setAttribute("aria-label", name);
  return select;
}

function labelled(select) {
  return make("label", {}, make("span", {}, select.getAttribute("aria-label")), select);
}

function options(select, texts, chosen) {
  const items = texts.map((text, i) => make("option", { value: i, selected: i === chosen }, text));
  select.replaceChildren(...items);
}
