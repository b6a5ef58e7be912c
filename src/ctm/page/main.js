/** Puts the page together: a machine, the view of its task, and what plays its thoughts. */
// @ts-check
/** @import {Tick, Variant, View} from "./types" */
import { drawHeads } from "./attention.js";
import { drawCertainty, drawChoices } from "./answers.js";
import { Machine, mostCertain, start } from "./machine.js";
import { drawTraces, NeuronMap } from "./neurons.js";
import { decodedSamples } from "./samples.js";

/** @param {string} id @returns {any} */
const find = (id) => document.getElementById(id);
const TRAIL = 120; // ticks of an agent that are shown
const seconds = () => performance.now() / 1000;

class Page {
  /** @type {import("./machine.js").Thought | null} */
  thought = null;
  at = -1; // the tick that is shown
  playing = true;
  finished = false;
  asked = 0; // counts questions, so that what belongs to an earlier one is let go
  /** What an agent thought lately, over several observations. @type {Tick[]} */
  trail = [];
  /** @type {Tick | null} what it would answer with all its neurons */
  intact = null;

  /** @param {Variant[]} variants @param {Map<string, Machine>} machines */
  constructor(variants, machines) {
    this.machines = machines;
    this.variant = variants[0].name;
    this.map = new NeuronMap(find("map"), this.machine.description.neurons, () => this.ask());
    find("map").addEventListener("cursor", () => this.map.draw(this.tick));
    const { shown, ticks } = this.machine.description;
    this.shown = shown;
    find("ticks").max = shown + 4 * ticks;
    find("ticks").value = shown + ticks;
  }

  get machine() {
    return /** @type {Machine} */ (this.machines.get(this.variant));
  }

  get most() {
    return Number(find("ticks").value);
  }

  get ticks() {
    return this.thought?.ticks ?? [];
  }

  get tick() {
    return this.ticks[this.at];
  }

  get isAgent() {
    return "goesOn" in this.view;
  }

  get threshold() {
    return find("halting").checked && !this.view.emits ? Number(find("threshold").value) : null;
  }

  /** Thinks anew about what the view asks. @param {string} [variant] @param {boolean} [goesOn] whether the view asked for it */
  async ask(variant = this.variant, goesOn = false) {
    const asked = ++this.asked;
    this.variant = variant;
    const before = this.thought;
    if (!goesOn) this.view.restart?.();
    this.thought = null;
    this.at = -1;
    this.finished = false;
    this.playing = true;
    const inputs = this.view.inputs();
    const thought = await this.machine.begin(inputs, this.map.silenced, goesOn && this.view.goesOn ? before?.state : null);
    if (asked !== this.asked) return;
    this.thought = thought;
    this.intact = null;
    if (!goesOn || !this.isAgent) this.draw();
    if (this.map.silenced.size && !this.view.emits) {
      const intact = await this.machine.begin(inputs);
      while (asked === this.asked && intact.ticks.length < this.most && !this.isSure(intact.ticks)) await intact.tick();
      if (asked !== this.asked) return;
      this.intact = mostCertain(intact.ticks);
      this.draw();
    }
  }

  /** @param {Tick[]} ticks */
  isSure(ticks) {
    const last = ticks.at(-1);
    return this.threshold !== null && last !== undefined && last.due && last.certainty >= this.threshold;
  }

  /** One tick on: of those that were thought already, or a new one. */
  async advance() {
    const { asked, thought } = this;
    if (!thought) return;
    if (this.at < this.ticks.length - 1) this.at++;
    else if (this.ticks.length < this.most && !this.isSure(this.ticks)) {
      this.trail = [...this.trail.slice(1 - TRAIL), await thought.tick()];
      if (asked !== this.asked) return;
      this.at = this.ticks.length - 1;
    }
    const over = this.at === this.ticks.length - 1 && (this.ticks.length >= this.most || this.isSure(this.ticks));
    if (over && !this.finished) {
      this.finished = true;
      performance.mark("answered"); // what benchmarks/page.py waits for
      find("words").textContent = this.sentence();
      if (this.view.concluded?.(this.ticks, mostCertain(this.ticks))) return this.ask(this.variant, true);
    }
    if (over) this.playing = false;
    this.draw();
  }

  /** The answer in a sentence. */
  sentence() {
    const so = this.ticks.slice(0, this.at + 1);
    if (!so.length) return "It thinks…";
    if (!so.at(-1)?.due) return "It is still being shown the question.";
    return this.view.words(mostCertain(so));
  }

  draw() {
    const so = this.ticks.slice(0, this.at + 1);
    const { description } = this.machine;
    this.view.draw(so);
    const live = (this.finished || !this.playing) && !this.isAgent; // while it thinks, nobody is told every tick
    find("words").setAttribute("aria-live", live ? "polite" : "off");
    find("words").textContent = this.sentence();
    const chosen = so.length && so.at(-1)?.due ? mostCertain(so) : null;
    for (const part of document.querySelectorAll(".halting")) /** @type {HTMLElement} */ (part).hidden = Boolean(this.view.emits);
    find("choices").hidden = !this.view.choices;
    if (this.view.choices && chosen) drawChoices(find("choices"), this.view.choices(chosen));
    const [lately, place, most] = this.isAgent ? [this.trail, this.trail.length - 1, TRAIL] : [this.ticks, this.at, this.most];
    drawCertainty(find("certainty"), lately, place, most, this.threshold);
    find("attention").hidden = !description.attention || !description.grid.length;
    if (!find("attention").hidden) drawHeads(find("heads"), so, description.grid);
    this.map.draw(this.tick);
    drawTraces(find("traces"), lately.slice(0, place + 1), most);
    const { silenced } = this.map;
    find("restore").disabled = !silenced.size;
    const all = this.intact ? ` With all of them: ${this.view.words(this.intact)}` : "";
    find("map-state").textContent = silenced.size ? `${silenced.size} of ${description.neurons} silenced.${all}` : "";
    find("saved").textContent = this.savings();
    find("tick").max = Math.max(0, this.ticks.length - 1);
    find("tick").value = Math.max(0, this.at);
    find("tick-value").textContent = `${this.at + 1} of ${this.most}`;
    find("ticks-value").textContent = this.most;
    find("speed-value").textContent = find("speed").value;
    find("threshold-value").textContent = Number(find("threshold").value).toFixed(2);
    find("threshold").disabled = this.threshold === null;
    find("back").disabled = this.at <= 0;
    const playing = this.playing && !this.finished;
    find("play").textContent = playing ? "❚❚" : "►";
    find("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  /** What stopping when sure was worth. */
  savings() {
    if (!this.finished) return "";
    const { length } = this.ticks, due = length - this.shown, most = this.most - this.shown;
    if (!this.isSure(this.ticks)) return this.threshold === null ? "" : `Never so sure: it thought all ${this.most} ticks.`;
    const share = Math.round(100 * (1 - due / most));
    return `Sure after ${due} of ${most} ticks: ${share} % of the thinking saved.`;
  }

  /** Plays until the page is closed. */
  async play() {
    let next = seconds();
    for (;;) {
      await new Promise(requestAnimationFrame);
      const now = seconds();
      if (!this.playing || !this.thought) {
        next = now;
        continue;
      }
      if (now < next) continue;
      next = Math.max(now, next + 1 / Number(find("speed").value));
      try {
        await this.advance();
      } catch (error) {
        this.playing = false;
        say(String(error));
      }
    }
  }

  listen() {
    find("play").onclick = () => {
      if (this.finished && this.at === this.ticks.length - 1) this.at = -1;
      this.playing = !this.playing || this.finished;
      this.finished = false;
      this.draw();
    };
    find("again").onclick = () => this.ask();
    find("step").onclick = () => this.pause(() => this.advance());
    find("back").onclick = () => this.pause(() => this.at--);
    find("tick").oninput = () => this.pause(() => (this.at = Number(find("tick").value)));
    find("silence").onclick = () => this.map.silenceMore(10);
    find("restore").onclick = () => this.map.restore();
    find("speed").oninput = () => this.draw();
    for (const name of ["threshold", "halting", "ticks"]) find(name).oninput = () => this.ask();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** @param {() => unknown} then */
  async pause(then) {
    this.playing = false;
    await then();
    this.playing = false;
    this.draw();
  }

  /** @type {View} */
  view = /** @type {any} */ (null);
}

/** Says something at the top of the page. @param {string} message */
function say(message) {
  find("lead").textContent = message.replace(/^Error: /, "");
  find("lead").setAttribute("role", "status");
}

async function main() {
  const [site] = await Promise.all([fetch("site.json").then((response) => response.json()), start()]);
  const machines = new Map();
  for (const { name, folder } of site.models) machines.set(name, await Machine.load(folder));
  const variants = site.models.map((/** @type {any} */ model) => ({
    ...model,
    description: machines.get(model.name).description,
    samples: decodedSamples(model.samples),
  }));
  const page = new Page(variants, machines);
  const { createView } = await import(new URL(`../${site.view}`, import.meta.url).href);
  const { description } = page.machine;
  const changed = (/** @type {string} */ variant) => page.ask(variant).catch((error) => say(String(error)));
  page.view = createView({ description, variants, data: site.data, changed, say });
  find("view").append(page.view.element);
  document.title = `${site.title} · Continuous Thought Machine`;
  find("title").textContent = site.title;
  say(page.view.lead);
  find("facts").textContent = `${description.neurons} neurons, thinking in this page with ONNX Runtime. Made with continuous-thought-machines ${site.version}.`;
  for (const part of [document.querySelector("main"), find("player")]) part.hidden = false;
  if (page.isAgent) find("speed").value = find("speed").max; // several ticks are one step of its world
  page.listen();
  await page.ask();
  page.play();
  /** @type {any} */ (window).page = page; // for tests, and for whoever looks at it in the console
}

main().catch((error) => say(`The machine cannot be loaded: ${error.message ?? error}. Open this page through a web server, as "ctm show" does.`));
