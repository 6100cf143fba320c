"use strict";
/* Where cells lie on logarithmic axes, and what is known of each. */

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

/** All that is known of a cell, as pairs of a label and a text. */
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
