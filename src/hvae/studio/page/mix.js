// Two pictures mixed level by level: a share of the second in each, or the level drawn anew.

import { ask } from "./ask.js";
import { conditions, said } from "./conditions.js";
import { latents } from "./latents.js";
import { complain, el, elsewhere, number, save, state } from "./page.js";
import { chooser } from "./pictures.js";

const fresh = () => crypto.getRandomValues(new Uint32Array(1))[0];

export function mount(root, { run }) {
  if (!run.pictured || !run.levels.length) {
    root.append(el("p", { class: "card" }, `${run.name} is no model of pictures with levels.`));
    return;
  }
  root.append(new Panel(run).node);
}

class Panel {
  constructor(run) {
    this.run = run;
    this.both = {};
    this.lines = elsewhere();
    this.mixture = el("canvas", { width: 1, height: 1 });
    this.alone = [0, 1].map(() => el("canvas", { width: 1, height: 1 }));
    this.rows = el("div");
    const choose = (slot, otherwise) => chooser(run, slot, otherwise, (one) => {
      this.both[slot] = one;
      this.ask();
    });
    const known = conditions(run, "mix.", () => this.ask());
    const hold = el("select", { disabled: !run.movable, onchange: (event) => { state.set("hold", event.target.value); this.ask(); } },
      el("option", { value: "values" }, "values"), el("option", { value: "offsets" }, "offsets from the prior"));
    hold.value = state.get("hold", "values");
    const set = (shares) => () => {
      run.levels.forEach(({ name }, i) => { state.set(`m.${name}`, shares(i)); });
      this.build();
      this.ask();
    };
    const half = Math.ceil(run.levels.length / 2);
    this.node = el("section", { "aria-label": `Two pictures mixed by ${run.name}` },
      el("div", { class: "sides" },
        el("div", { class: "card" }, el("h2", {}, "A"), choose("a", "test:0")),
        el("div", { class: "card" }, el("h2", {}, "B"), choose("b", "test:1"))),
      el("div", { class: "card" },
        el("div", { class: "bar" },
          el("button", { type: "button", onclick: set((i) => (i < half ? 0 : 1)) }, "Top of A, rest of B"),
          el("button", { type: "button", onclick: set((i) => (i < half ? 1 : 0)) }, "Top of B, rest of A"),
          el("button", { type: "button", onclick: set(() => 0.5) }, "Half way"),
          el("label", {}, "mix", hold), known.node),
        el("div", { class: "two" },
          el("div", {}, this.rows),
          el("div", { class: "strip" },
            el("figure", { class: "tile large" }, this.mixture, el("figcaption", {}, "the mixture")),
            el("figure", { class: "tile" }, this.alone[0], el("figcaption", {}, "A through the model")),
            el("figure", { class: "tile" }, this.alone[1], el("figcaption", {}, "B through the model")))),
        el("div", { class: "bar" }, el("button", { type: "button", onclick: () => this.keep() }, "PNG"), latents("mix", () => this.question())),
        this.lines));
    this.build();
  }

  build() {
    this.rows.replaceChildren(
      el("div", { class: "mixrow quiet" }, el("span", {}, "level"), el("span", {}, "from A to B"), el("span"), el("span")),
      ...this.run.levels.map(({ name }) => this.row(name)));
  }

  row(name) {
    const key = `m.${name}`, anew = state.get(key) === "new";
    const shown = el("output", {}, anew ? "anew" : number(state.number(key, 0), 2));
    const slider = el("input", { type: "range", min: 0, max: 1, step: 0.01, value: anew ? 0 : state.number(key, 0), disabled: anew, "aria-label": `Share of B in ${name}`, oninput: (event) => {
      state.set(key, event.target.value === "0" ? "" : event.target.value);
      shown.textContent = number(Number(event.target.value), 2);
      this.ask();
    } });
    const redraw = el("button", { class: "icon", type: "button", title: "Draw this level anew; again for other noise", "aria-label": `Draw ${name} anew`, "aria-pressed": String(anew), onclick: () => {
      state.set(key, "new");
      state.set(`ms.${name}`, fresh().toString(36));
      this.build();
      this.ask();
    } }, "↻");
    const back = el("button", { class: "icon", type: "button", hidden: !anew, "aria-label": `Take ${name} from the pictures again`, onclick: () => {
      state.set(key, "");
      this.build();
      this.ask();
    } }, "×");
    return el("div", { class: "mixrow" }, el("b", {}, name), slider, shown, el("span", {}, redraw, " ", back));
  }

  question() {
    const { a, b } = this.both;
    if (!a || !b) return undefined;
    const names = this.run.levels.map((one) => one.name), isNew = (name) => state.get(`m.${name}`) === "new";
    const context = { ...a.info.context, ...said(this.run, "mix.") };
    for (const [name, value] of Object.entries(context)) if (value === "*") delete context[name];
    return {
      run: this.run.place, a: a.info.picture, b: b.info.picture, context,
      shares: Object.fromEntries(names.filter((name) => !isNew(name)).map((name) => [name, state.number(`m.${name}`, 0)])),
      seeds: Object.fromEntries(names.filter(isNew).map((name) => [name, (parseInt(state.get(`ms.${name}`, "1"), 36) || 0) % 2 ** 32])),
      hold: this.run.movable ? state.get("hold", "values") : "values",
    };
  }

  async ask() {
    const question = this.question();
    if (!question) return;
    try {
      const answer = await ask("mix", question, `mix/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.picture = answer.pictures.mixture;
      this.picture.onto(this.mixture, 0);
      this.alone.forEach((canvas, i) => answer.pictures.alone.onto(canvas, i));
      this.lines.show(answer.info);
      document.body.dataset.mixed = String(Number(document.body.dataset.mixed ?? 0) + 1);
    } catch (fault) {
      complain(fault.message);
    }
  }

  async keep() {
    if (this.picture) save("mixture.png", await this.picture.png(1, Math.max(1, Math.round(256 / this.picture.height))));
  }
}
