/** Pictures on the page: drawn, chosen from the test split, or opened from a file. */
// @ts-check
/** @import {Context, Inputs, Tick, View} from "../../page/types" */
import { overlay } from "../../page/attention.js";
import { colour, element, onDrag, sized } from "../../page/canvas.js";
import { argmax, softmax } from "../../page/machine.js";
import { sample, target } from "../../page/samples.js";
import { grey, resized } from "./pixels.js";

const SIDE = 280;

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { description, variants, changed, say } = context;
  const { task } = description.about;
  const { height, width, channels, mean, deviation, classes, resize } = task.learned;
  const { samples } = variants[0];
  /** brightness from 0 to 1, (channels, height, width) */
  let seen = new Float32Array(channels * height * width);
  let note = "", shown = -1;

  const drawing = element("canvas", { tabIndex: 0, role: "application", "aria-label": "Drawing area: draw with the mouse or a finger, or move with the arrow keys and hold shift to draw" });
  const ink = element("canvas", { width: SIDE, height: SIDE });
  const pen = /** @type {CanvasRenderingContext2D} */ (ink.getContext("2d", { willReadFrequently: true }));
  const look = element("canvas", { role: "img", style: task.drawings ? "max-width: 11rem" : "" });
  const known = element("p", { className: "note" });
  const file = element("input", { type: "file", accept: "image/*", onchange: () => file.files[0] && open(file.files[0]) });
  const buttons = element("p", { className: "buttons" });
  if (task.drawings) buttons.append(element("button", { onclick: clear }, "Clear"));
  if (samples.count) buttons.append(element("button", { id: "example", onclick: () => choose(shown + 1) }, "Another example"));
  buttons.append(element("label", { className: "file" }, "Open a picture…", file));
  const view = element("div", {}, ...(task.drawings ? [drawing] : []), buttons, element("h3", {}, "What it sees, and where it looks"), look, known);
  view.addEventListener("dragover", (/** @type {DragEvent} */ event) => event.preventDefault());
  view.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    if (event.dataTransfer?.files[0]) open(event.dataTransfer.files[0]);
  });

  const extent = samples.count ? usualExtent() : null;
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = SIDE * (0.075 + 0.6 / width);
  pen.strokeStyle = "white";
  let last = { x: 0.5, y: 0.5 };
  onDrag(drawing, (x, y, first) => stroke(first ? { x, y } : last, { x, y }));
  drawing.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [x, y] = moves[/** @type {keyof typeof moves} */ (event.key)];
    const next = { x: Math.min(1, Math.max(0, last.x + x * 0.05)), y: Math.min(1, Math.max(0, last.y + y * 0.05)) };
    if (event.shiftKey) stroke(last, next);
    last = next;
    paint();
  });
  if (samples.count) choose(0, false);
  else paint();

  /** @param {{x: number, y: number}} from @param {{x: number, y: number}} to */
  function stroke(from, to) {
    if (shown >= 0 || note) clear();
    pen.beginPath();
    pen.moveTo(from.x * SIDE, from.y * SIDE);
    pen.lineTo(to.x * SIDE, to.y * SIDE);
    pen.stroke();
    last = to;
    note = "";
    const pixels = grey(pen.getImageData(0, 0, SIDE, SIDE));
    seen = fitted(pixels);
    paint();
    changed();
  }

  function clear() {
    pen.clearRect(0, 0, SIDE, SIDE);
    seen = new Float32Array(seen.length);
    note = "";
    shown = -1;
    paint();
    changed();
  }

  /** @param {number} index @param {boolean} [thinks] */
  function choose(index, thinks = true) {
    shown = index % samples.count;
    const { data } = sample(samples, shown).x;
    seen = Float32Array.from(/** @type {Float32Array} */ (data), (value, place) => {
      const channel = Math.floor(place / (height * width));
      return value * deviation[channel] + mean[channel];
    });
    const right = target(samples, shown);
    note = `Example ${shown + 1} of ${samples.count}, which it never saw in training${right ? `: ${classes[right[0]]}` : ""}.`;
    pen.clearRect(0, 0, SIDE, SIDE);
    paint();
    if (thinks) changed();
  }

  /** @param {File} opened */
  async function open(opened) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(opened, { imageOrientation: "from-image" });
    } catch {
      say(`${opened.name}: not a picture that can be read; expected a PNG, JPEG or another picture that this browser shows.`);
      return;
    }
    const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
    const context = canvas.getContext("2d");
    context.fillStyle = "white"; // what is transparent
    context.fillRect(0, 0, bitmap.width, bitmap.height);
    context.drawImage(bitmap, 0, 0);
    const image = context.getImageData(0, 0, bitmap.width, bitmap.height);
    seen = task.drawings ? fitted(onDarkGround(grey(image))) : middle(image);
    shown = -1;
    note = `${opened.name}.`;
    pen.clearRect(0, 0, SIDE, SIDE);
    paint();
    changed();
  }

  /** Bright strokes, moved and scaled to fill as much of the frame as the pictures of the data do. @param {{pixels: Float32Array, width: number, height: number}} image */
  function fitted(image) {
    const box = extentOf(image.pixels, image.width, image.height);
    if (!box) return new Float32Array(seen.length);
    const side = extent === null ? Math.max(image.width, image.height) : Math.max(box.width, box.height) / extent;
    const across = (side * width) / Math.max(width, height), down = (side * height) / Math.max(width, height);
    const centre = extent === null ? { x: image.width / 2, y: image.height / 2 } : { x: box.left + box.width / 2, y: box.top + box.height / 2 };
    return resized(image, { left: centre.x - across / 2, top: centre.y - down / 2, width: across, height: down }, width, height);
  }

  /** The middle of a picture, as the model saw those of its data. @param {ImageData} image */
  function middle(image) {
    const scale = (Math.min(image.width / width, image.height / height) * Math.min(width, height)) / resize;
    const across = Math.min(width * scale, image.width), down = Math.min(height * scale, image.height);
    const box = { left: (image.width - across) / 2, top: (image.height - down) / 2, width: across, height: down };
    const planes = channels === 1 ? [grey(image)] : [0, 1, 2].map((channel) => ({
      pixels: Float32Array.from({ length: image.width * image.height }, (_, place) => image.data[4 * place + channel]),
      width: image.width,
      height: image.height,
    }));
    const found = new Float32Array(seen.length);
    planes.forEach((plane, channel) => found.set(resized(plane, box, width, height), channel * height * width));
    return found;
  }

  /** How much of the frame the strokes of the examples take up. */
  function usualExtent() {
    let sum = 0;
    for (let index = 0; index < samples.count; index++) {
      const { data } = sample(samples, index).x;
      const bright = Float32Array.from(/** @type {Float32Array} */ (data).subarray(0, height * width), (value) => 255 * (value * deviation[0] + mean[0]));
      const box = extentOf(bright, width, height);
      sum += box ? Math.max(box.width / width, box.height / height) : 1;
    }
    return sum / samples.count;
  }

  /** @param {Tick[]} [ticks] */
  function paint(ticks = []) {
    if (task.drawings) {
      const context = sized(drawing, SIDE, SIDE);
      context.fillStyle = "black";
      context.fillRect(0, 0, SIDE, SIDE);
      if (shown >= 0 || note) pixelated(context, SIDE, SIDE);
      else context.drawImage(ink, 0, 0);
      if (document.activeElement === drawing) {
        context.strokeStyle = colour("accent");
        context.strokeRect(last.x * SIDE - 4, last.y * SIDE - 4, 8, 8);
      }
    }
    const across = Math.min(SIDE, 280), down = (across * height) / width;
    const context = sized(look, across, down);
    pixelated(context, across, down);
    overlay(context, ticks.at(-1), description.grid, across, down);
    look.setAttribute("aria-label", note || (task.drawings ? "Your drawing, as it sees it" : "The picture, as it sees it"));
    known.textContent = note || (task.drawings ? `It sees ${width} × ${height} pixels. Your drawing is scaled to fill them.` : "");
  }

  /** @param {CanvasRenderingContext2D} context @param {number} across @param {number} down */
  function pixelated(context, across, down) {
    const image = new ImageData(width, height);
    for (let place = 0; place < height * width; place++) {
      for (let channel = 0; channel < 3; channel++) {
        const from = channels === 1 ? 0 : channel * height * width;
        image.data[4 * place + channel] = 255 * seen[from + place];
      }
      image.data[4 * place + 3] = 255;
    }
    const small = element("canvas", { width, height });
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, across, down);
  }

  return {
    element: view,
    lead: task.drawings
      ? "Draw with the mouse or a finger, or open a picture: the machine looks at it again and again, and answers as soon as it is sure."
      : "Open a picture: the machine looks at it again and again, and answers as soon as it is sure.",
    inputs() {
      const data = seen.map((value, place) => {
        const channel = Math.floor(place / (height * width));
        return (value - mean[channel]) / deviation[channel];
      });
      return { x: { data, shape: [1, channels, height, width] } };
    },
    draw: paint,
    words: (tick) => `It says ${classes[argmax(tick.logits)]}.`,
    choices: (tick) => softmax(tick.logits).map((share, place) => ({ name: classes[place], share })),
  };
}

/** The box around what is bright. @param {Float32Array} pixels @param {number} width @param {number} height */
function extentOf(pixels, width, height) {
  let left = width, right = -1, top = height, bottom = -1;
  pixels.forEach((value, place) => {
    if (value < 80) return;
    const x = place % width, y = Math.floor(place / width);
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** Inverted if its ground, the middle brightness of its border, is bright. @param {{pixels: Float32Array, width: number, height: number}} image */
function onDarkGround({ pixels, width, height }) {
  const border = pixels.filter((_, place) => {
    const x = place % width, y = Math.floor(place / width);
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  });
  const ground = border.sort()[Math.floor(border.length / 2)];
  return { pixels: ground < 128 ? pixels : pixels.map((value) => 255 - value), width, height };
}
