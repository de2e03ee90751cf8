// Questions to the server: one in flight for each kind, and the newest one after it.

import { remark } from "./page.js";

const page = Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");

class Pictures {
  constructor(shape, bytes) {
    this.shape = shape;
    [this.height, this.width] = shape.slice(-3);
    this.size = this.height * this.width * 3;
    this.bytes = bytes;
    this.count = bytes.length / this.size;
  }

  onto(canvas, index) {
    const { height, width, size } = this;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const image = new ImageData(width, height), pixels = image.data;
    for (let from = index * size, to = 0; to < pixels.length; from += 3, to += 4) {
      pixels[to] = this.bytes[from];
      pixels[to + 1] = this.bytes[from + 1];
      pixels[to + 2] = this.bytes[from + 2];
      pixels[to + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  canvas(index = 0) {
    return this.onto(document.createElement("canvas"), index);
  }

  // All of them in rows, as a PNG of their own pixels, `times` as large.
  async png(columns = this.count, times = 1) {
    const gap = 2, rows = Math.ceil(this.count / columns);
    const sheet = document.createElement("canvas");
    sheet.width = columns * (this.width * times + gap) - gap;
    sheet.height = rows * (this.height * times + gap) - gap;
    const pen = sheet.getContext("2d");
    pen.imageSmoothingEnabled = false;
    for (let i = 0; i < this.count; i++) {
      const x = (i % columns) * (this.width * times + gap), y = Math.floor(i / columns) * (this.height * times + gap);
      pen.drawImage(this.canvas(i), x, y, this.width * times, this.height * times);
    }
    return new Promise((done) => sheet.toBlob(done, "image/png"));
  }
}

function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const pictures = {};
  for (const [name, { shape, at }] of Object.entries(head.pictures)) {
    const size = shape.reduce((product, side) => product * side, 1);
    pictures[name] = new Pictures(shape, new Uint8Array(buffer, 4 + length + at, size));
  }
  return { info: head.info, warnings: head.warnings, pictures };
}

export async function fetched(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch {
    throw new Error("the server does not answer: has hvae studio been stopped?");
  }
  if (answer.ok && answer.status !== 202) return answer;
  const text = await answer.text();
  let line = text.trim();
  try {
    line = JSON.parse(text).error;
  } catch { /* a line that is no JSON is shown as it is */ }
  throw Object.assign(new Error(line), { status: answer.status });
}

const inFlight = new Map();

// Undefined where a newer question of the same kind has taken its place.
export async function ask(view, question, kind = view) {
  const before = inFlight.get(kind);
  const token = {};
  if (before) {
    before.next = token;
    await before.done;
    if (before.next !== token) return undefined;
  }
  let finish;
  const flight = { done: new Promise((resolve) => (finish = resolve)), next: null };
  inFlight.set(kind, flight);
  try {
    const headers = { "content-type": "application/json", "x-page": `${page}/${kind}` };
    const answer = await fetched(`/api/${view}`, { method: "POST", headers, body: JSON.stringify(question) });
    const whole = unpack(await answer.arrayBuffer());
    remark(kind, whole.warnings);
    return whole;
  } catch (fault) {
    if (fault.status === 409) return undefined;
    throw fault;
  } finally {
    if (inFlight.get(kind) === flight) inFlight.delete(kind);
    finish();
  }
}

// As the guard of the server: a larger body it would not read to its end, and no browser hands out what it says then.
const MOST_BYTES = 32 << 20;

export async function upload(run, blob) {
  if (blob.size > MOST_BYTES) throw new Error(`expected a picture of at most ${MOST_BYTES.toLocaleString("en")} bytes, got ${blob.size.toLocaleString("en")}`);
  let body;
  try {
    body = await blob.arrayBuffer();
  } catch {
    throw new Error("this cannot be read as a file: choose the file of a picture, and no folder");
  }
  const headers = { "content-type": "application/octet-stream" };
  const answer = await fetched(`/api/upload?run=${run}`, { method: "POST", headers, body });
  return unpack(await answer.arrayBuffer());
}
