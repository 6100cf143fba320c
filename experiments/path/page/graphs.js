"use strict";
/* Two small graphs of a penalty: accuracy against the strength, and the sizes of the weights. */

const BOX = { width: 300, height: 124, left: 36, right: 8, top: 8, bottom: 30 };
const INNER = { x: BOX.width - BOX.left - BOX.right, y: BOX.height - BOX.top - BOX.bottom };

/** An SVG inside `host` with a caption; `label` is set when it is drawn. */
function graph(host, caption) {
  const svg = draw("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img" });
  host.append(make("figure", {}, make("figcaption", {}, caption), svg));
  return svg;
}

function across(share) {
  return BOX.left + share * INNER.x;
}

function up(share) {
  return BOX.top + (1 - share) * INNER.y;
}

function text(x, y, content, anchor = "middle") {
  return draw("text", { x, y, "text-anchor": anchor }, content);
}

function ruled(y, label) {
  const line = draw("path", { class: "rule", d: `M${BOX.left} ${y}H${BOX.width - BOX.right}` });
  return [line, text(BOX.left - 5, y + 4, label, "end")];
}

/** Accuracy of one penalty at all its strengths, and where the slider stands. */
class Accuracy {
  constructor(host, curve, [low, high], choose) {
    Object.assign(this, { curve, low, high });
    this.svg = graph(host, "right answers for new images, %");
    this.last = Math.max(curve.strengths.length - 1, 1);
    this.marker = draw("g", { class: "marker" }, draw("path"), draw("circle", { r: 5.5 }));
    this.svg.append(...this.rules(), ...this.lines(), ...this.marks(), this.marker);
    this.svg.addEventListener("click", (event) => {
      const box = this.svg.getBoundingClientRect();
      const share = ((event.clientX - box.x) / box.width) * BOX.width - BOX.left;
      choose(Math.min(Math.max(share / INNER.x, 0), 1));
    });
  }

  x(place) {
    return across(place / this.last);
  }

  y(accuracy) {
    return up((100 * accuracy - this.low) / (this.high - this.low));
  }

  rules() {
    return even(this.low, this.high).flatMap((at) => ruled(this.y(at / 100), String(at)));
  }

  lines() {
    return stretches(this.curve.strengths).flatMap((stretch) => {
      const points = stretch.map(([place, { value }]) => `${this.x(place)} ${this.y(value)}`);
      const upper = stretch.map(([place, m]) => `${this.x(place)} ${this.y(m.high ?? m.value)}`);
      const lower = stretch.map(([place, m]) => `${this.x(place)} ${this.y(m.low ?? m.value)}`);
      const band = `M${[...upper, ...lower.reverse()].join("L")}Z`;
      return [
        draw("path", { class: "band", d: band }),
        draw("path", { class: "line", d: `M${points.join("L")}` }),
        ...stretch.map(([place, { value }]) =>
          draw("circle", { class: "dot", cx: this.x(place), cy: this.y(value), r: 2.2 }),
        ),
      ];
    });
  }

  /** A few strengths below, and a ring where validation chooses. */
  marks() {
    const { strengths, chosen } = this.curve;
    const places = [...new Set([0, 1, Math.round(this.last / 2), this.last])];
    const labels = places
      .filter((place) => place < strengths.length && (place !== 1 || strengths[0].strength === 0))
      .map((place) => text(this.x(place), BOX.height - 14, written(strengths[place].strength, 2)));
    const name = text(across(0.5), BOX.height - 1, "strength λ");
    const value = chosen === null ? null : accuracyAt(strengths[chosen]);
    if (value === null) return [...labels, name];
    const ring = { class: "chosen", cx: this.x(chosen), cy: this.y(value), r: 5.5 };
    const best = draw("circle", ring, draw("title", {}, "best for images kept apart to choose by"));
    return [...labels, name, best];
  }

  show(place) {
    const [line, dot] = this.marker.children;
    const value = accuracyAt(this.curve.strengths[place]);
    this.marker.setAttribute("transform", `translate(${this.x(place)} 0)`);
    line.setAttribute("d", `M0 ${BOX.top}V${up(0)}`);
    dot.setAttribute("cy", value === null ? up(0) : this.y(value));
    dot.setAttribute("visibility", value === null ? "hidden" : "visible");
    const { title, strengths } = this.curve;
    const first = percent(accuracyAt(strengths[0]));
    const now = percent(value);
    this.svg.setAttribute(
      "aria-label",
      `Accuracy of ${title} against its strength: ${first} at the lowest, ${now} here`,
    );
  }
}

function accuracyAt({ measures }) {
  return measures.test_accuracy.value;
}

/** Neighbours whose accuracy is known, as [place, measure]. */
function stretches(strengths) {
  const found = [[]];
  strengths.forEach(({ measures }, place) => {
    const measure = measures.test_accuracy;
    if (measure.value === null) found.push([]);
    else found.at(-1).push([place, measure]);
  });
  return found.filter(({ length }) => length);
}

/** Ends of the accuracies of curves, in percent. */
function accuracies(curves) {
  const known = curves.flatMap(({ strengths }) => strengths.map(accuracyAt));
  const values = known.filter((value) => value !== null).map((value) => 100 * value);
  if (!values.length) return [0, 100];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = Math.max((high - low) * 0.06, 0.5);
  return [low - pad, Math.min(high + pad, 101)];
}

/** How many weights are of which size; those that are zero stand apart, in their own colour. */
class Sizes {
  constructor(host, curve, edges, total) {
    Object.assign(this, { curve, edges, total });
    this.svg = graph(host, "how many weights have which size (each line: a hundred times more)");
    this.decades = Math.max(Math.ceil(Math.log10(Math.max(total, 10))), 1);
  }

  y(count) {
    return up(count > 0 ? (Math.log10(count) + 0.3) / (this.decades + 0.3) : 0);
  }

  show(place) {
    const counts = this.curve.strengths[place].histogram;
    const rules = range(0, this.decades)
      .filter((decade) => decade % 2 === 0)
      .flatMap((decade) => ruled(this.y(10 ** decade), power(decade)));
    const off = counts ? this.total - counts.reduce((a, b) => a + b, 0) : 0;
    const bars = counts ? [this.bar("off", off, 0.5, 3), ...this.bars(counts)] : [];
    this.svg.replaceChildren(...rules, ...bars, ...this.marks());
    const said = counts ? `${off} of ${this.total} are exactly zero` : "not known";
    this.svg.setAttribute("aria-label", `Sizes of the weights with ${this.curve.title}: ${said}`);
  }

  bars(counts) {
    return counts.map((count, i) => {
      const middle = (i + 0.5) / counts.length;
      const kind = Math.abs(middle - 0.5) < 1e-9 ? "nearly" : middle < 0.5 ? "against" : "for";
      return this.bar(kind, count, middle, 0.9);
    });
  }

  /** Of a width in bins. */
  bar(kind, count, middle, bins) {
    const width = (bins * INNER.x) / (this.edges.length - 1);
    const y = this.y(count);
    const place = { x: across(middle) - width / 2, y, width, height: up(0) - y };
    return draw("rect", { class: kind, ...place });
  }

  marks() {
    const [first, last] = [this.edges[0], this.edges.at(-1)].map((end) => written(end, 2));
    const ends = [`≤ ${first.replace("-", "−")}`, "0", `≥ ${last}`];
    const labels = ends.map((end, i) => text(across(i / 2), BOX.height - 14, end));
    return [...labels, text(across(0.5), BOX.height - 1, "weight")];
  }
}

function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = 100 * share;
  if (value === 0 || value === 100) return `${value} %`;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed(1)} %`;
}
