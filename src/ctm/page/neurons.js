/** A map of all neurons, which can be silenced, and traces of some. */
// @ts-check
/** @import {Tick} from "./types" */
import { colour, onDrag, sized } from "./canvas.js";

const TRACED = 12;

export class NeuronMap {
  /** Numbers of the silenced neurons. @type {Set<number>} */
  silenced = new Set();
  /** Where the keyboard is. */
  cursor = -1;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} neurons
   * @param {() => void} changed called when others are silenced
   */
  constructor(canvas, neurons, changed) {
    this.canvas = canvas;
    this.neurons = neurons;
    this.columns = Math.ceil(Math.sqrt(neurons * 2));
    this.rows = Math.ceil(neurons / this.columns);
    this.changed = changed;
    let silencing = true;
    onDrag(canvas, (x, y, first) => {
      const neuron = Math.floor(y * this.rows) * this.columns + Math.floor(x * this.columns);
      if (x < 0 || x >= 1 || neuron < 0 || neuron >= neurons) return;
      if (first) silencing = !this.silenced.has(neuron);
      this.set(neuron, silencing);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => (this.cursor = -1));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    if (event.key in moves) {
      const next = Math.max(this.cursor, 0) + (this.cursor < 0 ? 0 : moves[/** @type {keyof typeof moves} */ (event.key)]);
      if (next >= 0 && next < this.neurons) this.cursor = next;
      this.canvas.dispatchEvent(new CustomEvent("cursor"));
    } else if ((event.key === " " || event.key === "Enter") && this.cursor >= 0) {
      this.set(this.cursor, !this.silenced.has(this.cursor));
    } else return;
    event.preventDefault();
  }

  /** @param {number} neuron @param {boolean} silenced */
  set(neuron, silenced) {
    if (this.silenced.has(neuron) === silenced) return;
    if (silenced) this.silenced.add(neuron);
    else this.silenced.delete(neuron);
    this.changed();
  }

  /** Silences some of those that are left, evenly spread. @param {number} count */
  silenceMore(count) {
    const left = Array.from({ length: this.neurons }, (_, neuron) => neuron).filter((neuron) => !this.silenced.has(neuron));
    const spacing = Math.max(1, left.length / count);
    for (let place = spacing / 2; place < left.length; place += spacing) this.silenced.add(left[Math.floor(place)]);
    this.changed();
  }

  restore() {
    this.silenced.clear();
    this.changed();
  }

  /** @param {Tick | undefined} tick */
  draw(tick) {
    const cell = 20;
    const context = sized(this.canvas, this.columns * cell, this.rows * cell);
    const highest = tick ? Math.max(1e-6, ...tick.neurons.map(Math.abs)) : 1;
    for (let neuron = 0; neuron < this.neurons; neuron++) {
      const x = (neuron % this.columns) * cell, y = Math.floor(neuron / this.columns) * cell;
      context.globalAlpha = 1;
      context.fillStyle = colour("field");
      context.fillRect(x + 0.5, y + 0.5, cell - 1, cell - 1);
      if (this.silenced.has(neuron)) {
        context.strokeStyle = colour("text");
        context.strokeRect(x + 2, y + 2, cell - 4, cell - 4);
        context.beginPath();
        context.moveTo(x + 2, y + 2);
        context.lineTo(x + cell - 2, y + cell - 2);
        context.stroke();
      } else if (tick) {
        const value = tick.neurons[neuron];
        context.fillStyle = colour(value > 0 ? "positive" : "negative");
        context.globalAlpha = Math.sqrt(Math.abs(value) / highest); // a few are much stronger than all others
        context.fillRect(x + 0.5, y + 0.5, cell - 1, cell - 1);
      }
      if (neuron === this.cursor) {
        context.globalAlpha = 1;
        context.lineWidth = 2;
        context.strokeStyle = colour("accent");
        context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
        context.lineWidth = 1;
      }
    }
    context.globalAlpha = 1;
    const where = this.cursor < 0 ? "" : `; at neuron ${this.cursor}${this.silenced.has(this.cursor) ? ", silenced" : ""}`;
    this.canvas.setAttribute("aria-label", `${this.neurons} neurons, ${this.silenced.size} silenced${where}`);
  }
}

/** Some neurons over the ticks so far. @param {HTMLCanvasElement} canvas @param {Tick[]} ticks @param {number} most */
export function drawTraces(canvas, ticks, most) {
  const width = 360, height = 180, lane = height / TRACED;
  const context = sized(canvas, width, height);
  if (!ticks.length) return;
  const neurons = ticks[0].neurons.length;
  context.strokeStyle = colour("accent");
  context.lineWidth = 1.2;
  for (let trace = 0; trace < Math.min(TRACED, neurons); trace++) {
    const neuron = Math.floor(((trace + 0.5) * neurons) / Math.min(TRACED, neurons));
    const values = ticks.map((tick) => tick.neurons[neuron]);
    const highest = Math.max(1e-6, ...values.map(Math.abs));
    context.beginPath();
    values.forEach((value, tick) => context.lineTo(((tick + 0.5) * width) / most, (trace + 0.5) * lane - (value / highest) * lane * 0.45));
    context.stroke();
    if (values.length === 1) context.fillRect(width / most / 2 - 1, (trace + 0.5) * lane - 1, 2, 2);
  }
}
