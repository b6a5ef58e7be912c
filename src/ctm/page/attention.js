/** Where each head looks, over the places of the input. */
// @ts-check
/** @import {Tick} from "./types" */
import { colour, sized } from "./canvas.js";

/** How places lie in a picture: rows and columns; of several pictures, one beside the other. @param {number[]} grid */
export function layout(grid) {
  const columns = grid.at(-1) ?? 1;
  const rows = grid.length > 1 ? /** @type {number} */ (grid.at(-2)) : 1;
  const pictures = grid.slice(0, -2).reduce((a, b) => a * b, 1);
  return { rows, columns: columns * pictures, at: (/** @type {number} */ place) => {
    const picture = Math.floor(place / (rows * columns));
    const inside = place % (rows * columns);
    return { row: Math.floor(inside / columns), column: (inside % columns) + picture * columns };
  } };
}

/** What each head gives to each place. @param {Tick} tick @param {number[]} grid @returns {Float32Array[]} */
export function heads(tick, grid) {
  const places = grid.reduce((a, b) => a * b, 1);
  const attention = /** @type {Float32Array} */ (tick.attention);
  return Array.from({ length: attention.length / places }, (_, head) => attention.subarray(head * places, (head + 1) * places));
}

/** The centre of a head's gaze, in shares of width and height. @param {Float32Array} weights @param {number[]} grid */
export function gaze(weights, grid) {
  const { rows, columns, at } = layout(grid);
  let x = 0, y = 0;
  weights.forEach((weight, place) => {
    const { row, column } = at(place);
    x += (weight * (column + 0.5)) / columns;
    y += (weight * (row + 0.5)) / rows;
  });
  return { x, y };
}

/** The mean of all heads, laid over a picture. @param {CanvasRenderingContext2D} context @param {Tick | undefined} tick @param {number[]} grid @param {number} width @param {number} height */
export function overlay(context, tick, grid, width, height) {
  if (!tick?.attention) return;
  const { rows, columns, at } = layout(grid);
  const every = heads(tick, grid);
  const mean = every[0].map((_, place) => every.reduce((sum, head) => sum + head[place], 0) / every.length);
  const highest = Math.max(...mean, 1e-6); // while symbols are shown, it looks nowhere
  context.save();
  context.fillStyle = colour("gaze");
  mean.forEach((weight, place) => {
    const { row, column } = at(place);
    context.globalAlpha = (0.6 * weight) / highest;
    context.fillRect((column * width) / columns, (row * height) / rows, width / columns, height / rows);
  });
  context.restore();
}

/** Draws the panel of all heads. @param {HTMLElement} host @param {Tick[]} ticks @param {number[]} grid */
export function drawHeads(host, ticks, grid) {
  const tick = ticks.at(-1);
  const { rows, columns, at } = layout(grid);
  const count = tick ? heads(tick, grid).length : 0;
  while (tick && host.children.length < count) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    host.append(canvas);
  }
  if (!tick) return;
  const width = Math.max(84, Math.min(16 * columns, 320));
  const height = Math.max(14, (width * rows) / columns);
  heads(tick, grid).forEach((weights, head) => {
    const canvas = /** @type {HTMLCanvasElement} */ (host.children[head]);
    const context = sized(canvas, width, height);
    canvas.style.maxWidth = `${width}px`;
    const highest = Math.max(...weights, 1e-6);
    context.fillStyle = colour("field");
    context.fillRect(0, 0, width, height);
    context.fillStyle = colour("gaze");
    weights.forEach((weight, place) => {
      const { row, column } = at(place);
      context.globalAlpha = weight / highest;
      context.fillRect((column * width) / columns, (row * height) / rows, width / columns, height / rows);
    });
    context.globalAlpha = 1;
    const looked = ticks.map((earlier) => heads(earlier, grid)[head]).filter((earlier) => Math.max(...earlier) > 0);
    if (!looked.length) return;
    const path = looked.map((earlier) => gaze(earlier, grid));
    context.strokeStyle = colour("path");
    context.lineWidth = 1.5;
    context.beginPath();
    for (const { x, y } of path) context.lineTo(x * width, y * height);
    context.stroke();
    const { x, y } = path[path.length - 1];
    context.fillStyle = colour("path");
    context.beginPath();
    context.arc(x * width, y * height, 3, 0, 7);
    context.fill();
    canvas.setAttribute("aria-label", `Head ${head + 1} looks ${words(x, 1 / 3, "left", "right")}, ${words(y, 1 / 3, "top", "bottom")}`);
  });
}

/** @param {number} share @param {number} third @param {string} low @param {string} high */
function words(share, third, low, high) {
  return share < third ? low : share > 1 - third ? high : "middle";
}
