"use strict";
/* Heat maps as SVG: cells that can be focused, read aloud, and moved to the other axis. */

const MARGIN = { left: 50, right: 6, top: 18, bottom: 38 };
const SLIDE = 500; // milliseconds
const STEPS = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };

class HeatMap {
  /** `listeners`: select(panel, row, column), hover(cell element or null, facts). */
  constructor(host, panel, regime, seeds, listeners) {
    Object.assign(this, { host, panel, regime, seeds, listeners });
    this.title = make("h3");
    this.slope = make("p", { className: "slope" });
    this.absent = make("p", { className: "absent" });
    this.frame = make("div", { className: "frame" });
    this.host.append(this.title, this.slope, this.frame, this.absent);
    this.columns = borders(panel.decays);
    this.rows = borders(panel.learning_rates);
    this.focused = panel.best ?? [0, 0];
  }

  /** Draws everything for the width that there is. */
  render(axis) {
    this.axis = axis;
    this.measure();
    this.svg = draw("svg", {
      viewBox: `0 0 ${this.width} ${this.height}`,
      width: this.width,
      height: this.height,
      role: "group",
      "aria-label": `${this.panel.title}: arrow keys move, Enter selects`,
    });
    this.groups = this.panel.learning_rates.map((_, row) => this.drawRow(row));
    this.edge = draw("g", { class: "edge" }, draw("path"), draw("path"));
    this.scale = draw("g", { class: "ticks" });
    this.outline = draw("g", { class: "selected" });
    this.svg.append(...this.groups, this.edge, this.outline, this.scale, ...this.learningRates());
    this.frame.replaceChildren(this.svg);
    this.place(this.shifts(axis));
    this.describe();
    this.mark(this.selected);
  }

  /** Pixels of a decade: the same on both axes, so that a cell keeps its size when it moves. */
  measure() {
    const widths = views(this.panel).map((axis) => {
      const [low, high] = extent(this.panel, axis);
      return high - low;
    });
    const count = this.panel.learning_rates.length;
    this.width = Math.max(this.host.clientWidth, 200);
    this.room = this.width - MARGIN.left - MARGIN.right;
    this.decade = this.room / Math.max(...widths);
    this.rowHeight = Math.min(Math.max(200 / count, 18), 40);
    this.height = MARGIN.top + MARGIN.bottom + this.rowHeight * count;
  }

  shifts(axis) {
    const shown = this.panel.labels[axis] === null ? this.panel.trained : axis;
    const [low, high] = extent(this.panel, shown);
    const start = MARGIN.left + (this.room - (high - low) * this.decade) / 2;
    return this.panel.learning_rates.map((_, row) => {
      const moved = shift(this.panel, row, shown);
      return moved === null ? null : start + (this.columns[0] + moved - low) * this.decade;
    });
  }

  top(row) {
    return MARGIN.top + (this.panel.learning_rates.length - 1 - row) * this.rowHeight;
  }

  drawRow(row) {
    const cells = this.panel.decays.map((_, column) => this.drawCell(row, column));
    return draw("g", { class: "row" }, ...cells);
  }

  drawCell(row, column) {
    const cell = this.panel.cells[row][column];
    const x = (this.columns[column] - this.columns[0]) * this.decade;
    const width = (this.columns[column + 1] - this.columns[column]) * this.decade;
    const size = { x: x + 0.5, y: 0.5, width: width - 1, height: this.rowHeight - 1 };
    const known = facts(this.panel, row, column, this.seeds);
    const node = draw(
      "g",
      { class: "cell", role: "button", "data-row": row, "data-column": column },
      draw("rect", { ...size, ...this.look(cell) }),
      ...this.marks(row, column, cell, x + width / 2, width),
    );
    node.setAttribute("aria-label", known.map((pair) => pair.join(" ")).join(", "));
    node.setAttribute("tabindex", String([row, column]) === String(this.focused) ? 0 : -1);
    this.listen(node, row, column, known);
    return node;
  }

  look(cell) {
    if (!cell) return { class: "missing" };
    if (cell.loss === null) return { class: "diverged" };
    const { range, colours } = this.regime;
    const part = Math.log(cell.loss / range[0]) / Math.log(range[1] / range[0]);
    const place = Math.min(Math.max(part, 0), 1) * (colours.length - 1);
    return { fill: colours[Math.round(place)] };
  }

  marks(row, column, cell, x, width) {
    const y = this.rowHeight / 2;
    const r = Math.min(width, this.rowHeight) * 0.27;
    if (cell?.diverged) {
      return [draw("path", { class: "cross", d: crossed(x, y, Math.min(r, 5)) })];
    }
    if (this.panel.row_best[row] !== column) return [];
    const best = String(this.panel.best) === String([row, column]);
    const rings = [draw("circle", { cx: x, cy: y, r }), draw("circle", { cx: x, cy: y, r })];
    const dot = best ? [draw("circle", { class: "dot", cx: x, cy: y, r: r * 0.45 })] : [];
    const thick = Math.min(Math.max(r / 2.5, 1), 2);
    return [draw("g", { class: "ring", style: `--thick: ${thick}px` }, ...rings, ...dot)];
  }

  listen(node, row, column, known) {
    const show = () => this.listeners.hover(node, this.panel.labels[this.axis], known);
    const hide = () => this.listeners.hover(null);
    node.addEventListener("pointerenter", show);
    node.addEventListener("pointerleave", hide);
    node.addEventListener("focus", show);
    node.addEventListener("blur", hide);
    node.addEventListener("click", () => this.choose(row, column));
    node.addEventListener("keydown", (event) => this.key(event, row, column));
  }

  key(event, row, column) {
    if (event.key === "Enter" || event.key === " ") this.choose(row, column);
    else if (event.key === "Escape") this.listeners.hover(null);
    else if (event.key in STEPS) this.focus(row, column, STEPS[event.key]);
    else return;
    event.preventDefault();
  }

  focus(row, column, [up, right]) {
    const next = this.cell(row + up, column + right);
    if (!next) return;
    this.cell(...this.focused)?.setAttribute("tabindex", -1);
    this.focused = [row + up, column + right];
    next.setAttribute("tabindex", 0);
    next.focus();
  }

  choose(row, column) {
    if (this.panel.cells[row][column]) this.listeners.select(this.panel, row, column);
  }

  cell(row, column) {
    return this.groups[row]?.children[column];
  }

  /** Marks the selected cell; null if it lies in another map. */
  mark(selected) {
    this.selected = selected;
    this.svg.querySelector("[aria-pressed]")?.removeAttribute("aria-pressed");
    this.outline.replaceChildren();
    if (!selected) return;
    const cell = this.cell(...selected);
    cell.setAttribute("aria-pressed", true);
    const { x, y, width, height } = cell.firstChild.getBBox();
    const box = { x: x - 1, y: y - 1, width: width + 2, height: height + 2, rx: 2 };
    this.outline.replaceChildren(draw("rect", box), draw("rect", box));
    this.place(this.at);
  }

  learningRates() {
    const every = Math.ceil(15 / this.rowHeight);
    const labels = this.panel.learning_rates.map((value, row) =>
      draw(
        "text",
        { x: MARGIN.left - 5, y: this.top(row) + this.rowHeight / 2, class: "rate" },
        row % every === 0 ? written(value) : "",
      ),
    );
    return [...labels, draw("text", { x: MARGIN.left - 5, y: 9, class: "rate" }, "η")];
  }

  /** Moves the rows: pixels of their left ends. */
  place(shifts) {
    this.at = shifts;
    this.groups.forEach((group, row) => this.move(group, row));
    if (this.selected) this.move(this.outline, this.selected[0]);
    const path = this.edgePath(shifts);
    for (const line of this.edge.children) line.setAttribute("d", path);
  }

  move(group, row) {
    group.style.display = this.at[row] === null ? "none" : "";
    group.setAttribute("transform", `translate(${this.at[row] ?? 0} ${this.top(row)})`);
  }

  /** A staircase through the upper edges; broken where a row has none. */
  edgePath(shifts) {
    let joined = false;
    return this.panel.edge
      .map((decay, row) => {
        if (decay === null || shifts[row] === null) return ((joined = false), "");
        const x = shifts[row] + (Math.log10(decay) - this.columns[0]) * this.decade;
        const start = `${joined ? "L" : "M"}${x} ${this.top(row) + this.rowHeight}`;
        joined = true;
        return `${start}L${x} ${this.top(row)}`;
      })
      .join("");
  }

  /** Moves the cells to where they lie on an axis. */
  slide(axis) {
    this.axis = axis;
    this.describe();
    const from = this.at;
    const to = this.shifts(axis);
    const begin = performance.now();
    const turn = (this.turn = Symbol("turn"));
    const step = (now) => {
      if (this.turn !== turn) return;
      const part = still() ? 1 : Math.min((now - begin) / SLIDE, 1);
      const eased = part * part * (3 - 2 * part);
      this.place(to.map((x, row) => (x === null ? null : mix(from[row] ?? x, x, eased))));
      if (part < 1) requestAnimationFrame(step);
    };
    step(begin);
  }

  describe() {
    const label = this.panel.labels[this.axis];
    const [first] = views(this.panel);
    const measured = this.regime.statistics.find(
      (s) => s.panel === this.panel.id && s.axis === AXES[this.axis].symbol,
    );
    this.title.textContent = label ?? this.panel.labels[first];
    this.slope.textContent = measured ? found(measured) : "";
    this.frame.hidden = label === null;
    this.absent.textContent = label === null ? `${AXES[this.axis].absent} Turn the switch to see it.` : "";
    this.drawScale();
  }

  drawScale() {
    if (this.panel.labels[this.axis] === null) return this.scale.replaceChildren();
    const [low, high] = extent(this.panel, this.axis);
    const start = MARGIN.left + (this.room - (high - low) * this.decade) / 2;
    const bottom = this.height - MARGIN.bottom;
    const marks = ticks([low, high], Math.floor(((high - low) * this.decade) / 34)).flatMap(
      ({ at, text }) => {
        const x = start + (at - low) * this.decade;
        const line = draw("path", { d: `M${x} ${bottom + 1}v4` });
        return [line, draw("text", { x, y: bottom + 16 }, text)];
      },
    );
    const middle = MARGIN.left + this.room / 2;
    const title = draw("text", { x: middle, y: bottom + 33 }, AXES[this.axis].title);
    this.scale.replaceChildren(...marks, title);
  }
}

function found({ name, measured, expected }) {
  return `${name} ${measured}${expected ? `, expected ${expected}` : ""}`;
}

function crossed(x, y, r) {
  return `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`;
}

function mix(a, b, part) {
  return a + (b - a) * part;
}

/** Whether things should jump instead of moving: asked for, or nobody looks. */
function still() {
  return document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
}
