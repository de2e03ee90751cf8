// Pictures of the user's: from the run's own data, a file, the clipboard, or a drawing.  Kept here, as the model sees them.

import { ask, upload } from "./ask.js";
import { complain, el, say, state } from "./page.js";

const LONGEST = 6000;
const kept = new Map();

const key = (run, slot) => `${run.place}/${slot}`;

export async function picture(run, slot, otherwise) {
  const known = kept.get(key(run, slot));
  if (known) return known;
  const text = state.get(`p.${slot}`, otherwise);
  if (text.startsWith("raw:")) return keep(run, slot, { info: { picture: text.slice(4), notes: [], context: {} }, source: "" });
  const file = kept.get(`file/${slot}`);
  if (text === "file" && file) return sent(run, slot, file);
  const [split, place] = text.includes(":") ? text.split(":") : otherwise.split(":");
  return own(run, slot, split, Number(place) || 0);
}

function keep(run, slot, one) {
  kept.set(key(run, slot), one);
  return one;
}

export async function own(run, slot, split, place) {
  const answer = await ask("own", { run: run.place, split, place }, `own/${slot}/${run.place}`);
  if (!answer) return undefined;
  state.set(`p.${slot}`, `${split}:${answer.info.place}`);
  return keep(run, slot, { ...answer, source: `${split} ${answer.info.place}` });
}

// A file goes to every run that is shown, each of which brings it to its own form.
export async function sent(run, slot, blob) {
  const answer = await upload(run.place, blob);
  // Only now: a file that is no picture leaves the one before where it is.
  forget(slot);
  kept.set(`file/${slot}`, blob);
  const text = `raw:${answer.info.picture}`;
  state.set(`p.${slot}`, text.length <= LONGEST ? text : "file");
  return keep(run, slot, { ...answer, source: "your picture" });
}

export function forget(slot) {
  for (const name of [...kept.keys()]) if (name.endsWith(`/${slot}`)) kept.delete(name);
}

// Choose a picture: steps through the run's own data, a file, the clipboard, a drawing.
export function chooser(run, slot, otherwise, changed) {
  const canvas = el("canvas", { width: 1, height: 1 });
  const caption = el("figcaption", {});
  const notes = el("p", { class: "quiet" });
  const show = (one) => {
    if (!one) return;
    if (one.pictures) one.pictures.picture.onto(canvas, 0);
    caption.textContent = one.source || "your picture";
    notes.textContent = one.info.notes.join("; ");
    complain("");
    changed(one);
  };
  const guarded = (work) => work().then(show, (fault) => complain(fault.message));
  const step = (by) => guarded(async () => {
    const [split, place] = (state.get(`p.${slot}`, otherwise).includes(":") ? state.get(`p.${slot}`, otherwise) : otherwise).split(":");
    const plain = split === "raw" ? otherwise.split(":") : [split, place];
    return own(run, slot, plain[0], Math.max(0, (Number(plain[1]) || 0) + by));
  });
  const take = (blob) => blob && guarded(() => sent(run, slot, blob));
  const file = el("input", { type: "file", accept: "image/*", hidden: true, onchange: (event) => take(event.target.files[0]) });
  const drop = el("div", { class: "drop", ondragover(event) {
    event.preventDefault();
    drop.classList.add("over");
  }, ondragleave: () => drop.classList.remove("over"), ondrop(event) {
    event.preventDefault();
    drop.classList.remove("over");
    const [first] = event.dataTransfer.files;
    if (first) take(first);
    else complain("this is no file: drop the file of a picture");
  } }, "Drop a picture here, paste one, or ", el("button", { class: "icon", type: "button", onclick: () => file.click() }, "choose a file"), file);
  const random = () => guarded(() => own(run, slot, "test", Math.floor(Math.random() * 1e6)));
  const node = el("div", {},
    el("div", { class: "bar" },
      el("figure", { class: "tile" }, canvas, caption),
      el("div", {},
        el("div", { class: "bar" },
          el("button", { type: "button", "aria-label": "The picture before", onclick: () => step(-1) }, "‹"),
          el("button", { type: "button", "aria-label": "The next picture", onclick: () => step(1) }, "›"),
          el("button", { type: "button", onclick: random }, "Any of the test data")))),
    drop, notes, pad(take));
  // A paste goes to the chooser that was used last, or to the first.
  node.addEventListener("pointerdown", () => { chooser.last = take; });
  chooser.last ??= take;
  chooser.first ??= take;
  guarded(() => picture(run, slot, otherwise));
  return node;
}

// A picture that is dropped beside its place would open in the stead of this page.
for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
}

addEventListener("paste", (event) => {
  const item = Array.from(event.clipboardData?.items ?? []).find((one) => one.type.startsWith("image/"));
  if (item) (chooser.last ?? chooser.first)?.(item.getAsFile());
});

// A sheet to draw on, black with white ink; each stroke is sent when it ends.
function pad(take) {
  const side = 256, canvas = el("canvas", { width: side, height: side });
  const pen = canvas.getContext("2d");
  const ink = el("input", { type: "color", value: "#ffffff", "aria-label": "Ink" });
  const paper = el("input", { type: "color", value: "#000000", "aria-label": "Paper" });
  const width = el("input", { type: "range", min: 4, max: 60, value: 22, "aria-label": "Width of the brush" });
  let last = null;
  const clear = () => {
    pen.fillStyle = paper.value;
    pen.fillRect(0, 0, side, side);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side];
  };
  const line = (event) => {
    const here = place(event);
    pen.strokeStyle = ink.value;
    pen.lineWidth = Number(width.value);
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...(last ?? here));
    pen.lineTo(...here);
    pen.stroke();
    last = here;
  };
  const box = el("div", { class: "pad", onpointerdown(event) {
    box.setPointerCapture(event.pointerId);
    last = null;
    line(event);
    last = place(event);
  }, onpointermove: (event) => last && line(event), onpointerup() {
    if (!last) return;
    last = null;
    canvas.toBlob(take, "image/png");
    say("drawing sent");
  }, onpointercancel: () => { last = null; } }, canvas);
  clear();
  return el("details", {}, el("summary", {}, "Draw one"), box,
    el("div", { class: "bar" }, el("button", { type: "button", onclick: clear }, "Clear"), el("label", {}, "ink", ink), el("label", {}, "paper", paper), el("label", {}, "brush", width)));
}
