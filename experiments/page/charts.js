"use strict";
/* Plotly's charts in the colours of the page. */

const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true };
const DASHES = ["solid", "dash", "dot", "dashdot"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon"];
const SERIES = 8;

/** A colour of the page, as the style sheet has it now. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function series(place) {
  return {
    color: colour(`series-${(place % SERIES) + 1}`),
    dash: DASHES[Math.floor(place / SERIES) % DASHES.length],
    symbol: SYMBOLS[place % SYMBOLS.length],
  };
}

function axis(settings) {
  return {
    gridcolor: colour("line"),
    linecolor: colour("line"),
    zeroline: false,
    fixedrange: true,
    automargin: true,
    exponentformat: "power",
    tickangle: 0,
    ...settings,
  };
}

function layout(x, y, settings = {}) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("ink"), family: "system-ui, sans-serif", size: 12 },
    hoverlabel: { bgcolor: colour("raised"), font: { color: colour("ink") } },
    margin: { l: 44, r: 18, t: 6, b: 36 },
    dragmode: false,
    showlegend: false,
    xaxis: axis(x),
    yaxis: axis(y),
    ...settings,
  };
}

/** A titled chart inside `host`, made once and drawn anew as often as needed. */
class Chart {
  constructor(host, title, height) {
    this.place = make("div", { className: "plot" });
    this.place.style.height = `${height}px`;
    this.place.setAttribute("role", "img");
    this.caption = make("figcaption", {}, title);
    host.append(make("figure", {}, this.caption, this.place));
  }

  show(traces, settings, label) {
    this.place.setAttribute("aria-label", label);
    return Plotly.react(this.place, traces, settings, CONFIG);
  }
}

/** Logarithmic, with few labels: decades, or 1-2-5 where there are few decades. */
function logarithmic(values) {
  const known = values.filter((value) => value > 0 && value < Infinity).map(Math.log10);
  if (!known.length) return { type: "log" };
  const low = Math.min(...known);
  const high = Math.max(...known);
  const pad = Math.max((high - low) * 0.08, 0.02);
  const marks = ticks([low - pad, high + pad], 5);
  return {
    type: "log",
    range: [low - pad, high + pad],
    tickvals: marks.map(({ at }) => 10 ** at),
    ticktext: marks.map(({ text }) => text),
  };
}
