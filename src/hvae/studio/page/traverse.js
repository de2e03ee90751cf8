// A picture pushed along the principal directions of one level: by sliders, or by dragging the picture itself.

import { ask } from "./ask.js";
import { conditions, said } from "./conditions.js";
import { latents } from "./latents.js";
import { complain, el, elsewhere, number, save, state } from "./page.js";
import { chooser } from "./pictures.js";

const REACH = 3;

export function mount(root, { run }) {
  if (!run.levels.length) {
    root.append(el("p", { class: "card" }, `${run.name} has no levels to push.`));
    return;
  }
  root.append(new Panel(run).node);
}

class Panel {
  constructor(run) {
    this.run = run;
    this.lines = elsewhere();
    this.large = el("canvas", { width: 1, height: 1 });
    this.sliders = el("div");
    this.strips = el("div", { class: "scroll" });
    const known = conditions(run, "tr.", () => this.ask(true));
    const level = el("select", { onchange: (event) => {
      state.set("tl", event.target.value);
      state.set("tp", "");
      this.directions = 0;
      this.ask(true);
    } }, run.levels.map(({ name }) => el("option", { value: name }, name)));
    level.value = this.level;
    this.node = el("section", { class: "two", "aria-label": `A picture pushed by ${run.name}` },
      el("div", { class: "card" }, el("h2", {}, "The picture"), known.node, chooser(run, "a", "test:0", (one) => {
        this.one = one;
        this.ask(true);
      })),
      el("div", { class: "card" },
        el("div", { class: "bar" }, el("label", {}, "level", level),
          el("button", { type: "button", onclick: () => this.move(() => 0) }, "Back to the middle")),
        el("p", { class: "quiet" }, "Directions are those in which this level varies most over the data, the widest first; a step is one standard deviation. Drag the picture: right and left along the first, up and down along the second."),
        el("div", { class: "bar" }, el("figure", { class: "tile large" }, this.handle(), el("figcaption", {}, "levels above held, those below follow")), el("div", { class: "grow" }, this.sliders)),
        el("h3", {}, "Each direction by itself, from −3 to 3"), this.strips,
        el("div", { class: "bar" }, el("button", { type: "button", onclick: () => this.keep() }, "PNG of all directions"), latents("traverse", () => this.question(false))),
        this.lines));
  }

  get level() {
    const wanted = state.get("tl");
    return this.run.levels.some(({ name }) => name === wanted) ? wanted : this.run.levels[0].name;
  }

  get steps() {
    const given = state.get("tp").split(",").map(Number);
    return Array.from({ length: this.directions || 0 }, (_, k) => (Number.isFinite(given[k]) ? given[k] : 0));
  }

  move(change) {
    state.set("tp", this.steps.map((value, k) => Number(Math.max(-REACH, Math.min(REACH, change(value, k))).toFixed(2))).join(","));
    this.build();
    this.ask(false);
  }

  handle() {
    let from = null;
    const box = el("div", { class: "drag", title: "Drag along the first two directions" }, this.large);
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, steps: this.steps };
    });
    box.addEventListener("pointermove", (event) => {
      if (!from) return;
      const by = [(event.clientX - from.x) / 40, (from.y - event.clientY) / 40];
      this.move((_, k) => (k < 2 ? (from.steps[k] ?? 0) + by[k] : from.steps[k]));
    });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => { from = null; });
    return box;
  }

  build() {
    const steps = this.steps;
    if (this.sliders.childElementCount === steps.length) {
      steps.forEach((value, k) => {
        const [, slider, shown] = this.sliders.children[k].children;
        slider.value = value;
        shown.textContent = number(value, 2);
      });
      return;
    }
    this.sliders.replaceChildren(...steps.map((value, k) => el("div", { class: "mixrow" }, el("b", {}, String(k + 1)),
      el("input", { type: "range", min: -REACH, max: REACH, step: 0.05, value, "aria-label": `Direction ${k + 1}`, oninput: (event) => this.move((old, i) => (i === k ? Number(event.target.value) : old)) }),
      el("output", {}, number(value, 2)))));
  }

  question(strips) {
    if (!this.one) return undefined;
    const context = { ...this.one.info.context, ...said(this.run, "tr.") };
    for (const [name, value] of Object.entries(context)) if (value === "*") delete context[name];
    return { run: this.run.place, picture: this.one.info.picture, level: this.level, push: state.get("tp").split(",").filter(Boolean).map(Number).filter(Number.isFinite), strips, context };
  }

  async ask(strips) {
    const question = this.question(strips);
    if (!question) return;
    try {
      const answer = await ask("traverse", question, `traverse/${strips}/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.show(answer);
    } catch (fault) {
      complain(fault.message);
    }
  }

  show({ info, pictures }) {
    this.directions = info.spread.length;
    this.build();
    pictures.picture.onto(this.large, 0);
    this.lines.show(info);
    document.body.dataset.pushed = String(Number(document.body.dataset.pushed ?? 0) + 1);
    if (!pictures.strips) return;
    this.all = pictures.strips;
    const stops = info.stops.length;
    this.strips.replaceChildren(el("table", { class: "strips" }, el("tbody", {}, info.spread.map((spread, k) => el("tr", {},
      el("th", { scope: "row" }, `${k + 1}, σ ${number(spread, 2)}`),
      Array.from({ length: stops }, (_, i) => el("td", {}, this.all.canvas(k * stops + i))))))));
  }

  async keep() {
    if (this.all) save(`${this.level}-directions.png`, await this.all.png(this.all.shape[1], Math.max(1, Math.round(64 / this.all.height))));
  }
}
