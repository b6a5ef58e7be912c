/** Numbers on the page as bars, which are dragged, and the order in which the machine emits them. */
// @ts-check
/** @import {Context, Tick, View} from "../../page/types" */
import { colour, element, onDrag, sized } from "../../page/canvas.js";
import { argmax } from "../../page/machine.js";

const WIDTH = 360, HEIGHT = 220, LARGEST = 3;

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { description, changed } = context;
  const count = /** @type {number} */ (description.inputs.x.shape[1]);
  let numbers = drawn();
  let held = 0, cursor = 0;
  /** @type {Tick[]} */
  let latest = [];

  const canvas = element("canvas", { tabIndex: 0, role: "application" });
  const list = element("ol", { className: "emitted" });
  const view = element("div", {}, canvas,
    element("p", { className: "buttons" }, element("button", { id: "example", onclick: shuffle }, "Other numbers")),
    element("h3", {}, "What it has emitted so far"), list,
    element("p", { className: "note" }, "Drag the bars up and down; with the keyboard, left and right choose one, up and down change it. The machine does not answer all " +
      "at once: at every tick it names a number or stays silent, the smallest first. It takes its time between some, and hurries between others."));
  onDrag(canvas, (x, y, first) => {
    if (first) held = Math.min(count - 1, Math.max(0, Math.floor(x * count)));
    set(held, (0.5 - y) * 2 * LARGEST);
  });
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }, moves = { ArrowUp: 0.2, ArrowDown: -0.2 };
    if (event.key in steps) cursor = (cursor + count + steps[/** @type {keyof typeof steps} */ (event.key)]) % count;
    else if (event.key in moves) set(cursor, numbers[cursor] + moves[/** @type {keyof typeof moves} */ (event.key)]);
    else return;
    event.preventDefault();
    draw(latest);
  });
  draw([]);

  /** Normally distributed numbers, as those it learned from. */
  function drawn() {
    return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
  }

  function shuffle() {
    numbers = drawn();
    changed();
  }

  /** @param {number} place @param {number} value */
  function set(place, value) {
    numbers[place] = Math.min(LARGEST, Math.max(-LARGEST, value));
    changed();
  }

  /** Places in the order in which they were emitted: repetitions are one, and the last class is silence. @param {Tick[]} ticks */
  function emitted(ticks) {
    const said = ticks.map((tick) => argmax(tick.logits));
    return said.filter((place, tick) => place !== count && place !== said[tick - 1]).slice(0, count);
  }

  /** @param {Tick[]} ticks */
  function draw(ticks) {
    latest = ticks;
    const order = emitted(ticks);
    const context = sized(canvas, WIDTH, HEIGHT);
    context.fillStyle = colour("field");
    context.fillRect(0, 0, WIDTH, HEIGHT);
    const lane = WIDTH / count;
    context.textAlign = "center";
    context.font = "bold 13px system-ui, sans-serif";
    numbers.forEach((number, place) => {
      const length = (number / LARGEST) * (HEIGHT / 2 - 22), rank = order.indexOf(place);
      context.fillStyle = colour(rank < 0 ? "muted" : "accent");
      context.fillRect(place * lane + 3, HEIGHT / 2 - Math.max(0, length), lane - 6, Math.max(2, Math.abs(length)));
      context.fillStyle = colour("text");
      if (rank >= 0) context.fillText(String(rank + 1), (place + 0.5) * lane, HEIGHT / 2 + (length > 0 ? 16 : -8));
      if (document.activeElement === canvas && place === cursor) {
        context.strokeStyle = colour("accent");
        context.lineWidth = 2;
        context.strokeRect(place * lane + 1, 1, lane - 2, HEIGHT - 2);
      }
    });
    list.replaceChildren(...order.map((place) => element("li", {}, numbers[place].toFixed(2))));
    canvas.setAttribute("aria-label", `${count} numbers: ${Array.from(numbers, (number) => number.toFixed(1)).join(", ")}; at number ${cursor + 1}`);
  }

  return {
    element: view,
    lead: "The machine sorts numbers, and says them one after the other while it thinks.",
    emits: true,
    inputs: () => ({ x: { data: numbers.slice(), shape: [1, count] } }),
    draw,
    words() {
      const order = emitted(latest);
      const sorted = order.every((place, rank) => rank === 0 || numbers[place] >= numbers[order[rank - 1]]);
      if (order.length < count) return `It has said ${order.length} of ${count} numbers${sorted ? ", in order" : ", not in order"}.`;
      return sorted && new Set(order).size === count ? `It sorted all ${count} numbers.` : `It said ${count} numbers, not in order.`;
    },
  };
}
