// A training as it goes: curves of its rows, of which only new ones are fetched, and samples of its newest weights.

import { ask } from "./ask.js";
import { said, spread } from "./conditions.js";
import { complain, el, elsewhere, number, svg } from "./page.js";

const PAUSE = 3000, SAMPLES = 8, MOST_POINTS = 8000;
const CHARTS = [
  { title: "ELBO in nats, training and validation", pick: (name) => name === "elbo" || name === "valid/elbo", label: (name) => (name === "elbo" ? "training" : "validation") },
  { title: "What each level spends, nats (validation)", pick: (name) => name.startsWith("valid/rate/"), label: (name) => name.slice(11) },
  { title: "Share of used dimensions", pick: (name) => name.startsWith("valid/used/"), label: (name) => name.slice(11) },
  { title: "What each level says of the data, nats", pick: (name) => name.startsWith("valid/information/"), label: (name) => name.slice(18) },
];

export function mount(root, context) {
  root.append(...[context.run, context.beside].filter(Boolean).map((run) => new Panel(run, context).node));
}

class Panel {
  constructor(run, context) {
    this.run = run;
    this.context = context;
    this.columns = {};
    this.length = 0;
    this.at = 0;
    this.head = "";
    this.step = null;
    this.lines = elsewhere();
    this.status = el("p", { class: "quiet" }, "Reading metrics.csv ...");
    this.notices = el("ul", { class: "notices" });
    this.charts = el("div", { class: "plots wide" });
    this.samples = el("div", { class: "strip" });
    this.node = el("section", { class: "card", "aria-label": `Training of ${run.name}` }, el("h2", {}, run.name), this.status, this.notices, this.charts, el("h3", {}, "Samples of the newest weights"), this.samples, this.lines);
    this.watch();
  }

  // Until the view is left.  The first question comes before the node is on the page.
  async watch() {
    do {
      await this.ask();
      await new Promise((done) => setTimeout(done, PAUSE));
    } while (this.node.isConnected);
  }

  async ask() {
    try {
      const answer = await ask("training", { run: this.run.place, at: this.at, head: this.head }, `training/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.take(answer.info);
    } catch (fault) {
      this.status.textContent = fault.message;
    }
  }

  take(info) {
    if (info.begins) {
      this.columns = {};
      this.length = 0;
      this.notices.replaceChildren();
    }
    const fresh = Math.max(0, ...Object.values(info.columns).map((column) => column.length));
    for (const name of new Set([...Object.keys(this.columns), ...Object.keys(info.columns)])) {
      this.columns[name] ??= Array(this.length).fill(null);
      this.columns[name].push(...(info.columns[name] ?? Array(fresh).fill(null)));
    }
    this.length += fresh;
    this.at = info.at;
    this.head = info.head;
    if (info.notices.length) this.notices.replaceChildren(...info.notices.map((line) => el("li", {}, line)));
    if (fresh || info.begins) this.draw();
    this.lines.show(info);
    if (info.trained && info.step !== this.step) this.sample(info.step);
    document.body.dataset.watched = String(Number(document.body.dataset.watched ?? 0) + 1);
  }

  draw() {
    const steps = this.columns.step ?? [];
    this.status.textContent = this.length ? `${this.length.toLocaleString("en")} rows, to step ${number(steps.at(-1))}; looks for new ones every ${PAUSE / 1000} s` : "no rows yet";
    this.charts.replaceChildren(...CHARTS.map((one) => chart(one, steps, this.columns)).filter(Boolean));
  }

  async sample(step) {
    this.step = step;
    if (!this.run.trained) return this.context.reload();
    if (!this.run.pictured || !this.run.levels.length) return;
    const seeds = Object.fromEntries(this.run.levels.map(({ name }, i) => [name, Array.from({ length: SAMPLES }, (_, j) => 1000 * (i + 1) + j + 1)]));
    const answer = await ask("draw", { run: this.run.place, seeds, context: spread(said(this.run, ""), this.run, SAMPLES) }, `samples/${this.run.place}`);
    if (!answer) return;
    this.samples.replaceChildren(...Array.from({ length: SAMPLES }, (_, j) => el("figure", { class: "tile" }, answer.pictures.grid.canvas(j))));
    this.samples.append(el("p", { class: "quiet" }, `weights of step ${number(step)}`));
  }
}

function chart({ title, pick, label }, steps, columns) {
  const names = Object.keys(columns).filter(pick);
  const lines = names.map((name) => columns[name].map((value, i) => [steps[i], value]).filter(([, value]) => value !== null)).map((points) => points.filter((_, i) => i % Math.ceil(points.length / MOST_POINTS) === 0));
  const all = lines.flat();
  if (!all.length) return null;
  const width = 440, height = 170, pad = 44;
  const xs = extent(all.map(([x]) => x)), ys = trimmed(all.map(([, y]) => y));
  const x = (value) => pad + ((value - xs[0]) / (xs[1] - xs[0] || 1)) * (width - pad - 8);
  const y = (value) => height - 18 - ((Math.max(ys[0], Math.min(ys[1], value)) - ys[0]) / (ys[1] - ys[0] || 1)) * (height - 28);
  const text = (words, left, top, anchor) => {
    const node = svg("text", { x: left, y: top, "text-anchor": anchor });
    node.textContent = words;
    return node;
  };
  const last = names.map((name, i) => `${label(name)} ${number(lines[i].at(-1)?.[1] ?? 0)}`);
  return el("figure", { class: "plot" },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${last.join(", ")}` },
      svg("line", { class: "axis", x1: pad, x2: width - 8, y1: height - 18, y2: height - 18 }),
      text(number(ys[1], 3), pad - 4, 16, "end"), text(number(ys[0], 3), pad - 4, height - 20, "end"),
      text(number(xs[0], 3), pad, height - 4, "start"), text(number(xs[1], 6), width - 8, height - 4, "end"),
      ...lines.map((points, i) => svg("path", { class: `curve c${i % 6}${points.length === 1 ? " point" : ""}`, d: `${points.map(([a, b], at) => `${at ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("")}${points.length ? "h0" : ""}` }))),
    el("figcaption", {}, title, ": ", names.map((name, i) => el("span", { class: `k${i % 6}` }, `${i ? ", " : ""}${last[i]}`))));
}

function extent(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

// The first steps of a training are far from all others: the lowest twentieth may lie below the axis.
function trimmed(values) {
  const sorted = Float64Array.from(values).sort(), low = sorted[Math.floor(sorted.length / 20)];
  return extent([low, sorted.at(-1)]);
}
