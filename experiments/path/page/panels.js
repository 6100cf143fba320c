"use strict";
/* One penalty: what it is, what it leaves of the network, and two graphs. */

class Panel {
  /** `choose(share)` moves the slider, `look(unit)` shows a unit from near on every panel. */
  constructor(host, curve, network, study, choose, look) {
    Object.assign(this, { curve, network });
    this.sheets = study.sheets[curve.id];
    this.canvas = make("canvas", { className: this.sheets?.count > 10 ? "" : "few" });
    this.canvas.setAttribute("role", "img");
    this.closer = make("canvas", { className: "closer", hidden: true });
    this.closer.setAttribute("aria-hidden", "true");
    this.missing = make("p", { className: "missing" });
    this.facts = make("p", { className: "facts" });
    this.strength = make("p", { className: "strength" });
    this.remark = make("p", { className: "remark" });
    this.article = make(
      "article",
      {},
      make("h2", {}, curve.title),
      make("p", { className: "sentence" }, curve.sentence),
      this.facts,
      make("div", { className: "pictures" }, this.canvas, this.closer, this.missing),
      this.strength,
    );
    this.accuracy = new Accuracy(this.article, curve, study.accuracies, choose);
    this.sizes = new Sizes(this.article, curve, study.edges, this.total());
    this.article.append(this.remark);
    host.append(this.article);
    this.canvas.addEventListener("pointermove", (event) => look(this.unitBelow(event)));
    this.canvas.addEventListener("pointerdown", (event) => look(this.unitBelow(event)));
    this.canvas.addEventListener("pointerleave", () => look(null));
    this.known = new Map();
  }

  /** Weights of the first layer, or at least so many. */
  total() {
    const counts = this.curve.strengths.map(({ histogram }) => histogram ?? []);
    return this.curve.weights ?? Math.max(...counts.map((c) => c.reduce((a, b) => a + b, 0)), 0);
  }

  /** The place of a strength for a position of the slider, from 0 to 1. */
  place(share) {
    return Math.round(share * (this.curve.strengths.length - 1));
  }

  show(share) {
    this.at = this.place(share);
    const strength = this.curve.strengths[this.at];
    const facts = this.measured(strength);
    this.facts.replaceChildren(...facts.map(([number, name]) => fact(number, name)));
    const price = written(strength.strength);
    this.strength.textContent = `strength λ = ${price} of ${this.curve.formula}`;
    this.remark.textContent = [...this.shown(), ...remarks(strength)].join(" ");
    this.accuracy.show(this.at);
    this.sizes.show(this.at);
    const [[right], [on], [off]] = facts;
    this.told = `${this.curve.title} ${right} right, ${off} off`;
    const label = `${this.told}, ${on} ${this.network.on}: what each looks for`;
    this.canvas.setAttribute("aria-label", label);
    this.paint();
  }

  /** That not all squares are here, if that is so. */
  shown() {
    const [some, all] = [this.sheets?.count ?? 0, this.curve.squares];
    return some && some < all ? [`Here are the ${some} largest of ${all}.`] : [];
  }

  measured({ measures }) {
    const live = measures.live.value;
    const on = live === null ? "–" : `${written(live)} of ${this.curve.units}`;
    const found = [
      [percent(measures.test_accuracy.value), "right"],
      [on, this.network.on],
      [percent(measures.zeros.value), "of the weights off"],
    ];
    if (this.curve.penalty === "nuclear") {
      found.push([`${written(measures.rank.value)} of ${this.curve.full_rank}`, "patterns"]);
    }
    return found;
  }

  async paint() {
    const place = this.at;
    const known = Boolean(this.sheets?.urls[place]);
    this.canvas.hidden = !known;
    this.missing.textContent = known ? "" : "no pictures of this strength";
    if (!known) return;
    if (!this.known.has(place)) this.known.set(place, unpacked(this.sheets, place));
    const found = await this.known.get(place);
    if (place !== this.at) return;
    paint(this.canvas, this.sheets, found);
    this.found = found;
    this.showCloser();
  }

  unitBelow(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
    return this.sheets && unitAt(this.sheets, x, y);
  }

  /** A unit in large, or none, on the side where it does not cover itself. */
  look(unit) {
    this.unit = unit;
    this.showCloser();
  }

  showCloser() {
    const { unit, sheets, found, closer, canvas } = this;
    closer.hidden = canvas.hidden || !found || unit === null || unit === undefined;
    if (closer.hidden) return;
    const size = sheets.width * sheets.height;
    paint(closer, { ...sheets, count: 1 }, found.subarray(unit * size, (unit + 1) * size));
    const columns = inRow(sheets.count);
    closer.classList.toggle("right", unit % columns < columns / 2);
  }
}

function fact(number, name) {
  return make("span", {}, make("b", {}, number), ` ${name}`);
}

function remarks({ cut, diverged, unconverged }) {
  const found = [];
  if (diverged) found.push(`${diverged} of the trainings blew up or is missing.`);
  if (unconverged) found.push(`${unconverged} of the solutions are not exact yet.`);
  if (cut) {
    const [before, after] = cut.parameters;
    found.push(
      `The first training, cut down to the ${cut.units[1]} units that are on, has ` +
        `${percent(after / before)} of its numbers and gives the same answers.`,
    );
  }
  return found;
}
