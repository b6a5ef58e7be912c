/** CartPole in the browser. */
// @ts-check
import { colour } from "../../page/canvas.js";

const WIDTH = 360, HEIGHT = 200;

/** The pole on a cart, with the equations of Gymnasium. */
export class CartPole {
  names = ["left", "right"];
  lead = "The machine keeps the pole upright: it sees only where the cart is and how the pole leans, and remembers how fast they move. Push them!";

  /** @param {{mask: number[], time_limit: number | null}} environment */
  constructor({ mask, time_limit }) {
    this.mask = mask;
    this.limit = time_limit ?? 500;
    this.steps = 0;
    this.state = [0, 0, 0, 0]; // place, speed, angle, angular speed
    this.reset();
  }

  reset() {
    this.state = Array.from({ length: 4 }, () => Math.random() * 0.1 - 0.05);
    this.steps = 0;
  }

  observation() {
    return this.state.map((value, place) => (this.mask.includes(place) ? 0 : value));
  }

  /** @param {number} action */
  act(action) {
    const [x, speed, angle, turning] = this.state;
    const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
    const shared = ((action === 1 ? 10 : -10) + 0.05 * turning ** 2 * sine) / 1.1;
    const angular = (9.8 * sine - cosine * shared) / (0.5 * (4 / 3 - (0.1 * cosine ** 2) / 1.1));
    const linear = shared - (0.05 * angular * cosine) / 1.1;
    this.state = [x + 0.02 * speed, speed + 0.02 * linear, angle + 0.02 * turning, turning + 0.02 * angular];
    this.steps++;
    const fell = Math.abs(this.state[0]) > 2.4 || Math.abs(this.state[2]) > (12 * Math.PI) / 180;
    return fell || this.steps >= this.limit;
  }

  /** @param {number} direction */
  push(direction) {
    this.state[3] += direction * 0.6;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    const [x, , angle] = this.state;
    const cart = WIDTH / 2 + (x * WIDTH) / 5.2, ground = HEIGHT * 0.8;
    context.strokeStyle = colour("muted");
    context.lineWidth = 1;
    context.strokeRect(-1, ground, WIDTH + 2, 0);
    context.fillStyle = colour("text");
    context.fillRect(cart - 26, ground - 20, 52, 20);
    context.strokeStyle = colour("gaze");
    context.lineWidth = 8;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(cart, ground - 18);
    context.lineTo(cart + 110 * Math.sin(angle), ground - 18 - 110 * Math.cos(angle));
    context.stroke();
  }

  say() {
    return `Step ${this.steps} of ${this.limit}.`;
  }

  over() {
    return this.steps >= this.limit ? `It stood for all ${this.limit} steps.` : `It fell after ${this.steps} steps.`;
  }
}
