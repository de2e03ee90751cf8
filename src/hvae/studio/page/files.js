// Pictures as files: of a lossy codec, what each number of levels costs and shows; without loss, bytes beside PNG.

import { ask } from "./ask.js";
import { conditions, said } from "./conditions.js";
import { complain, el, elsewhere, number, save, state } from "./page.js";
import { chooser } from "./pictures.js";

const many = (bytes) => `${bytes.toLocaleString("en")} bytes`;

export function mount(root, { run, beside }) {
  const panels = [run, beside].filter((one) => one && one.pictured).map((one) => (one.lossy ? new Lossy(one) : new Lossless(one)));
  root.append(el("div", { class: panels.length > 1 ? "sides" : "sides one" }, panels.map((panel) => panel.node)));
}

class Lossy {
  constructor(run) {
    this.run = run;
    this.lines = elsewhere();
    this.result = el("div", {}, el("p", { class: "quiet" }, "Choose a picture."));
    const known = conditions(run, "fi.", () => this.ask());
    this.node = el("section", { class: "two", "aria-label": `Files of ${run.name}` },
      el("div", { class: "card" }, el("h2", {}, run.name), known.node, chooser(run, "a", "test:0", (one) => {
        this.one = one;
        this.ask();
      })),
      el("div", { class: "card" }, this.result, this.lines));
  }

  async ask() {
    if (!this.one) return;
    const context = { ...this.one.info.context, ...said(this.run, "fi.") };
    for (const [name, value] of Object.entries(context)) if (value === "*") delete context[name];
    try {
      const answer = await ask("lossy", { run: this.run.place, picture: this.one.info.picture, context }, `lossy/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.show(answer);
    } catch (fault) {
      complain(fault.message);
    }
  }

  show({ info, pictures }) {
    const { files, levels, rivals } = info;
    const shown = el("canvas", { width: 1, height: 1 }), facts = el("dl", { class: "numbers" });
    const fact = (title, text) => el("div", {}, el("dt", {}, title), el("dd", {}, text));
    const rows = files.map((file) => el("tr", {}, el("th", { scope: "row" }, this.title(file.keep, levels)),
      el("td", {}, number(file.bytes)), el("td", {}, number(file.payload)), el("td", {}, file.psnr === null ? "no error" : number(file.psnr))));
    const move = (place) => {
      const file = files[place];
      pictures.decoded.onto(shown, place);
      facts.replaceChildren(
        fact("levels", this.title(file.keep, levels)), fact("the file", many(file.bytes)), fact("of it the picture", many(file.payload)),
        fact("bits a pixel, of the picture", number((8 * file.payload) / info.pixels, 3)), fact("PSNR", file.psnr === null ? "no error" : `${number(file.psnr)} dB`));
      rows.forEach((row, i) => row.classList.toggle("here", i === place));
    };
    const first = Math.max(0, Math.min(files.length - 1, Math.round(state.number("keep", files.length)) - 1));
    const slider = el("input", { type: "range", min: 1, max: files.length, step: 1, value: first + 1, "aria-label": "Levels that are sent, from the top", oninput(event) {
      state.set("keep", event.target.value);
      move(Number(event.target.value) - 1);
    } });
    const original = pictures.picture.canvas();
    this.result.replaceChildren(
      el("div", { class: "bar" },
        el("figure", { class: "tile large" }, shown, el("figcaption", {}, "what the file shows")),
        el("figure", { class: "tile large" }, original, el("figcaption", {}, "the picture; ", Object.entries(rivals).map(([name, bytes]) => `${name.toUpperCase()} ${many(bytes)}`).join(", "))),
        el("div", { class: "grow" }, el("label", { class: "wide" }, "levels", slider), facts)),
      el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ["levels", "bytes", "without its header", "PSNR, dB"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, rows)),
      el("p", { class: "quiet" }, "A file names its model and the shapes of its levels before the first bit of the picture: in a file of many pictures that is paid once. PNG and WebP lose nothing."),
      el("div", { class: "bar" }, el("button", { type: "button", onclick: async () => save("levels.png", await pictures.decoded.png(undefined, Math.max(1, Math.round(96 / pictures.decoded.height)))) }, "PNG of all levels")));
    move(first);
    this.lines.show(info);
    document.body.dataset.filed = String(Number(document.body.dataset.filed ?? 0) + 1);
  }

  title(keep, levels) {
    if (keep === levels.length) return keep === 1 ? levels[0] : `all ${keep}`;
    return keep === 1 ? `only ${levels[0]}` : `top ${keep}, to ${levels[keep - 1]}`;
  }
}

class Lossless {
  constructor(run) {
    this.run = run;
    this.lines = elsewhere();
    this.result = el("div");
    const count = el("input", { type: "number", min: 2, max: 256, value: this.count, onchange: (event) => state.set("fn", event.target.value) });
    this.node = el("section", { class: "card", "aria-label": `Files of ${run.name}` }, el("h2", {}, `${run.name}: without loss`),
      el("p", { class: "quiet" }, "The first pictures of the run's test data in one file, which is decoded again to the same pixels, beside a PNG or a WebP of each."),
      el("div", { class: "bar" }, el("label", {}, "pictures", count), el("button", { class: "main", type: "button", onclick: () => this.ask() }, "Compress")),
      this.result, this.lines);
    this.ask();
  }

  get count() {
    return Math.max(2, Math.min(256, Math.round(state.number("fn", 64))));
  }

  async ask() {
    this.result.replaceChildren(el("p", { class: "quiet" }, "Compressing ..."));
    try {
      const answer = await ask("lossless", { run: this.run.place, number: this.count }, `lossless/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.show(answer.info);
    } catch (fault) {
      this.result.replaceChildren();
      complain(fault.message);
    }
  }

  show(info) {
    const classic = info.net_bits_per_dim === null; // no tile of the model, as of few pictures
    const sizes = [[classic ? "this file" : "this model", info.bytes], ...Object.entries(info.rivals).map(([name, bytes]) => [name === "together" ? "PNG, WebP or zlib, all in one" : `${name.toUpperCase()} each`, bytes])];
    const most = Math.max(...sizes.map(([, bytes]) => bytes));
    const rows = sizes.map(([name, bytes]) => {
      const bar = el("div", { class: "rate" });
      bar.style.width = `${(10 * bytes) / most}rem`;
      return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, number(bytes)), el("td", {}, number((8 * bytes) / info.dims)), el("td", {}, bar));
    });
    this.result.replaceChildren(
      el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ["", "bytes", "bits/dim", ""].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, rows)),
      el("p", { class: "quiet" }, classic
        ? "The model would cost more here: the file holds the pictures in a classic format."
        : `Without what starts the chain: ${number(info.net_bits_per_dim)} bits/dim, of which −ELBO is ${number(info.elbo_bits_per_dim)}. ${number(info.seconds, 3)} s for ${info.number} pictures, decoded again and compared.`));
    this.lines.show(info);
    document.body.dataset.filed = String(Number(document.body.dataset.filed ?? 0) + 1);
  }
}
