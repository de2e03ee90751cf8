"use strict";

// A listening test by the MUSHRA method (ITU-R BS.1534-3).  All sounds lie in this page; nothing is asked of a network.

const test = JSON.parse(document.getElementById("test").textContent);
const main = document.getElementById("main");
const LABELS = ["bad", "poor", "fair", "good", "excellent"];
const COLUMNS = ["test", "listener", "trial", "item", "place", "condition", "score", "seconds"];
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_ .()+/-]{0,99}$/u;
const RAMP = 0.01; // seconds of a switch: shorter ones click

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const say = (text) => (document.getElementById("status").textContent = text);
const label = (score) => LABELS[Math.min(4, Math.floor(score / 20))];

// Numbers in [0, 1) that a text decides: FNV-1a (Fowler, Noll and Vo) into the mixing steps of Mulberry32 (Ettinger).
function numbers(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// An order of its own for each text, all orders alike in probability (Fisher and Yates).
function shuffled(list, text) {
  const order = [...list], next = numbers(text);
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

let context = null; // one for all trials, made when a person first asks for a sound: browsers allow none before

// Sounds of one length that run side by side, one of them heard: a switch keeps the place.
class Player {
  constructor(rate, changed) {
    Object.assign(this, { rate, changed, sounds: [], heard: -1, since: 0, offset: 0, running: false });
  }

  load(sounds) {
    this.stop();
    Object.assign(this, { sounds, heard: -1, offset: 0, length: sounds[0].length / this.rate });
  }

  get position() {
    return this.running ? Math.max(0, context.currentTime - this.since) % this.length : this.offset;
  }

  play(index) {
    context ??= new AudioContext({ sampleRate: this.rate });
    context.resume();
    if (this.running && this.heard === index) return;
    if (this.running) [[this.heard, 0], [index, 1]].forEach(([one, level]) => this.turn(one, level));
    this.heard = index;
    if (!this.running) this.start();
    this.changed();
  }

  start() {
    const now = context.currentTime + RAMP;
    this.voices = this.sounds.map((samples, index) => {
      const buffer = context.createBuffer(1, samples.length, this.rate);
      buffer.copyToChannel(samples, 0);
      const source = new AudioBufferSourceNode(context, { buffer, loop: true });
      const gain = new GainNode(context, { gain: index === this.heard ? 1 : 0 });
      source.connect(gain).connect(context.destination);
      source.start(now, this.offset);
      return { source, gain: gain.gain };
    });
    this.since = now - this.offset;
    this.running = true;
  }

  turn(index, level) {
    const { gain } = this.voices[index], now = context.currentTime;
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(1 - level, now);
    gain.linearRampToValueAtTime(level, now + RAMP);
  }

  stop() {
    if (!this.running) return;
    this.offset = this.position;
    this.voices.forEach(({ source }) => source.stop());
    this.running = false;
    this.changed();
  }

  seek(seconds) {
    const { running, heard } = this;
    this.stop();
    this.offset = Math.min(Math.max(0, seconds), this.length - 1 / this.rate);
    if (running) this.play(heard);
  }
}

function samples(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (level) => level / 32768);
}

function show(state, heading, ...children) {
  const title = el("h2", { tabindex: "-1" }, heading);
  main.replaceChildren(el("section", { class: "listening card" }, title, ...children));
  document.body.dataset.state = state;
  if (state !== "start") title.focus();
  scrollTo(0, 0);
}

function start() {
  const input = el("input", { type: "text", id: "listener", autocomplete: "off", maxlength: "100", "aria-describedby": "fault" });
  const fault = el("p", { class: "fault", id: "fault", role: "alert" });
  const trying = new Player(test.rate, () => button.setAttribute("aria-pressed", String(trying.running)));
  const button = el("button", { type: "button", "aria-pressed": "false", onclick() {
    if (trying.running) return trying.stop();
    trying.load([samples(test.trials[0].sounds[0].samples)]);
    trying.play(0);
  } }, "Try a sound");
  const form = el("form", { onsubmit(event) {
    event.preventDefault();
    const listener = input.value.trim();
    if (!NAME.test(listener)) {
      fault.textContent = "Expected a name of letters, digits, spaces and _.()+/-, the first a letter or digit.";
      input.focus();
      return;
    }
    trying.stop();
    new Session(listener).next();
  } }, el("label", { for: "listener" }, "Your name, or a number that you were given"), input, fault,
  el("div", { class: "row" }, button, el("button", { type: "submit", class: "main" }, "Begin")));
  show("start", "Before you begin",
    el("ul", {},
      el("li", {}, "Use headphones, in a quiet room. Set the volume by “Try a sound”, and then leave it."),
      el("li", {}, `There are ${test.trials.length} trials. In each you hear a reference and ${test.trials[0].sounds.length} sounds in an order of your own, all of which run side by side: switch between them as often as you like, at any place.`),
      el("li", {}, "Give each sound a score from 0 to 100: how good it is beside the reference. One of them is the reference itself: it gets 100."),
      el("li", {}, "All works by mouse, by touch, and by keyboard (Tab, Enter, arrow keys, Page Up and Page Down)."),
      el("li", {}, "At the end you save a table of your scores. Nothing leaves this page before.")),
    form);
}

class Session {
  constructor(listener) {
    this.listener = listener;
    this.left = shuffled(test.trials, `${test.test}/${listener}`);
    this.rows = [];
    this.done = 0;
    this.isSaved = false;
    addEventListener("beforeunload", (event) => this.isSaved || event.preventDefault());
  }

  next() {
    if (this.done === test.trials.length) return this.end();
    const trial = this.left[0];
    new Trial(this, trial, shuffled(trial.sounds, `${test.test}/${this.listener}/${trial.item}`)).show();
  }

  add(trial, scored, seconds) {
    this.left.shift();
    this.done += 1;
    scored.forEach(({ condition, score }, place) => {
      this.rows.push([test.test, this.listener, this.done, trial.item, place + 1, condition, score, seconds.toFixed(1)]);
    });
    this.next();
  }

  end() {
    const table = [COLUMNS, ...this.rows].map((row) => row.join(",")).join("\r\n") + "\r\n";
    const name = `listening-${test.test}-${this.listener.replace(/[^\p{L}\p{N}._-]/gu, "_")}.csv`;
    const save = el("button", { type: "button", class: "main", onclick() {
      const address = URL.createObjectURL(new Blob([table], { type: "text/csv" }));
      el("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
      this.isSaved = true;
      say(`${name} is saved where your browser keeps downloads.`);
    } }, "Save the scores");
    const text = el("textarea", { readonly: true, "aria-label": "The table of your scores" });
    text.value = table;
    show("end", "Done, thank you",
      el("p", {}, "Save the table of your scores, and give the file to whoever asked you."),
      el("div", { class: "row" }, save),
      el("details", { class: "under" }, el("summary", {}, "The same as text, to copy"), text));
  }
}

class Trial {
  constructor(session, trial, sounds) {
    Object.assign(this, { session, trial, began: performance.now() });
    this.player = new Player(test.rate, () => this.mark());
    const reference = trial.sounds.find((sound) => sound.condition === "reference");
    this.player.load([reference, ...sounds].map((sound) => samples(sound.samples)));
    this.sounds = sounds.map(({ condition }, place) => this.sound(condition, place));
    this.reference = el("button", { type: "button", "aria-pressed": "false", onclick: () => this.hear(0) }, "Reference");
    this.pause = el("button", { type: "button", onclick: () => this.player.stop() }, "Stop");
    const length = this.player.length.toFixed(1);
    this.time = el("input", { type: "range", min: 0, max: this.player.length, step: 0.01, value: 0, "aria-label": "Position in seconds", oninput: () => {
      this.player.seek(Number(this.time.value));
      this.time.setAttribute("aria-valuetext", `${Number(this.time.value).toFixed(1)} of ${length} seconds`);
    } });
    this.hint = el("p", { class: "summary", id: "hint" });
    this.forward = el("button", { type: "button", class: "main", disabled: true, "aria-describedby": "hint", onclick: () => this.finish() },
      session.done + 1 < test.trials.length ? "Next trial" : "Finish");
  }

  sound(condition, place) {
    const name = String.fromCharCode(65 + place);
    const one = { condition, name, score: null, isHeard: false };
    one.button = el("button", { type: "button", "aria-pressed": "false", "aria-label": `Play sound ${name}`, onclick: () => this.hear(place + 1) }, name);
    one.output = el("output", {}, "no score yet");
    const rate = () => {
      one.score = Number(one.slider.value);
      one.slider.setAttribute("aria-valuetext", `${one.score}, ${label(one.score)}`);
      one.output.replaceChildren(el("b", {}, String(one.score)), ` ${label(one.score)}`);
      this.mark();
    };
    // A slider that is left where it stands, or moved back there, tells by no event of input: keys and clicks count too.
    one.slider = el("input", { type: "range", min: 0, max: 100, step: 1, value: 0, "aria-label": `Score of sound ${name}`, "aria-valuetext": "no score yet",
      oninput: rate, onclick: rate, onkeydown: (event) => /^(Arrow|Page|Home|End| |Enter)/.test(event.key) && setTimeout(rate) });
    return one;
  }

  show() {
    const scale = el("div", { class: "scale", "aria-hidden": "true" }, el("div", {}, ...LABELS.map((word) => el("span", {}, word))));
    const rows = this.sounds.map((one) => el("div", { class: "sound", role: "group", "aria-label": `Sound ${one.name}` }, one.button, one.slider, one.output));
    show("trial", `Trial ${this.session.done + 1} of ${test.trials.length}`,
      el("p", { class: "summary" }, "How good is each sound beside the reference? 0 is bad, 100 cannot be told from it."),
      el("div", { class: "row" }, this.reference, this.pause, el("div", { class: "grow" }, this.time)),
      el("div", { class: "sounds" }, scale, ...rows),
      this.hint,
      el("div", { class: "row" }, this.forward));
    this.mark();
    const follow = () => {
      if (!this.time.isConnected) return;
      if (this.player.running) this.time.value = this.player.position;
      requestAnimationFrame(follow);
    };
    follow();
  }

  hear(index) {
    if (index) this.sounds[index - 1].isHeard = true;
    this.player.play(index);
    say(index ? `Sound ${this.sounds[index - 1].name} plays.` : "The reference plays.");
  }

  mark() {
    if (!this.forward) return;
    const { running, heard } = this.player;
    this.reference.setAttribute("aria-pressed", String(running && heard === 0));
    this.sounds.forEach((one, place) => one.button.setAttribute("aria-pressed", String(running && heard === place + 1)));
    const unheard = this.sounds.filter((one) => !one.isHeard), open = this.sounds.filter((one) => one.score === null);
    const parts = [];
    if (unheard.length) parts.push(`to hear: ${unheard.map((one) => one.name).join(", ")}`);
    if (open.length) parts.push(`to score: ${open.map((one) => one.name).join(", ")}`);
    this.hint.textContent = parts.length ? `Still ${parts.join("; ")}.` : "All sounds have a score.";
    this.forward.disabled = parts.length > 0;
  }

  finish() {
    this.player.stop();
    this.session.add(this.trial, this.sounds, (performance.now() - this.began) / 1000);
  }
}

start();
