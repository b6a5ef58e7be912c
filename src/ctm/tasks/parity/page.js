/** Signs on the page: flipped by clicking, with the parity that the machine finds at each. */
// @ts-check
/** @import {Context, Tick, View} from "../../page/types" */
import { heads } from "../../page/attention.js";
import { element } from "../../page/canvas.js";
import { mostCertain } from "../../page/machine.js";

/** @param {Context} context @returns {View} */
export function createView(context) {
  const { description, changed } = context;
  const { length } = description.about.task;
  const columns = length <= 12 ? length : Math.ceil(Math.sqrt(length));
  /** @type {number[]} */
  const signs = drawn();
  const buttons = signs.map((_, place) => element("button", { onclick: () => flip(place) }));
  const answers = signs.map(() => element("span", { className: "parity" }));
  const grid = element("div", { className: "signs", role: "group", "aria-label": "Signs", style: `grid-template-columns: repeat(${columns}, minmax(0, 1fr))` },
    ...signs.map((_, place) => element("div", {}, buttons[place], answers[place])));
  const view = element("div", {}, grid,
    element("p", { className: "buttons" }, element("button", { id: "example", onclick: () => set(drawn()) }, "Other signs"),
      element("button", { onclick: () => set(signs.map(() => 1)) }, "All plus")),
    element("p", { className: "note" }, "Click a sign to flip it. Below each stands what the machine says: is the number of minus signs up to here odd or even? " +
      "Green is right, red is wrong. The brighter a sign's border, the more the machine looks at it."));
  draw([]);

  function drawn() {
    return Array.from({ length }, () => (Math.random() < 0.5 ? -1 : 1));
  }

  /** @param {number} place */
  function flip(place) {
    signs[place] = -signs[place];
    changed();
  }

  /** @param {number[]} others */
  function set(others) {
    signs.splice(0, length, ...others);
    changed();
  }

  /** The right answers: 1 where the number of minus signs up to there is odd. */
  function parities() {
    let odd = 0;
    return signs.map((sign) => (odd = sign < 0 ? 1 - odd : odd));
  }

  /** What a tick says at each place. @param {Tick} tick */
  function said(tick) {
    return signs.map((_, place) => Number(tick.logits[2 * place + 1] > tick.logits[2 * place]));
  }

  /** @param {Tick[]} ticks */
  function draw(ticks) {
    const right = parities(), last = ticks.at(-1);
    const found = ticks.length ? said(mostCertain(ticks)) : null;
    const every = last?.attention && description.grid.length === 1 ? heads(last, description.grid) : [];
    const gaze = signs.map((_, place) => every.reduce((sum, head) => sum + head[place], 0));
    const highest = Math.max(...gaze, 1e-6);
    signs.forEach((sign, place) => {
      buttons[place].textContent = sign < 0 ? "−" : "+";
      buttons[place].setAttribute("aria-label", `Sign ${place + 1}: ${sign < 0 ? "minus" : "plus"}`);
      buttons[place].style.boxShadow = every.length ? `inset 0 0 0 0.25rem color-mix(in srgb, var(--gaze) ${Math.round((100 * gaze[place]) / highest)}%, transparent)` : "";
      answers[place].textContent = found ? (found[place] ? "odd" : "even") : "…";
      answers[place].dataset.right = found ? String(found[place] === right[place]) : "";
    });
  }

  return {
    element: view,
    lead: "Is the number of minus signs odd or even, up to each place? The machine looks from sign to sign to find out.",
    inputs: () => ({ x: { data: Float32Array.from(signs), shape: [1, length] } }),
    draw,
    words(tick) {
      const right = parities();
      const wrong = said(tick).flatMap((odd, place) => (odd === right[place] ? [] : [place + 1]));
      if (!wrong.length) return `All ${length} answers are right.`;
      return `${length - wrong.length} of ${length} answers are right; the first wrong one is at sign ${wrong[0]}.`;
    },
  };
}
