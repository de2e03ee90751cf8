// Elements, the state in the address, the one line of a fault, and files to keep.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name in node && !name.startsWith("aria")) node[name] = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function say(text) {
  document.getElementById("status").textContent = text;
}

export function complain(text) {
  const line = document.getElementById("fault");
  line.hidden = !text;
  line.textContent = text || "";
}

// What the newest answer of each kind warns of: a word that the model does not know, as the shell says it.
const remarks = new Map();

export function remark(kind, lines) {
  remarks.set(kind, lines);
  const line = document.getElementById("remark");
  line.textContent = Array.from(new Set(Array.from(remarks.values()).flat())).join("; ");
  line.hidden = !line.textContent;
}

// The whole state is in the part of the address behind #, which no request carries.
const values = new URLSearchParams(location.hash.slice(1));
let writing = 0;

export const state = {
  get: (name, otherwise = "") => values.get(name) ?? otherwise,
  number(name, otherwise) {
    const value = Number(values.get(name));
    return values.has(name) && Number.isFinite(value) ? value : otherwise;
  },
  set(name, value) {
    if (value === "" || value === null || value === undefined) values.delete(name);
    else values.set(name, String(value));
    clearTimeout(writing);
    writing = setTimeout(state.write, 120);
  },
  write() {
    history.replaceState(null, "", "#" + values.toString());
  },
};

// Only another address starts anew; those that the page writes itself raise no event.
addEventListener("hashchange", () => location.reload());

export function save(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function number(value, digits = 4) {
  if (value === null || value === undefined) return "∞";
  const size = Math.abs(value);
  if (size < 1e-9) return "0";
  if (size >= 10000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

// The same elsewhere: a command and lines of Python, each to be copied.
export function elsewhere() {
  const body = el("div");
  const box = el("details", {}, el("summary", {}, "The same from the shell and from Python"), body);
  const part = (title, text) =>
    el("div", {},
      el("div", { class: "bar" }, el("span", { class: "quiet" }, title),
        el("button", { class: "icon", type: "button", onclick: () => navigator.clipboard?.writeText(text).then(() => say("copied")) }, "copy")),
      el("pre", {}, text));
  box.show = (info) => body.replaceChildren(
    ...(info.command ? [part("shell", info.command)] : []),
    ...(info.python ? [part("Python", info.python)] : []),
    ...(info.remark ? [el("p", { class: "quiet" }, info.remark)] : []));
  return box;
}
