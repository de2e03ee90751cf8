// A grid of levels x pictures: each cell has a seed, is locked or redrawn; each level has a temperature.

import { ask } from "./ask.js";
import { conditions, said, spread } from "./conditions.js";
import { latents } from "./latents.js";
import { complain, el, elsewhere, number, save, say, state, svg } from "./page.js";

const MOST_SHOWN = 8;
const NARROW = 560;

const fresh = () => crypto.getRandomValues(new Uint32Array(1))[0];

// The seeds a grid begins with: small, and the same on every machine, so that a bare address shows the same pictures.
const start = (level, column) => 1000 * (level + 1) + column + 1;

export function mount(root, context) {
  const { run, beside } = context;
  if (!run.levels.length) {
    root.append(el("p", { class: "card" }, `${run.name} has no levels to draw one by one: the likelihood alone makes its pictures.`));
    return;
  }
  const panels = [new Panel(run, context)];
  if (beside && beside.levels.length) panels.push(new Panel(beside, context));
  const all = () => panels.forEach((panel) => panel.ask());
  Object.assign(context, { all, mark: () => panels.forEach((panel) => panel.mark()) });
  root.append(tools(run, panels, context));
  root.append(el("div", { class: panels.length > 1 ? "sides" : "sides one" }, panels.map((panel) => panel.node)));
  all();
}

function columns() {
  return Math.max(1, Math.min(16, Math.round(state.number("n", innerWidth < NARROW ? 4 : 6))));
}

function tools(run, panels, context) {
  const { all } = context;
  const count = el("input", { type: "number", min: 1, max: 16, value: columns(), onchange(event) {
    state.set("n", Math.max(1, Math.min(16, Math.round(Number(event.target.value) || 6))));
    panels.forEach((panel) => panel.build());
    all();
  } });
  const each = el("input", { type: "checkbox", checked: panels[0].each, onchange(event) {
    state.set("each", event.target.checked ? "1" : "0");
    panels.forEach((panel) => panel.build());
    all();
  } });
  const known = conditions(run, "", all);
  const guided = panels.some((panel) => panel.guidable) ? guidance(all) : null;
  return el("div", { class: "bar" },
    el("button", { class: "main", type: "button", title: "New noise in every cell that is not locked", onclick() {
      panels[0].redraw(() => true);
      context.mark();
      all();
    } }, "Redraw all that is not locked"),
    el("label", {}, "pictures", count),
    el("label", {}, each, "show each level"),
    known.node,
    guided,
    el("button", { type: "button", onclick() {
      for (const level of run.levels) state.set(`t.${level.name}`, "");
      panels.forEach((panel) => panel.build());
      all();
    } }, "Temperatures to 1"));
}

// How closely all levels follow what is said: 1 as the model does, 0 not at all.
function guidance(all) {
  const shown = el("output", {}, number(state.number("w", 1), 3));
  const slider = el("input", { type: "range", min: 0, max: 5, step: 0.05, value: state.number("w", 1), oninput(event) {
    state.set("w", event.target.value === "1" ? "" : event.target.value);
    shown.textContent = number(Number(event.target.value), 3);
    all();
  } });
  return el("label", { title: "How closely the pictures follow what is said: 1 as the model does, 0 not at all" }, "guidance", slider, shown);
}

function lock() {
  return svg("svg", { viewBox: "0 0 16 16", class: "lock", "aria-hidden": "true" },
    svg("path", { d: "M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7zm2 0h4V5a2 2 0 0 0-4 0z" }));
}

class Panel {
  constructor(run, context) {
    this.run = run;
    this.context = context;
    this.node = el("section", { class: "card", "aria-label": `Pictures of ${run.name}` });
    this.lines = elsewhere();
    this.build();
  }

  get each() {
    return state.get("each", this.run.levels.length <= MOST_SHOWN ? "1" : "0") === "1";
  }

  // A model that may be told nothing can be walked both ways.
  get guidable() {
    return this.run.conditions.some((one) => one.optional);
  }

  seeds(level) {
    const index = this.run.levels.findIndex((one) => one.name === level);
    const given = state.get(`s.${level}`).split(".").map((text) => parseInt(text, 36));
    return Array.from({ length: columns() }, (_, j) => (Number.isFinite(given[j]) ? given[j] % 2 ** 32 : start(index, j)));
  }

  locks(level) {
    const text = state.get(`k.${level}`);
    return Array.from({ length: columns() }, (_, j) => text[j] === "1");
  }

  lock(level, locks) {
    state.set(`k.${level}`, locks.some(Boolean) ? locks.map((on) => (on ? "1" : "0")).join("") : "");
  }

  // New seeds where `wanted` says so and no lock is.
  redraw(wanted) {
    for (const { name } of this.run.levels) {
      const locks = this.locks(name);
      const seeds = this.seeds(name).map((seed, j) => (wanted(name, j) && !locks[j] ? fresh() : seed));
      state.set(`s.${name}`, seeds.map((seed) => seed.toString(36)).join("."));
    }
  }

  // The seed of one picture in all of them: this level is the same everywhere.
  share(level) {
    const seeds = this.seeds(level);
    state.set(`s.${level}`, seeds.map(() => seeds[0].toString(36)).join("."));
  }

  build() {
    this.cells = new Map();
    const n = columns(), body = [];
    this.node.style.setProperty("--n", n);
    if (!this.each) body.push(this.finals(n));
    for (const level of this.run.levels) body.push(this.row(level, n));
    const head = el("tr", {}, el("th", { class: "side", scope: "col" }, el("span", { class: "quiet" }, "level, top first")),
      Array.from({ length: n }, (_, j) => el("th", { scope: "col" }, el("button", {
        class: "icon", type: "button", title: `Redraw picture ${j + 1} where it is not locked`, "aria-label": `Redraw picture ${j + 1}`,
        onclick: () => this.again((_, column) => column === j) }, `${j + 1} ↻`))));
    const table = el("table", { class: "grid" }, el("thead", {}, head), el("tbody", {}, body));
    table.addEventListener("keydown", (event) => this.keys(event));
    const hint = this.each
      ? "Each row shows the pictures after its level: the levels down to it are drawn, those below are at their most probable values. The last row is the picture."
      : "The first row is the picture; each cell below is the noise of a level.";
    this.node.replaceChildren(
      el("h2", {}, `${this.run.name}: ${this.run.family}, ${this.run.levels.length} level${this.run.levels.length === 1 ? "" : "s"}`),
      el("p", { class: "quiet" }, `${hint} Click a cell to redraw it, or press L to lock it.`),
      el("div", { class: "scroll" }, table),
      el("div", { class: "bar" }, el("button", { type: "button", onclick: () => this.keep() }, "PNG"), latents("draw", () => this.question()), this.time = el("span", { class: "quiet" })),
      this.lines);
    this.mark();
  }

  finals(n) {
    this.last = Array.from({ length: n }, () => el("canvas", { width: 1, height: 1 }));
    return el("tr", {}, el("th", { class: "side", scope: "row" }, "picture"),
      this.last.map((canvas, j) => el("td", {}, el("div", { class: "cell", role: "img", "aria-label": `picture ${j + 1}` }, canvas))));
  }

  row(level, n) {
    const key = `t.${level.name}`, shown = el("output", {}, number(state.number(key, 1), 3));
    const slider = el("input", { type: "range", min: 0, max: 1.5, step: 0.01, value: state.number(key, 1), "aria-label": `Temperature of ${level.name}`, oninput(event) {
      state.set(key, event.target.value === "1" ? "" : event.target.value);
      shown.textContent = number(Number(event.target.value), 3);
    } });
    slider.addEventListener("input", () => this.context.all());
    const small = (text, title, action) => el("button", { class: "icon", type: "button", title, "aria-label": `${title}: ${level.name}`, onclick: action }, text);
    const side = el("th", { class: "side", scope: "row" }, el("div", { class: "level" },
      el("b", {}, level.name), el("span", { class: "shape" }, level.shape.join("×")),
      el("span", { class: "tools" },
        small("↻", "Redraw this level where it is not locked", () => this.again((name) => name === level.name)),
        small("=", "The same noise in every picture", () => { this.share(level.name); this.changed(); }),
        small(lock(), "Lock or unlock the whole level", () => {
          const locks = this.locks(level.name);
          this.lock(level.name, locks.map(() => !locks.every(Boolean)));
          this.mark();
        })),
      slider, shown));
    return el("tr", {}, side, Array.from({ length: n }, (_, j) => el("td", {}, this.cell(level.name, j))));
  }

  cell(level, j) {
    const canvas = this.each ? el("canvas", { width: 1, height: 1 }) : null;
    const node = el("button", { class: this.each ? "cell" : "cell chip", type: "button", onclick: () => this.again((name, column) => name === level && column === j) },
      canvas ?? "", el("span", { class: "mark", hidden: true, "aria-hidden": "true" }, lock()));
    node.dataset.level = level;
    node.dataset.column = j;
    this.cells.set(`${level}/${j}`, { node, canvas });
    return node;
  }

  // Locks and seeds as the cells show them.
  mark() {
    for (const { name } of this.run.levels) {
      const locks = this.locks(name), seeds = this.seeds(name);
      for (let j = 0; j < locks.length; j++) {
        const { node, canvas } = this.cells.get(`${name}/${j}`);
        node.classList.toggle("locked", locks[j]);
        node.querySelector(".mark").hidden = !locks[j];
        if (!canvas) node.firstChild.textContent = seeds[j].toString(36).slice(0, 5);
        node.setAttribute("aria-label", `${name}, picture ${j + 1}, ${locks[j] ? "locked" : "not locked"}, noise ${seeds[j]}. Enter redraws, L locks`);
      }
    }
  }

  keys(event) {
    const node = event.target.closest(".cell[data-level]");
    if (!node) return;
    const level = node.dataset.level, j = Number(node.dataset.column);
    const names = this.run.levels.map((one) => one.name), i = names.indexOf(level);
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (event.key.toLowerCase() === "l" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const locks = this.locks(level);
      locks[j] = !locks[j];
      this.lock(level, locks);
      this.mark();
      say(`${level}, picture ${j + 1} ${locks[j] ? "locked" : "unlocked"}`);
    } else if (event.key in moves) {
      const [down, right] = moves[event.key];
      this.cells.get(`${names[i + down]}/${j + right}`)?.node.focus();
    } else return;
    event.preventDefault();
  }

  again(wanted) {
    this.redraw(wanted);
    this.changed();
  }

  changed() {
    this.context.mark();
    this.context.all();
  }

  question() {
    const n = columns(), levels = this.run.levels.map((one) => one.name), told = spread(said(this.run, ""), this.run, n);
    // Of nothing said there is nothing to follow.
    const follows = this.guidable && Object.keys(told).length > 0;
    return {
      run: this.run.place,
      seeds: Object.fromEntries(levels.map((name) => [name, this.seeds(name)])),
      temperature: Object.fromEntries(levels.map((name) => [name, state.number(`t.${name}`, 1)])),
      context: told,
      guidance: follows ? Math.max(0, Math.min(100, state.number("w", 1))) : 1,
      each: this.each,
    };
  }

  async ask() {
    const question = this.question();
    try {
      const began = performance.now(), answer = await ask("draw", question, `draw/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.show(answer, performance.now() - began);
    } catch (fault) {
      complain(fault.message);
    }
  }

  show({ info, pictures }, spent) {
    this.grid = pictures.grid;
    const n = this.grid.shape[1];
    if (n !== columns()) return;
    const names = this.run.levels.map((one) => one.name);
    for (let j = 0; j < n; j++) {
      if (!this.each) this.grid.onto(this.last[j], j);
      else names.forEach((name, i) => this.grid.onto(this.cells.get(`${name}/${j}`).canvas, i * n + j));
    }
    this.time.textContent = `${Math.round(spent)} ms`;
    this.lines.show(info);
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
  }

  async keep() {
    if (this.grid) save(`${this.run.name}.png`, await this.grid.png(this.grid.shape[1], Math.max(1, Math.round(96 / this.grid.height))));
  }
}
