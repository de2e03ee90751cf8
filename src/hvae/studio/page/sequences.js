// Sequences: to be seen, heard and read; each level of each has a seed, shared by all where the level is pinned.

import { ask } from "./ask.js";
import { conditions, said, spread } from "./conditions.js";
import { latents } from "./latents.js";
import { complain, el, elsewhere, number, save, state } from "./page.js";

const fresh = () => crypto.getRandomValues(new Uint32Array(1))[0];

export function mount(root, { run, beside }) {
  const panels = [run, beside].filter((one) => one && one.timed).map((one) => new Panel(one));
  root.append(el("div", { class: panels.length > 1 ? "sides" : "sides one" }, panels.map((panel) => panel.node)));
}

class Panel {
  constructor(run) {
    this.run = run;
    this.lines = elsewhere();
    this.shown = el("div", { class: "series" }, el("p", { class: "quiet" }, "Drawing ..."));
    const known = conditions(run, "sq.", () => this.ask());
    const count = el("input", { type: "number", min: 1, max: 12, value: this.count, onchange: (event) => { state.set("sn", event.target.value); this.ask(); } });
    const steps = el("input", { type: "number", min: 1, max: 2000, placeholder: "usual", value: state.get("st"), onchange: (event) => { state.set("st", event.target.value); this.ask(); } });
    this.node = el("section", { class: "card", "aria-label": `Sequences of ${run.name}` }, el("h2", {}, `${run.name}: ${run.family}`),
      el("div", { class: "bar" },
        el("button", { class: "main", type: "button", onclick: () => this.again(run.levels.map(({ name }) => name), true) }, "Redraw what is not pinned"),
        el("label", {}, "sequences", count), el("label", {}, "steps", steps), known.node),
      el("p", { class: "quiet" }, "A level that is pinned keeps its noise in every sequence, and all of them share it; the data of each step are drawn as well."),
      el("div", { class: "levels" }, run.levels.map((level) => this.row(level))),
      this.shown, this.lines);
    this.ask();
  }

  get count() {
    return Math.max(1, Math.min(12, Math.round(state.number("sn", 3))));
  }

  seed(name) {
    return (parseInt(state.get(`q.${name}`, String(1 + this.run.levels.findIndex((one) => one.name === name))), 36) || 0) % 2 ** 32;
  }

  again(names, data) {
    for (const name of names) if (state.get(`pin.${name}`) !== "1") state.set(`q.${name}`, fresh().toString(36));
    if (data) state.set("qd", fresh().toString(36));
    this.ask();
  }

  row({ name, shape }) {
    const key = `t.${name}`, shown = el("output", {}, number(state.number(key, 1), 3));
    const pin = el("button", { class: "icon", type: "button", "aria-pressed": String(state.get(`pin.${name}`) === "1"), "aria-label": `Pin ${name}`, onclick: (event) => {
      const on = state.get(`pin.${name}`) !== "1";
      state.set(`pin.${name}`, on ? "1" : "");
      event.target.setAttribute("aria-pressed", String(on));
      this.ask();
    } }, "pin");
    return el("div", { class: "mixrow" }, el("b", { title: shape.join("×") }, name),
      el("input", { type: "range", min: 0, max: 1.5, step: 0.01, value: state.number(key, 1), "aria-label": `Temperature of ${name}`, oninput: (event) => {
        state.set(key, event.target.value === "1" ? "" : event.target.value);
        shown.textContent = number(Number(event.target.value), 3);
        this.ask();
      } }), shown, el("span", {}, el("button", { class: "icon", type: "button", "aria-label": `Redraw ${name}`, onclick: () => this.again([name], false) }, "↻"), " ", pin));
  }

  async ask() {
    const n = this.count, names = this.run.levels.map(({ name }) => name);
    const seeds = (name) => Array.from({ length: n }, (_, j) => (this.seed(name) + (state.get(`pin.${name}`) === "1" ? 0 : j)) % 2 ** 32);
    const question = {
      run: this.run.place, seed: (parseInt(state.get("qd", "1"), 36) || 0) % 2 ** 32,
      seeds: Object.fromEntries(names.map((name) => [name, seeds(name)])),
      temperature: Object.fromEntries(names.map((name) => [name, state.number(`t.${name}`, 1)])),
      steps: Math.max(0, Math.min(2000, Math.round(state.number("st", 0)))),
      context: spread(said(this.run, "sq."), this.run, n),
    };
    try {
      const answer = await ask("sequences", question, `sequences/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.show(answer, question);
    } catch (fault) {
      complain(fault.message);
    }
  }

  show({ info, pictures }, question) {
    for (const player of this.shown.querySelectorAll("audio")) URL.revokeObjectURL(player.src);
    const sound = (text) => URL.createObjectURL(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "audio/wav" }));
    const parts = [];
    const count = Math.max(pictures.sequences?.count ?? 0, info.texts.length, info.wavs.length);
    for (let i = 0; i < count; i++) {
      parts.push(el("figure", { class: "sequence" },
        pictures.sequences ? pictures.sequences.canvas(i) : null,
        info.wavs[i] ? el("audio", { controls: true, preload: "none", src: sound(info.wavs[i]), "aria-label": `Sequence ${i + 1}` }) : null,
        info.texts[i] !== undefined ? el("pre", {}, info.texts[i]) : null,
        el("figcaption", { class: "quiet" }, `${i + 1}, ${info.steps} steps`)));
    }
    parts.push(latents("sequences", () => question));
    if (pictures.sequences) parts.push(el("button", { type: "button", onclick: async () => save("sequences.png", await pictures.sequences.png(1, 3)) }, "PNG"));
    this.shown.replaceChildren(...parts);
    this.lines.show(info);
    document.body.dataset.played = String(Number(document.body.dataset.played ?? 0) + 1);
  }
}
