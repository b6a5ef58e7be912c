/** An agent on the page: CartPole live, with pushes from outside; of other environments an episode that was recorded. */
// @ts-check
/** @import {Context, Tick, View} from "../../page/types" */
import { element, sized } from "../../page/canvas.js";
import { argmax, softmax } from "../../page/machine.js";
import { decoded } from "../../page/samples.js";
import { CartPole } from "./cartpole.js";

const WIDTH = 360, HEIGHT = 200;

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { environment } = context.description.about.task;
  return acting(context, context.data.observations ? new Recorded(context.data) : new CartPole(environment));
}

/** An episode that was played when the page was made: the machine thinks about what was seen then. */
class Recorded {
  /** @type {string[]} */
  names = [];
  lead = "An episode that the machine played: watch what it thinks about what it saw.";

  /** @param {{observations: any, frames: string[], rewards: number[]}} data */
  constructor({ observations, frames, rewards }) {
    this.observations = decoded(observations);
    this.rewards = rewards;
    this.images = frames.map((source) => Object.assign(new Image(), { src: source }));
    this.steps = 0;
    if (!frames.length) this.lead += " The environment itself cannot be drawn.";
  }

  reset() {
    this.steps = 0;
  }

  observation() {
    const size = this.observations.data.length / this.rewards.length;
    return this.observations.data.slice(this.steps * size, (this.steps + 1) * size);
  }

  act() {
    return ++this.steps >= this.rewards.length;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    const image = this.images[Math.min(this.steps, this.images.length - 1)];
    if (!image?.complete || !image.naturalWidth) return;
    const scale = Math.min(WIDTH / image.naturalWidth, HEIGHT / image.naturalHeight);
    const [across, down] = [image.naturalWidth * scale, image.naturalHeight * scale];
    context.drawImage(image, (WIDTH - across) / 2, (HEIGHT - down) / 2, across, down);
  }

  say() {
    return `Step ${this.steps + 1} of ${this.rewards.length}.`;
  }

  over() {
    const sum = this.rewards.reduce((a, b) => a + b, 0);
    return `The episode is over; its return is ${sum.toFixed(2)}.`;
  }
}

/** @param {Context} context @param {CartPole | Recorded} world @returns {View} */
function acting({ description, changed }, world) {
  const { readout } = description;
  const shape = [1, .../** @type {number[]} */ (description.inputs.x.shape.slice(1))];
  const actions = /** @type {any} */ (readout).continuous ? 0 : /** @type {number} */ (readout.actions);
  let goesOn = false, note = "";
  const canvas = element("canvas", { role: "img" });
  const said = element("p", { className: "note" });
  const buttons = element("p", { className: "buttons" }, element("button", { id: "example", onclick: () => changed() }, "New episode"));
  if (world instanceof CartPole) {
    buttons.prepend(element("button", { onclick: () => world.push(-1) }, "← Push"), element("button", { onclick: () => world.push(1) }, "Push →"));
  }
  const view = element("div", {}, canvas, buttons, said,
    element("p", { className: "note" }, `It thinks ${description.ticks} ticks about every observation, acts, and goes on thinking from there: what it remembers stays in its neurons.`));

  return {
    element: view,
    lead: world.lead,
    emits: true,
    get goesOn() {
      return goesOn;
    },
    inputs() {
      const seen = world.observation();
      return { x: { data: description.inputs.x.type === "int64" ? BigInt64Array.from(Array.from(seen, BigInt)) : Float32Array.from(Array.from(seen, Number)), shape } };
    },
    restart() {
      goesOn = false;
      world.reset();
    },
    draw() {
      world.draw(sized(canvas, WIDTH, HEIGHT));
      said.textContent = `${world.say()} ${note}`;
      canvas.setAttribute("aria-label", world.say());
    },
    words(tick) {
      const value = tick.logits[tick.logits.length - 1].toFixed(2);
      const action = actions ? argmax(tick.logits.subarray(0, actions)) : null;
      const does = action === null ? "It acts" : world.names[action] ? `It pushes ${world.names[action]}` : `It takes action ${action}`;
      return `${does}, and expects a return of ${value}.`;
    },
    ...(actions ? { choices: (/** @type {Tick} */ tick) => softmax(tick.logits.subarray(0, actions)).map((share, action) => ({ name: world.names[action] ?? String(action), share })) } : {}),
    concluded(ticks) {
      const over = world.act(actions ? argmax(ticks[ticks.length - 1].logits.subarray(0, actions)) : 0);
      goesOn = !over;
      if (over) {
        note = world.over();
        world.reset();
      }
      return true;
    },
  };
}
