// A picture of which a brush hides a part, and what the model makes of the rest.

import { ask } from "./ask.js";
import { conditions, said } from "./conditions.js";
import { latents } from "./latents.js";
import { complain, el, elsewhere, number, save, say, state } from "./page.js";
import { chooser } from "./pictures.js";

export function mount(root, { run }) {
  if (!run.ways.length) {
    root.append(el("p", { class: "card" }, `No way restores a picture by ${run.name}: it has no levels, or its pixels depend on each other given them.`));
    return;
  }
  root.append(new Panel(run).node);
}

class Panel {
  constructor(run) {
    this.run = run;
    [, this.height, this.width] = run.shape;
    this.hidden = new Uint8Array(this.height * this.width);
    this.lines = elsewhere();
    this.sheet = el("canvas", { width: this.width, height: this.height });
    this.result = el("div", {}, el("p", { class: "quiet" }, "Paint over what is to be hidden, and restore."));
    this.brush = el("input", { type: "range", min: 1, max: Math.max(2, Math.round(this.width / 4)), value: Math.max(1, Math.round(this.width / 10)), "aria-label": "Width of the brush in pixels" });
    this.show = el("select", {}, el("option", { value: "1" }, "hide"), el("option", { value: "0" }, "show again"));
    this.way = el("select", { onchange: (event) => state.set("rw", event.target.value) },
      run.ways.map((way) => el("option", { value: way }, way)));
    this.way.value = run.ways.includes(state.get("rw", "")) ? state.get("rw", "") : run.ways[0];
    const half = (test) => () => {
      for (let i = 0; i < this.hidden.length; i++) this.hidden[i] = test(i % this.width, Math.floor(i / this.width)) ? 1 : 0;
      this.paint();
      this.ask();
    };
    const known = conditions(run, "re.", () => {});
    this.node = el("section", { class: "two", "aria-label": `A picture restored by ${run.name}` },
      el("div", { class: "card" }, el("h2", {}, "The picture"), known.node, chooser(run, "a", "test:0", (one) => {
        this.one = one;
        this.under = one.pictures?.picture;
        this.paint();
        if (!this.under) this.ask();
      })),
      el("div", { class: "card" },
        el("div", { class: "bar" }, this.canvas(),
          el("div", { class: "grow" },
            el("div", { class: "bar" }, el("label", {}, "brush", this.show), el("label", {}, "width", this.brush)),
            el("div", { class: "bar" },
              el("button", { type: "button", onclick: half((x, y) => y >= this.height / 2) }, "Lower half"),
              el("button", { type: "button", onclick: half((x) => x >= this.width / 2) }, "Right half"),
              el("button", { type: "button", onclick: half((x, y) => Math.abs(x + 0.5 - this.width / 2) < this.width / 4 && Math.abs(y + 0.5 - this.height / 2) < this.height / 4) }, "Middle"),
              el("button", { type: "button", onclick: () => { this.hidden.fill(0); this.paint(); } }, "Nothing")),
            el("div", { class: "bar" }, el("label", {}, "by", this.way), el("button", { class: "main", type: "button", onclick: () => this.ask() }, "Restore"),
              el("button", { type: "button", onclick: () => { state.set("rs", String((state.number("rs", 0) + 1) % 1e6)); this.ask(); } }, "Other draws")))),
        this.result, this.lines));
  }

  canvas() {
    let last = null;
    const box = el("div", { class: "pad" }, this.sheet);
    const at = (event) => {
      const area = box.getBoundingClientRect();
      return [((event.clientX - area.left) / area.width) * this.width, ((event.clientY - area.top) / area.height) * this.height];
    };
    const dab = (event) => {
      const [x, y] = at(event), [px, py] = last ?? [x, y], radius = Number(this.brush.value) / 2;
      const count = Math.max(1, Math.ceil(Math.hypot(x - px, y - py) * 2));
      for (let step = 0; step <= count; step++) this.dot(px + ((x - px) * step) / count, py + ((y - py) * step) / count, radius);
      last = [x, y];
      this.paint();
    };
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      last = null;
      dab(event);
    });
    box.addEventListener("pointermove", (event) => last && dab(event));
    box.addEventListener("pointerup", () => {
      if (last) this.ask();
      last = null;
    });
    box.addEventListener("pointercancel", () => { last = null; });
    return box;
  }

  dot(x, y, radius) {
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(this.height, y + radius); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(this.width, x + radius); column++) {
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= Math.max(0.71, radius)) this.hidden[row * this.width + column] = Number(this.show.value);
      }
    }
  }

  paint() {
    document.body.dataset.hid = String(Number(document.body.dataset.hid ?? 0) + 1);
    if (this.under) this.under.onto(this.sheet, 0);
    const pen = this.sheet.getContext("2d");
    pen.fillStyle = "rgba(214, 86, 60, 0.85)";
    for (let i = 0; i < this.hidden.length; i++) if (this.hidden[i]) pen.fillRect(i % this.width, Math.floor(i / this.width), 1, 1);
  }

  get bits() {
    const bytes = new Uint8Array(Math.ceil(this.hidden.length / 8));
    this.hidden.forEach((bit, i) => { bytes[i >> 3] |= bit << (7 - (i & 7)); });
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }

  async ask() {
    if (!this.one || !this.hidden.some(Boolean)) return;
    const context = { ...this.one.info.context, ...said(this.run, "re.") };
    for (const [name, value] of Object.entries(context)) if (value === "*") delete context[name];
    say("restoring");
    const question = { run: this.run.place, picture: this.one.info.picture, hidden: this.bits, way: this.way.value, seed: state.number("rs", 0), context };
    try {
      const answer = await ask("restore", question, `restore/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.shown(answer, question);
    } catch (fault) {
      complain(fault.message);
    }
  }

  shown({ info, pictures }, question) {
    const tile = (set, i, text) => el("figure", { class: "tile" }, set.canvas(i), el("figcaption", {}, text));
    this.result.replaceChildren(
      el("h3", {}, `Draws of the ${info.hidden} places that are hidden, given the rest`),
      el("div", { class: "strip" }, tile(pictures.seen, 0, "seen"), ...Array.from({ length: pictures.draws.count }, (_, i) => tile(pictures.draws, i, `draw ${i + 1}`)),
        tile(pictures.mean, 0, "mean of the draws"), tile(pictures.best, 0, "the most probable"), tile(pictures.deviation, 0, `deviation, up to ${number(info.deviation, 2)}`)),
      el("p", { class: "quiet" }, `${info.passes} walks of the model`),
      el("div", { class: "bar" }, el("button", { type: "button", onclick: async () => save("draws.png", await pictures.draws.png(undefined, Math.max(1, Math.round(96 / pictures.draws.height)))) }, "PNG of the draws"), latents("restore", () => question)));
    this.lines.show(info);
    say("restored");
    document.body.dataset.restored = String(Number(document.body.dataset.restored ?? 0) + 1);
  }
}
