/** The general view, for tasks that have none of their own: test samples as maps of numbers. */
// @ts-check
/** @import {Context, Inputs, Tick, Values, View} from "./types" */
import { colour, element, sized } from "./canvas.js";
import { argmax, softmax } from "./machine.js";
import { sample, target } from "./samples.js";

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { description, variants, changed } = context;
  const { samples } = variants[0];
  /** @type {string[] | undefined} */
  const names = description.about.task.learned?.classes;
  const classes = description.answer[description.answer.length - 1];
  const name = (/** @type {number} */ place) => names?.[place] ?? String(place);
  let shown = 0;
  /** @type {Inputs} */
  let inputs = samples.count ? sample(samples, 0) : zeros();

  const maps = element("div", { id: "maps" });
  const note = element("p", { className: "note" });
  const next = element("button", { id: "example", onclick: () => choose(shown + 1) }, "Another example");
  const view = element("div", {}, maps, ...(samples.count ? [element("p", { className: "buttons" }, next)] : []), note);
  paint();

  /** What it takes, all zero, where the data are not at hand. @returns {Inputs} */
  function zeros() {
    return Object.fromEntries(
      Object.entries(description.inputs).map(([name, { shape, type }]) => {
        const sizes = /** @type {number[]} */ ([1, ...shape.slice(1)]);
        const count = sizes.reduce((a, b) => a * b, 1);
        return [name, { data: type === "int64" ? new BigInt64Array(count) : new Float32Array(count), shape: sizes }];
      }),
    );
  }

  /** @param {number} index */
  function choose(index) {
    shown = index % samples.count;
    inputs = sample(samples, shown);
    paint();
    changed();
  }

  function paint() {
    maps.replaceChildren(...Object.entries(inputs).map(([title, values]) => map(title, values)));
    const right = samples.count ? target(samples, shown) : null;
    const answer = right && right.length <= 20 ? `: the right answer is ${right.map(name).join(" ")}` : "";
    note.textContent = samples.count
      ? `Example ${shown + 1} of ${samples.count}, which it never saw in training${answer}.`
      : "Its data are not at hand, so it thinks about an input of zeros.";
  }

  /** Numbers as squares, orange above zero and blue below. @param {string} title @param {Values} values */
  function map(title, { data, shape }) {
    const columns = shape.length > 1 ? shape[shape.length - 1] : 1;
    const wide = shape.length > 2 ? columns : Math.min(columns, 16);
    const numbers = Array.from(data, Number);
    const rows = Math.ceil(numbers.length / wide), cell = 360 / wide;
    const canvas = element("canvas", { role: "img", "aria-label": `${title}, ${shape.slice(1).join(" × ")} numbers from ${Math.min(...numbers).toFixed(2)} to ${Math.max(...numbers).toFixed(2)}` });
    const context = sized(canvas, 360, Math.min(rows * cell, 720));
    const highest = Math.max(1e-6, ...numbers.map(Math.abs));
    numbers.forEach((value, place) => {
      context.globalAlpha = 1;
      context.fillStyle = colour("field");
      const box = /** @type {const} */ ([(place % wide) * cell + 0.5, Math.floor(place / wide) * cell + 0.5, cell - 1, cell - 1]);
      context.fillRect(...box);
      context.fillStyle = colour(value > 0 ? "positive" : "negative");
      context.globalAlpha = Math.abs(value) / highest;
      context.fillRect(...box);
    });
    return element("figure", {}, canvas, element("figcaption", { className: "note" }, title));
  }

  /** The likeliest class at every position. @param {Tick} tick */
  function answers(tick) {
    const positions = tick.logits.length / classes;
    return Array.from({ length: positions }, (_, place) => argmax(tick.logits.subarray(place * classes, (place + 1) * classes)));
  }

  return {
    element: view,
    lead: "The machine thinks about an example that it never saw in training, and answers as soon as it is sure.",
    inputs: () => Object.fromEntries(Object.entries(inputs).map(([title, { data, shape }]) => [title, { data: data.slice(), shape }])),
    draw() {},
    words: (tick) => `It says ${answers(tick).map(name).join(" ")}.`,
    ...(description.answer.length === 1
      ? { choices: (/** @type {Tick} */ tick) => softmax(tick.logits.subarray(0, classes)).map((share, place) => ({ name: name(place), share })) }
      : {}),
  };
}
