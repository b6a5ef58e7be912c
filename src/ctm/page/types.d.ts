/** What the modules of the page pass to each other. */

/** Numbers in the shape that a machine takes. */
export interface Values {
  data: Float32Array | BigInt64Array | Uint8Array;
  shape: number[];
}

/** What goes into a machine, by the names in its description. */
export type Inputs = Record<string, Values>;

/** What `machine.json` says; docs/export.md explains it. */
export interface Description {
  inputs: Record<string, { shape: (number | string)[]; type: string }>;
  prepared: string[];
  state: Record<string, { shape: (number | string)[]; type: string }>;
  neurons: number;
  answer: number[];
  readout: { kind: string; actions?: number };
  ticks: number;
  shown: number;
  attention: boolean;
  grid: number[];
  about: { source: string; task: any };
}

/** What happened at one tick. */
export interface Tick {
  logits: Float32Array;
  certainty: number;
  /** heads after each other, each over the grid; null of a machine that does not choose where to look */
  attention: Float32Array | null;
  /** post-activations, one a neuron */
  neurons: Float32Array;
  /** whether all of the input has been shown, so that an answer is due */
  due: boolean;
}

/** Test samples of the task: inputs and right answers, (count, …). */
export interface Samples {
  count: number;
  inputs: Inputs;
  targets: Values | null;
}

/** One of the machines of a site: the same weights, for inputs of one size. */
export interface Variant {
  name: string;
  folder: string;
  description: Description;
  samples: Samples;
}

/** What a task's page gets. */
export interface Context {
  description: Description;
  variants: Variant[];
  /** what only this task's page needs, as the task's `page_data` gave it */
  data: any;
  /** to be called when the input has changed */
  changed(variant?: string): void;
  /** tells the user something, also those who listen */
  say(message: string): void;
}

/** What a task shows and takes: its file `page.js` makes it with `createView(context)`. */
export interface View {
  element: HTMLElement;
  /** a sentence at the top: what one can do, and what is there to see */
  lead: string;
  /** whether certainty does not end a thought: of an answer that is said piece by piece, or of an agent */
  emits?: boolean;
  /** of an agent: whether its next thought goes on from the last one */
  goesOn?: boolean;
  /** what the machine is asked now, a batch of one */
  inputs(): Inputs;
  /** shows the input and what the machine makes of it so far; `ticks` is empty before the first */
  draw(ticks: Tick[]): void;
  /** the answer of a tick in words */
  words(tick: Tick): string;
  /** the likelihood of each answer at a tick, best shown as bars; none where a picture says more */
  choices?(tick: Tick): { name: string; share: number }[];
  /** called before the user's question is asked anew, unlike a next one that `concluded` asks for */
  restart?(): void;
  /** called when the machine has stopped, with all its ticks and the chosen one; true to think at once about new inputs */
  concluded?(ticks: Tick[], chosen: Tick): boolean;
}
