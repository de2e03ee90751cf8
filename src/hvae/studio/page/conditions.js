// What a conditional model is told: a choice among classes, numbers, or a text.

import { el, state } from "./page.js";

export function conditions(run, prefix, changed) {
  const fields = run.conditions.map((one) => field(one, `${prefix}c.${one.name}`, changed));
  return { node: fields.length ? el("div", { class: "bar" }, fields.map((one) => one.node)) : null, said: () => said(run, prefix) };
}

export function said(run, prefix) {
  const context = {};
  for (const one of run.conditions) {
    const value = state.get(`${prefix}c.${one.name}`, one.optional ? "" : first(one));
    if (value !== "") context[one.name] = value;
  }
  return context;
}

function first(one) {
  if (one.text) return one.titles[0] ?? "";
  return one.classes ? "0" : Array(Math.max(1, one.numbers)).fill("0").join(",");
}

function field(one, key, changed) {
  const change = (event) => {
    state.set(key, event.target.value);
    changed();
  };
  const value = state.get(key, one.optional ? "" : first(one));
  if (!one.classes) {
    const placeholder = one.optional ? "unknown" : first(one);
    const input = el("input", { type: "text", value, placeholder, onchange: change, maxLength: 1000 });
    if (!one.text) return { node: el("label", {}, one.name, input) };
    // Captions come from files of anyone: as attributes they are text, whatever they hold.
    const list = `${key}.examples`;
    input.setAttribute("list", list);
    input.setAttribute("size", "40");
    const examples = el("datalist", { id: list }, one.titles.map((title) => el("option", { value: title })));
    return { node: el("label", {}, one.name, input, examples) };
  }
  const titles = Array.from({ length: one.classes }, (_, i) => one.titles[i] ?? String(i));
  const choices = titles.map((title, i) => el("option", { value: String(i) }, title));
  if (one.optional) choices.unshift(el("option", { value: "" }, "unknown"));
  if (one.classes > 1) choices.push(el("option", { value: "*" }, "each in turn"));
  const select = el("select", { onchange: change }, choices);
  select.value = value;
  return { node: el("label", {}, one.name, select) };
}

// For n pictures: `*` is class 0, 1, 2, ... over and over.
export function spread(context, run, n) {
  const spelled = {};
  for (const [name, value] of Object.entries(context)) {
    const classes = run.conditions.find((one) => one.name === name).classes;
    spelled[name] = classes && value === "*" ? Array.from({ length: n }, (_, i) => i % classes).join(",") : value;
  }
  return spelled;
}
