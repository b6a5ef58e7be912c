/** Questions about handwritten digits on the page: digits are chosen, and what is asked of them. */
// @ts-check
/** @import {Context, Tick, View} from "../../page/types" */
import { element, sized } from "../../page/canvas.js";
import { argmax, softmax } from "../../page/machine.js";

const SIGNS = [["+", -1], ["−", -2]];
const SIDE = 120;

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { description, data, changed } = context;
  const [, count, , height, width] = /** @type {number[]} */ (description.inputs.x.shape);
  const length = /** @type {number} */ (description.inputs.x1.shape[1]);
  /** Test pictures of every digit. @type {{label: number, pixels: number[]}[]} */
  const pool = data.pictures;
  const [dark, bright] = [Math.min(...pool.flatMap(({ pixels }) => pixels)), Math.max(...pool.flatMap(({ pixels }) => pixels))];
  const chosen = Array.from({ length: count }, (_, place) => pool.findIndex(({ label }) => label === (place * 4 + 3) % 10));
  const symbols = Array.from({ length }, (_, place) => (place % 2 ? -1 : (place / 2) % count));

  const canvases = chosen.map((_, place) => element("canvas", { role: "img" }));
  const digits = element("div", { className: "digits" }, ...chosen.map((_, place) =>
    element("div", {}, element("strong", {}, name(place)), canvases[place],
      element("select", { "aria-label": `Digit ${name(place)}`, onchange: (/** @type {Event} */ event) => choose(place, Number(/** @type {any} */ (event.target).value)) },
        ...Array.from({ length: 10 }, (_, digit) => element("option", { selected: digit === pool[chosen[place]].label }, String(digit)))),
      element("button", { onclick: () => another(place) }, "Other writing"))));
  const question = element("p", { className: "buttons", role: "group", "aria-label": "Question" }, ...symbols.map((symbol, place) =>
    element("select", { "aria-label": place % 2 ? "Sign" : "Digit", onchange: (/** @type {Event} */ event) => ask(place, Number(/** @type {any} */ (event.target).value)) },
      ...(place % 2 ? SIGNS : chosen.map((_, digit) => [name(digit), digit])).map(([text, value]) =>
        element("option", { value: String(value), selected: value === symbol }, String(text))))));
  const view = element("div", {}, digits, element("h3", {}, "Question"), question,
    element("p", { className: "note" }, "It is shown the pictures one after the other, then the question, symbol by symbol, which calls the digits by their letters. " +
      "When the question comes, the pictures are gone: it must remember them. The answer is the last digit of the result."));
  paint();

  /** @param {number} place */
  function name(place) {
    return "ABCDEFGHIJ"[place];
  }

  /** @param {number} place @param {number} digit */
  function choose(place, digit) {
    chosen[place] = pool.findIndex(({ label }) => label === digit);
    paint();
    changed();
  }

  /** @param {number} place */
  function another(place) {
    const { label } = pool[chosen[place]];
    const same = pool.flatMap((picture, index) => (picture.label === label ? [index] : []));
    chosen[place] = same[(same.indexOf(chosen[place]) + 1) % same.length];
    paint();
    changed();
  }

  /** @param {number} place @param {number} symbol */
  function ask(place, symbol) {
    symbols[place] = symbol;
    changed();
  }

  /** The right answer. */
  function result() {
    const value = (/** @type {number} */ place) => pool[chosen[symbols[place]]].label;
    let sum = value(0);
    for (let place = 2; place < length; place += 2) sum += symbols[place - 1] === -2 ? -value(place) : value(place);
    return ((sum % 10) + 10) % 10;
  }

  function paint() {
    chosen.forEach((index, place) => {
      const { label, pixels } = pool[index];
      const context = sized(canvases[place], SIDE, (SIDE * height) / width);
      pixels.forEach((value, pixel) => {
        const shade = Math.round((255 * (value - dark)) / (bright - dark));
        context.fillStyle = `rgb(${shade} ${shade} ${shade})`;
        context.fillRect(((pixel % width) * SIDE) / width, (Math.floor(pixel / width) * SIDE) / width, SIDE / width + 0.5, SIDE / width + 0.5);
      });
      canvases[place].setAttribute("aria-label", `A handwritten ${label}`);
    });
  }

  return {
    element: view,
    lead: "Choose digits and a question about them: the machine sees them once, and reckons with what it remembers.",
    inputs: () => ({
      x: { data: Float32Array.from(chosen.flatMap((index) => pool[index].pixels)), shape: [1, count, 1, height, width] },
      x1: { data: BigInt64Array.from(symbols, BigInt), shape: [1, length] },
    }),
    draw() {},
    words(tick) {
      const said = argmax(tick.logits), right = result();
      return said === right ? `It says ${said}, which is right.` : `It says ${said}; ${right} is right.`;
    },
    choices: (tick) => softmax(tick.logits).map((share, digit) => ({ name: String(digit), share })),
  };
}
