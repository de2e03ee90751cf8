// One picture: what the top levels know of it, what it costs, and whether it is foreign.

import { ask } from "./ask.js";
import { conditions, said } from "./conditions.js";
import { latents } from "./latents.js";
import { complain, el, elsewhere, number, save, svg } from "./page.js";
import { chooser } from "./pictures.js";

export function mount(root, { run, beside }) {
  const panels = [run, beside].filter((one) => one && one.pictured && one.levels.length).map((one) => new Panel(one));
  if (!panels.length) {
    root.append(el("p", { class: "card" }, `${run.name} is no model of pictures with levels.`));
    return;
  }
  root.append(el("div", { class: panels.length > 1 ? "sides" : "sides one" }, panels.map((panel) => panel.node)));
}

class Panel {
  constructor(run) {
    this.run = run;
    this.lines = elsewhere();
    this.result = el("div", {}, el("p", { class: "quiet" }, "Choose a picture."));
    this.judged = el("div");
    const known = conditions(run, "own.", () => this.ask());
    const choose = chooser(run, "a", "test:0", (one) => {
      this.one = one;
      this.ask();
    });
    this.node = el("section", { "aria-label": `A picture before ${run.name}` }, el("div", { class: "two" },
      el("div", { class: "card" }, el("h2", {}, run.name), known.node, choose),
      el("div", {}, el("div", { class: "card" }, this.result, this.lines), el("div", { class: "card" }, el("h2", {}, "Is it one of the data's kind?"), this.judged))));
  }

  get question() {
    const context = { ...this.one.info.context, ...said(this.run, "own.") };
    for (const one of this.run.conditions) {
      const value = context[one.name] ?? "";
      if (value === "" || (!one.text && (value === "*" || value.includes("nan")))) delete context[one.name];
    }
    return { run: this.run.place, picture: this.one.info.picture, context };
  }

  async ask() {
    if (!this.one) return;
    try {
      const answer = await ask("picture", this.question, `picture/${this.run.place}`);
      if (!answer) return;
      complain("");
      this.show(answer);
      await this.judge();
    } catch (fault) {
      complain(fault.message);
    }
  }

  show({ info, pictures }) {
    const { counts, levels, rates } = info;
    const tile = (set, i, text) => el("figure", { class: "tile" }, set.canvas(i), el("figcaption", {}, text));
    const tops = counts.map((count, i) => tile(pictures.tops, i, count === 0 ? "no level" : count === levels.length ? "all levels" : count === 1 ? `only ${levels[0]}` : `top ${count}, to ${levels[count - 1]}`));
    const maps = Object.entries(info.maps).map(([name, most], i) => tile(pictures.maps, i, `${name}: up to ${number(most, 3)} nats`));
    const most = Math.max(...Object.values(rates), 1e-9);
    const bar = (nats) => {
      const node = el("div", { class: "rate" });
      node.style.width = `${Math.max(0, (10 * nats) / most)}rem`;
      return node;
    };
    const rows = Object.entries(rates).map(([name, nats]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, number(nats)), el("td", {}, bar(nats))));
    const fact = (title, text) => el("div", {}, el("dt", {}, title), el("dd", {}, text));
    this.result.replaceChildren(
      el("dl", { class: "numbers" },
        fact("ELBO, one sample", `${number(info.elbo)} nats`),
        fact(info.density ? "−ELBO, of a density" : "−ELBO", `${number(info.bits_per_dim)} bits/dim`),
        fact("log p(x | z)", `${number(info.log_likelihood)} nats`),
        ...(info.png_bytes === null ? [] : [fact("a PNG of it", `${info.png_bytes} bytes`), fact("the ELBO in bytes", `${Math.ceil(-info.elbo / Math.LN2 / 8)} bytes`)])),
      el("h3", {}, "From the top levels alone; those below at their most probable values"),
      el("div", { class: "strip" }, tile(pictures.picture, 0, "the picture"), tops),
      ...(maps.length ? [el("h3", {}, "Where each level spends its nats, each on its own scale"), el("div", { class: "strip" }, maps)] : []),
      el("h3", {}, "What each level spends: KL(q ‖ p) in nats"),
      el("table", { class: "plain" }, el("tbody", {}, rows)),
      el("div", { class: "bar" }, el("button", { type: "button", onclick: async () => save("top-levels.png", await pictures.tops.png(undefined, Math.max(1, Math.round(96 / pictures.tops.height)))) }, "PNG of the row"), latents("picture", () => this.question)));
    this.lines.show(info);
    document.body.dataset.pictured = String(Number(document.body.dataset.pictured ?? 0) + 1);
  }

  async judge() {
    let answer;
    try {
      answer = await ask("score", this.question, `score/${this.run.place}`);
    } catch (fault) {
      if (fault.status !== 202 && fault.status !== 503) throw fault;
      this.judged.replaceChildren(el("p", { class: "quiet" }, fault.message));
      await new Promise((done) => setTimeout(done, 700));
      if (this.node.isConnected) await this.judge();
      return;
    }
    if (!answer) return;
    const { info } = answer;
    const word = info.foreign ? "Foreign" : "Usual";
    const reason = info.foreign ? `: ${info.reason}` : `: every score within the range of ${number(100 * info.accept)} % of ${info.data} validation data`;
    this.judged.replaceChildren(
      el("p", {}, el("span", { class: `verdict ${info.foreign ? "foreign" : "normal"}` }, word), reason, `. Outside: ${number(info.outside, 3)}, foreign above 1.`),
      el("div", { class: "plots" }, Object.entries(info.scores).map(([name, one]) => histogram(name, one))));
    document.body.dataset.judged = String(Number(document.body.dataset.judged ?? 0) + 1);
  }
}

function histogram(name, { score, low, high, least, most, counts }) {
  const width = 220, height = 70, span = most - least || 1, peak = Math.max(...counts, 1);
  const x = (value) => Math.max(1, Math.min(width - 1, ((value - least) / span) * width));
  const bars = counts.map((count, i) => svg("rect", { class: "bars", x: (i * width) / counts.length, width: width / counts.length - 1, y: height - (count / peak) * (height - 6), height: (count / peak) * (height - 6) }));
  const from = x(low ?? least), to = x(high ?? most);
  const text = `${name}: ${number(score)}, range ${number(low ?? least)} to ${number(high ?? most)}`;
  return el("figure", { class: "plot" },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text },
      svg("rect", { class: "range", x: from, y: 0, width: Math.max(1, to - from), height }), ...bars,
      svg("line", { class: "here", x1: x(score), x2: x(score), y1: 0, y2: height })),
    el("figcaption", {}, text));
}
