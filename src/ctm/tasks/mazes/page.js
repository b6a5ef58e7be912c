/** Mazes on the page: walls are drawn, start and goal dragged, and the route that the machine imagines is shown. */
// @ts-check
/** @import {Context, Tick, Variant, View} from "../../page/types" */
import { overlay } from "../../page/attention.js";
import { colour, element, onDrag, sized } from "../../page/canvas.js";
import { argmax, mostCertain } from "../../page/machine.js";
import { sample } from "../../page/samples.js";

const STEPS = [[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]]; // up, down, left, right, wait
const SIDE = 360, APPLICATIONS = 20, MISTAKES = 2;

/** @typedef {[number, number]} Place row and column */

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { description, variants, changed, say } = context;
  const { task } = description.about;
  let variant = variants[0], shown = -1;
  let size = 0;
  /** @type {boolean[]} */
  let open = [];
  /** @type {Place} */
  let start = [0, 0];
  /** @type {Place} */
  let goal = [0, 0];
  /** What was walked in earlier applications. @type {Place[]} */
  let walked = [];
  /** Where applications began. @type {Place[]} */
  let began = [];
  /** @type {Tick[]} */
  let latest = [];

  const canvas = element("canvas", { tabIndex: 0, role: "application" });
  const sizes = element("select", { "aria-label": "Size of the maze", onchange: () => choose(0, variants[sizes.selectedIndex]) },
    ...variants.map(({ name }) => element("option", {}, name)));
  const again = element("input", { type: "checkbox", id: "walk", onchange: () => changed() });
  const file = element("input", { type: "file", accept: "image/*", onchange: () => file.files[0] && read(file.files[0]) });
  const view = element("div", {}, canvas,
    element("p", { className: "buttons" }, element("button", { id: "new-maze", onclick: () => choose(shown + 1) }, "New maze"), sizes,
      element("button", { onclick: clear }, "No walls"),
      element("label", { className: "file" }, "Open a picture…", file)),
    element("label", {}, again, " Walk where it says, and think again from there, up to the goal"),
    element("p", { className: "note" }, "Click or drag to draw and remove walls; drag the red start and the green goal. With the keyboard: arrow keys " +
      "move, space sets and removes a wall, S puts the start there and G the goal. Blue is the way it imagines; a cross is a step into a wall."));
  /** What is being dragged: an end of the route, or walls of a kind. @type {"start" | "goal" | boolean} */
  let held = false;
  /** @type {Place} */
  let cursor = [0, 0];
  onDrag(canvas, (x, y, first) => {
    const place = /** @type {Place} */ ([Math.floor(y * size), Math.floor(x * size)]);
    if (!inside(place)) return;
    if (first) held = same(place, began[0] ?? start) ? "start" : same(place, goal) ? "goal" : !open[at(place)];
    edit(place, held);
  });
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const moves = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].indexOf(event.key);
    if (moves >= 0) {
      const next = /** @type {Place} */ ([cursor[0] + STEPS[moves][0], cursor[1] + STEPS[moves][1]]);
      if (inside(next)) cursor = next;
    } else if (event.key === " ") edit(cursor, !open[at(cursor)]);
    else if (event.key.toLowerCase() === "s") edit(cursor, "start");
    else if (event.key.toLowerCase() === "g") edit(cursor, "goal");
    else return;
    event.preventDefault();
    paint(latest);
  });
  view.addEventListener("dragover", (/** @type {DragEvent} */ event) => event.preventDefault());
  view.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    if (event.dataTransfer?.files[0]) read(event.dataTransfer.files[0]);
  });
  choose(0, variant, false);

  /** @param {Place} place */
  function at([row, column]) {
    return row * size + column;
  }

  /** @param {Place} place */
  function inside([row, column]) {
    return row >= 0 && column >= 0 && row < size && column < size;
  }

  /** @param {Place} one @param {Place} other */
  function same(one, other) {
    return one[0] === other[0] && one[1] === other[1];
  }

  /** @param {number} index @param {Variant} [other] @param {boolean} [thinks] */
  function choose(index, other = variant, thinks = true) {
    if (other !== variant) again.checked = other !== variants[0];
    variant = other;
    shown = index % variant.samples.count;
    const { data, shape } = sample(variant.samples, shown).x;
    size = shape[2];
    const bright = (/** @type {number} */ channel, /** @type {number} */ place) => Number(data[channel * size * size + place]) > 0.5;
    adopt(Array.from({ length: size * size }, (_, place) => [0, 1, 2].map((channel) => bright(channel, place))));
    if (thinks) changed(variant.name);
  }

  /** Takes a maze from which of red, green and blue are bright in each cell. @param {boolean[][]} cells */
  function adopt(cells) {
    const find = (/** @type {boolean} */ red, /** @type {boolean} */ green) => {
      const place = cells.findIndex((cell) => cell[0] === red && cell[1] === green && !cell[2]);
      return place < 0 ? null : /** @type {Place} */ ([Math.floor(place / size), place % size]);
    };
    const [first, last] = [find(true, false), find(false, true)];
    if (!first || !last) return false;
    forget();
    open = cells.map((cell) => cell.some(Boolean));
    start = first;
    goal = last;
    cursor = first;
    return true;
  }

  function forget() {
    if (began.length) start = began[0];
    walked = [];
    began = [];
    latest = [];
  }

  function clear() {
    forget();
    open = open.map((_, place) => place % size > 0 && place % size < size - 1 && place >= size && place < size * (size - 1));
    open[at(start)] = open[at(goal)] = true;
    changed();
  }

  /** @param {Place} place @param {"start" | "goal" | boolean} what */
  function edit(place, what) {
    forget();
    if (what === "start" || what === "goal") {
      if (!open[at(place)] || same(place, what === "start" ? goal : start)) return;
      if (what === "start") start = place;
      else goal = place;
    } else {
      if (same(place, start) || same(place, goal) || open[at(place)] === what) return;
      open[at(place)] = what;
    }
    changed();
  }

  /** @param {File} opened */
  async function read(opened) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(opened);
    } catch {
      say(`${opened.name}: not a picture that can be read.`);
      return;
    }
    const fits = variants.find(({ samples }) => bitmap.width === bitmap.height && bitmap.width % samples.inputs.x.shape[2] === 0);
    if (!fits) {
      const sides = variants.map(({ samples }) => samples.inputs.x.shape[2]).join(" or ");
      say(`${opened.name}: ${bitmap.width} × ${bitmap.height} pixels; expected a square of ${sides} cells, each of as many pixels.`);
      return;
    }
    const context = element("canvas", { width: bitmap.width, height: bitmap.height }).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const before = size;
    size = fits.samples.inputs.x.shape[2];
    const cell = bitmap.width / size;
    const cells = Array.from({ length: size * size }, (_, place) => {
      const [x, y] = [place % size, Math.floor(place / size)].map((step) => Math.floor((step + 0.5) * cell));
      return [...context.getImageData(x, y, 1, 1).data].slice(0, 3).map((value) => value > 127);
    });
    if (!adopt(cells)) {
      size = before;
      say(`${opened.name}: expected black walls, white corridors, one red start and one green goal.`);
      return;
    }
    variant = fits;
    sizes.selectedIndex = variants.indexOf(fits);
    changed(variant.name);
  }

  /** The moves of a tick. @param {Tick} tick */
  function moves(tick) {
    const classes = description.answer[description.answer.length - 1];
    return Array.from({ length: tick.logits.length / classes }, (_, move) => argmax(tick.logits.subarray(move * classes, (move + 1) * classes)));
  }

  /** Follows moves up to the goal, skipping those into a wall; of several thoughts, each up to its third mistake. @param {number[]} route @param {number} mistakes */
  function walk(route, mistakes = again.checked ? MISTAKES : Infinity) {
    let place = start, wrong = 0;
    const places = [start];
    /** @type {Place[]} */
    const crosses = [];
    for (const move of route) {
      if (same(place, goal) || wrong > mistakes) break;
      const next = /** @type {Place} */ ([place[0] + STEPS[move][0], place[1] + STEPS[move][1]]);
      if (inside(next) && open[at(next)]) place = next;
      else {
        wrong++;
        crosses.push(next);
      }
      places.push(place);
    }
    return { places, crosses, end: place };
  }

  /** @param {Tick[]} ticks */
  function paint(ticks) {
    latest = ticks;
    const context = sized(canvas, SIDE, SIDE);
    const cell = SIDE / size;
    context.fillStyle = colour("wall");
    context.fillRect(0, 0, SIDE, SIDE);
    const fill = (/** @type {Place} */ [row, column], /** @type {string} */ name) => {
      context.fillStyle = colour(name);
      context.fillRect(column * cell + 0.5, row * cell + 0.5, cell - 1, cell - 1);
    };
    open.forEach((free, place) => free && fill([Math.floor(place / size), place % size], "way"));
    overlay(context, ticks.at(-1), variant.description.grid, SIDE, SIDE);
    fill(began[0] ?? start, "bad");
    fill(goal, "good");
    const line = (/** @type {Place[]} */ places, /** @type {string} */ name, /** @type {number} */ width) => {
      context.strokeStyle = colour(name);
      context.lineWidth = width;
      context.lineJoin = context.lineCap = "round";
      context.beginPath();
      for (const [row, column] of places) context.lineTo((column + 0.5) * cell, (row + 0.5) * cell);
      context.stroke();
    };
    if (walked.length) line([...walked, start], "muted", cell / 4);
    if (ticks.length) {
      const { places, crosses, end } = walk(moves(mostCertain(ticks)));
      line(places, "route", cell / 4);
      context.fillStyle = colour("route");
      context.beginPath();
      context.arc((end[1] + 0.5) * cell, (end[0] + 0.5) * cell, cell / 4, 0, 7);
      context.fill();
      for (const [row, column] of crosses) {
        const [x, y, reach] = [(column + 0.5) * cell, (row + 0.5) * cell, cell / 5];
        context.strokeStyle = colour("bad");
        context.lineWidth = 3;
        context.beginPath();
        context.moveTo(x - reach, y - reach);
        context.lineTo(x + reach, y + reach);
        context.moveTo(x + reach, y - reach);
        context.lineTo(x - reach, y + reach);
        context.stroke();
      }
    }
    if (document.activeElement === canvas) {
      context.strokeStyle = colour("accent");
      context.lineWidth = 2;
      context.strokeRect(cursor[1] * cell + 2, cursor[0] * cell + 2, cell - 4, cell - 4);
    }
    const what = same(cursor, start) ? "start" : same(cursor, goal) ? "goal" : open[at(cursor)] ? "free" : "wall";
    canvas.setAttribute("aria-label", `Maze of ${size} × ${size} cells; row ${cursor[0] + 1}, column ${cursor[1] + 1}: ${what}`);
  }

  /** @param {Tick} tick */
  function words(tick) {
    const { places, crosses, end } = walk(moves(tick));
    const steps = walked.length + places.length - 1 - crosses.length;
    const times = began.length > 1 ? ` after thinking ${began.length} times` : "";
    const into = crosses.length ? `, with ${crosses.length} into a wall` : "";
    return same(end, goal) ? `It finds the goal in ${steps} steps${times}${into}.` : `It does not reach the goal${times}${into}.`;
  }

  return {
    element: view,
    lead: "Draw a maze: the machine sees only this picture, and imagines the whole way from red to green before a single step is taken.",
    inputs() {
      if (!began.length) began = [start];
      const data = new Float32Array(3 * size * size);
      const mark = (/** @type {Place} */ place, /** @type {number[]} */ shade) => shade.forEach((value, channel) => (data[channel * size * size + at(place)] = value));
      open.forEach((free, place) => free && mark([Math.floor(place / size), place % size], [1, 1, 1]));
      mark(start, [1, 0, 0]);
      mark(goal, [0, 1, 0]);
      return { x: { data: task.signed ? data.map((value) => value * 2 - 1) : data, shape: [1, 3, size, size] } };
    },
    draw: paint,
    words,
    restart: forget,
    concluded(ticks, chosen) {
      const { places, end } = walk(moves(chosen));
      const over = same(end, goal) || began.length >= APPLICATIONS || began.some((earlier) => same(earlier, end));
      if (!again.checked || over) return false;
      walked.push(...places.slice(0, -1));
      start = end;
      began.push(end);
      return true;
    },
  };
}
