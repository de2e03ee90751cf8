// The start: which runs there are, and which view is shown.

import { fetched } from "./ask.js";
import * as draw from "./draw.js";
import * as files from "./files.js";
import * as mix from "./mix.js";
import * as own from "./own.js";
import { complain, el, state } from "./page.js";
import * as restore from "./restore.js";
import * as sequences from "./sequences.js";
import * as training from "./training.js";
import * as traverse from "./traverse.js";

const VIEWS = [
  { name: "draw", title: "Draw", view: draw, serves: (run) => run.pictured },
  { name: "own", title: "A picture", view: own, serves: (run) => run.pictured },
  { name: "mix", title: "Mix", view: mix, serves: (run) => run.pictured },
  { name: "push", title: "Push", view: traverse, serves: (run) => run.pictured },
  { name: "restore", title: "Restore", view: restore, serves: (run) => run.pictured },
  { name: "files", title: "Files", view: files, serves: (run) => run.pictured },
  { name: "sequences", title: "Sequences", view: sequences, serves: (run) => run.timed && run.levels.length > 0 },
  { name: "training", title: "Training", view: training, serves: () => true },
];

async function start() {
  const { runs } = await (await fetched("/api/runs")).json();
  const chosen = () => runs[Math.min(runs.length - 1, Math.max(0, state.number("run", 0)))];
  const other = () => (state.get("beside") === "" ? null : runs[state.number("beside", -1)] ?? null);
  const choice = (key, first) => {
    const select = el("select", { onchange(event) {
      state.set(key, event.target.value);
      show();
    } }, first, runs.map((run) => el("option", { value: String(run.place) }, run.name)));
    select.value = state.get(key, first ? "" : "0");
    return select;
  };
  const bar = document.getElementById("runs");
  if (runs.length > 1) {
    bar.append(el("label", {}, "run", choice("run")), el("label", {}, "beside it", choice("beside", el("option", { value: "" }, "none"))));
  } else bar.append(summary(runs[0]));

  const tabs = document.getElementById("views");
  const main = document.getElementById("main");

  function show() {
    const run = chosen(), beside = other();
    const served = VIEWS.filter((one) => one.serves(run));
    const current = served.find((one) => one.name === state.get("v")) ?? served[0];
    tabs.replaceChildren(...served.map((one) => el("button", {
      type: "button", role: "tab", id: `tab-${one.name}`, "aria-controls": "main", "aria-selected": String(one === current), tabIndex: one === current ? 0 : -1,
      onclick() {
        state.set("v", one.name);
        show();
        document.getElementById(`tab-${one.name}`).focus();
      },
    }, one.title)));
    complain("");
    main.replaceChildren();
    main.setAttribute("aria-labelledby", current ? `tab-${current.name}` : "");
    if (!current) return main.append(el("p", { class: "card" }, `${run.name} is a run of data that no view shows yet.`));
    if (run.trained && !run.pictured && !run.timed) {
      main.append(el("p", { class: "card" }, `${run.name} is a run of ${run.noun}: the studio draws pictures and sequences, and of others it shows the training; hvae sample, restore and score take them.`));
    }
    current.view.mount(main, { run, beside: beside && beside.place !== run.place ? beside : null, reload: () => location.reload() });
  }

  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = Array.from(tabs.children);
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].click();
    event.preventDefault();
  });
  show();
}

function summary(run) {
  return run.trained ? `${run.name} · ${run.family} · ${run.shape.join("×")} · step ${run.step.toLocaleString("en")}` : `${run.name} · in training`;
}

start().catch((fault) => complain(fault.message));
