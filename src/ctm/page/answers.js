/** How likely each answer is, and how sure the machine was at every tick. */
// @ts-check
/** @import {Tick} from "./types" */
import { colour, element, sized } from "./canvas.js";

const SHOWN = 10;

/** Bars, the likeliest answers if there are many. @param {HTMLElement} host @param {{name: string, share: number}[]} choices */
export function drawChoices(host, choices) {
  const shown = choices.length > SHOWN ? [...choices].sort((a, b) => b.share - a.share).slice(0, SHOWN) : choices;
  const best = Math.max(...shown.map(({ share }) => share));
  host.replaceChildren(
    element("ul", { className: "choices" }, ...shown.map(({ name, share }) =>
      element("li", { className: share === best ? "best" : "" },
        element("span", { className: "name" }, name),
        element("span", { className: "bar", "aria-hidden": "true" }, element("span", { style: `width: ${(100 * share).toFixed(1)}%` })),
        element("span", { className: "share" }, `${(100 * share).toFixed(0)} %`)))),
  );
}

/** @param {HTMLCanvasElement} canvas @param {Tick[]} ticks @param {number} at @param {number} most @param {number | null} threshold */
export function drawCertainty(canvas, ticks, at, most, threshold) {
  const width = 360, height = 120;
  const context = sized(canvas, width, height);
  const x = (/** @type {number} */ tick) => ((tick + 0.5) * width) / most;
  const y = (/** @type {number} */ certainty) => height - 4 - Math.max(0, certainty) * (height - 8);
  context.fillStyle = colour("field");
  context.fillRect(0, 0, width, height);
  if (threshold !== null) {
    context.strokeStyle = colour("muted");
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(0, y(threshold));
    context.lineTo(width, y(threshold));
    context.stroke();
    context.setLineDash([]);
  }
  context.strokeStyle = context.fillStyle = colour("accent");
  context.lineWidth = 2;
  context.beginPath();
  ticks.forEach((tick, place) => tick.due && context.lineTo(x(place), y(tick.certainty)));
  context.stroke();
  ticks.forEach((tick, place) => {
    if (!tick.due) return;
    context.beginPath();
    context.arc(x(place), y(tick.certainty), place === at ? 5 : 2.5, 0, 7);
    context.fill();
  });
  const last = ticks[at];
  canvas.setAttribute("aria-label", last ? `Certainty ${last.certainty.toFixed(2)} at tick ${at + 1}` : "No tick yet");
}
