"use strict";
/* Where things lie on logarithmic axes, and how numbers are written. */

const AXES = {
  strength: {
    symbol: "λ",
    title: "λ, times the learning rate",
    absent: "The learning rate does not multiply its decay, so it has no λ.",
  },
  rate: {
    symbol: "ω",
    title: "ω, decay per step",
    absent: "It removes no fixed share of a weight at each step, so it has no ω.",
  },
};
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Logarithms of the borders of cells, half-way between neighbours. */
function borders(values) {
  const logs = values.map(Math.log10);
  if (logs.length === 1) return [logs[0] - 0.3, logs[0] + 0.3];
  const inner = logs.slice(1).map((log, i) => (log + logs[i]) / 2);
  return [2 * logs[0] - inner[0], ...inner, 2 * logs.at(-1) - inner.at(-1)];
}

/** How far a row lies to the right of where it is on the trained axis; null if unknown. */
function shift(panel, row, axis) {
  if (axis === panel.trained) return 0;
  const column = panel[axis][row].findIndex((value) => value > 0);
  return column < 0 ? null : Math.log10(panel[axis][row][column] / panel.decays[column]);
}

/** The ends of a heat map on an axis. */
function extent(panel, axis) {
  const ends = borders(panel.decays);
  const shifts = panel.learning_rates.map((_, row) => shift(panel, row, axis));
  const known = shifts.filter((value) => value !== null);
  return [ends[0] + Math.min(...known), ends.at(-1) + Math.max(...known)];
}

/** Axes on which a panel can be seen. */
function views(panel) {
  return Object.keys(AXES).filter((axis) => panel.labels[axis] !== null);
}

/** Where to mark a logarithmic axis, and with what: at most `most` labels. */
function ticks([low, high], most) {
  const decades = range(Math.ceil(low - 1e-9), Math.floor(high + 1e-9));
  if (decades.length < 2) return between(low, high, most);
  const step = Math.ceil(decades.length / most);
  return decades.map((at) => ({ at, text: at % step === 0 ? power(at) : "" }));
}

function between(low, high, most) {
  const coarse = multiples([1, 2, 5], low, high);
  const marks = coarse.length > 2 ? coarse : even(10 ** low, 10 ** high);
  const step = Math.ceil(marks.length / most);
  return marks.map((value, i) => ({
    at: Math.log10(value),
    text: i % step === 0 ? written(value) : "",
  }));
}

function multiples(digits, low, high) {
  return range(Math.floor(low), Math.ceil(high))
    .flatMap((decade) => digits.map((digit) => digit * 10 ** decade))
    .filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
}

/** About four round numbers between two that are close. */
function even(low, high) {
  const decade = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = [5, 2, 1].map((digit) => digit * decade).find((s) => s <= (high - low) / 3);
  return range(Math.ceil(low / step), Math.floor(high / step)).map((n) => n * step);
}

function range(first, last) {
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i);
}

function power(exponent) {
  if (exponent >= -2 && exponent <= 3) return written(10 ** exponent);
  return `10${exponent < 0 ? "⁻" : ""}${superscript(Math.abs(exponent))}`;
}

function superscript(number) {
  return [...String(number)].map((digit) => SUPERSCRIPTS[digit]).join("");
}

/** A number with three digits, as people write it: 0.0125, 2.5·10⁻⁴. */
function written(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(digits)));
  const exponent = Math.floor(Math.log10(size));
  const leading = Number((value / 10 ** exponent).toPrecision(digits));
  return leading === 1 ? power(exponent) : `${leading}·${power(exponent)}`;
}

/** Mean ± spread, with one digit more than the spread needs. */
function withSpread(mean, spread, unit = "") {
  if (mean === null) return "–";
  if (!spread) return `${written(mean)}${unit}`;
  const places = Math.min(Math.max(1 - Math.floor(Math.log10(spread)), 0), 6);
  return `${mean.toFixed(places)} ± ${spread.toFixed(places)}${unit}`;
}

/** All that is said about a cell, as pairs of a label and a text. */
function facts(panel, row, column, seeds) {
  const cell = panel.cells[row][column];
  const where = [
    ["η", written(panel.learning_rates[row])],
    ...Object.keys(AXES)
      .filter((axis) => panel[axis][row][column] !== null)
      .map((axis) => [AXES[axis].symbol, written(panel[axis][row][column])]),
  ];
  return cell ? [...where, ...outcome(cell, seeds)] : [...where, ["", "not trained"]];
}

function outcome(cell, seeds) {
  return [
    ["D", written(cell.total_decay)],
    ["validation loss", withSpread(cell.loss, cell.loss * cell.spread)],
    ["test error", withSpread(percent(cell.test_error), percent(cell.test_spread), " %")],
    ["diverged", `${cell.diverged} of ${seeds} seeds`],
  ];
}

function percent(share) {
  return share === null ? null : 100 * share;
}
