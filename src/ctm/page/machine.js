/** An exported machine in the browser: prepares its inputs once, then thinks tick by tick. */
// @ts-check
/** @import {Description, Inputs, Tick, Values} from "./types" */
import * as ort from "onnxruntime-web/wasm"; // found by the import map of index.html

const NEXT = "next."; // what the names of the state after a tick begin with
const here = new URL("runtime/", import.meta.url);

/** Loads the runtime, which is kept compressed. */
export async function start() {
  ort.env.wasm.wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.mjs", here).href };
  ort.env.wasm.wasmBinary = await fetchedRuntime();
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency ?? 1) : 1;
}

async function fetchedRuntime() {
  const response = await fetch(new URL("ort-wasm-simd-threaded.wasm.gz", here));
  if (!response.ok) throw new Error(`the runtime is missing (${response.status})`);
  const bytes = await response.arrayBuffer();
  const isCompressed = new Uint8Array(bytes)[0] === 0x1f; // some servers decompress on the way
  if (!isCompressed) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

export class Machine {
  /**
   * @param {Description} description
   * @param {any} prepare session of the part that runs once
   * @param {any} tick session of the part that is repeated
   */
  constructor(description, prepare, tick) {
    this.description = description;
    this.prepare = prepare;
    this.tick = tick;
  }

  /** Opens a folder that `ctm export` wrote. @param {string} folder */
  static async load(folder) {
    const response = await fetch(`${folder}/machine.json`);
    if (!response.ok) throw new Error(`${folder}: has no machine.json`);
    const description = await response.json();
    if (description.format !== 2) throw new Error(`${folder}: format ${description.format}, expected 2; export it again`);
    const [prepare, tick] = await Promise.all(
      ["prepare", "tick"].map((part) => ort.InferenceSession.create(`${folder}/${part}.onnx`, { executionProviders: ["wasm"] })),
    );
    return new Machine(description, prepare, tick);
  }

  /**
   * Begins to think about a batch of one.
   * @param {Inputs} inputs
   * @param {Iterable<number>} silenced neurons that stay at zero
   * @param {Record<string, any> | null} state where to go on from; the learned start by default
   */
  async begin(inputs, silenced = [], state = null) {
    for (const [name, { shape }] of Object.entries(this.description.inputs)) {
      const given = inputs[name]?.shape.slice(1).join(" × ");
      const expected = shape.slice(1).join(" × ");
      if (given !== expected) throw new Error(`the model does not fit: ${name} is ${given}, and it takes ${expected}`);
    }
    const found = await this.prepare.run(Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, tensor(values)])));
    const kept = new Float32Array(this.description.neurons).fill(1);
    for (const neuron of silenced) kept[neuron] = 0;
    const unchanging = { kept: tensor({ data: kept, shape: [1, kept.length] }), ...pick(found, this.description.prepared) };
    return new Thought(this, unchanging, state ?? pick(found, Object.keys(this.description.state)));
  }
}

/** A thought that goes on as long as one likes. */
export class Thought {
  /** @type {Tick[]} */
  ticks = [];

  /**
   * @param {Machine} machine
   * @param {Record<string, any>} unchanging
   * @param {Record<string, any>} state
   */
  constructor(machine, unchanging, state) {
    this.machine = machine;
    this.unchanging = unchanging;
    this.state = state;
  }

  /** Thinks one tick. */
  async tick() {
    const { state, attention, shown } = this.machine.description;
    const wanted = ["logits", "certainty", ...(attention ? ["attention"] : []), ...Object.keys(state).map((name) => NEXT + name)];
    const taken = this.machine.tick.inputNames; // what an exporter found to be unused is no input
    const found = await this.machine.tick.run(pick({ ...this.unchanging, ...this.state }, taken), wanted);
    this.state = Object.fromEntries(Object.keys(state).map((name) => [name, found[NEXT + name]]));
    const tick = {
      logits: found.logits.data,
      certainty: found.certainty.data[0],
      attention: attention ? found.attention.data : null,
      neurons: this.state["core.post_activations"].data,
      due: this.ticks.length >= shown,
    };
    this.ticks.push(tick);
    return tick;
  }
}

/** The answer that counts among those so far: the first of the most certain ticks at which one is due. @param {Tick[]} ticks */
export function mostCertain(ticks) {
  const due = ticks.filter((tick) => tick.due);
  return (due.length ? due : ticks).reduce((best, tick) => (tick.certainty > best.certainty ? tick : best));
}

/** Shares of each class from logits. @param {Float32Array | number[]} logits */
export function softmax(logits) {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** The place of the largest. @param {ArrayLike<number>} values */
export function argmax(values) {
  let best = 0;
  for (let place = 1; place < values.length; place++) if (values[place] > values[best]) best = place;
  return best;
}

/** @param {Values} values */
function tensor({ data, shape }) {
  const type = data instanceof BigInt64Array ? "int64" : data instanceof Uint8Array ? "uint8" : "float32";
  return new ort.Tensor(type, data, shape);
}

/** @param {Record<string, any>} from @param {readonly string[]} names */
function pick(from, names) {
  return Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
}
