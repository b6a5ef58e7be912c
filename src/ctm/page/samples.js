/** Test samples of a site, which are stored as text. */
// @ts-check
/** @import {Inputs, Samples, Values} from "./types" */

const KINDS = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array };

/** Numbers that Python wrote. @param {{type: keyof typeof KINDS, shape: number[], data: string}} stored @returns {Values} */
export function decoded({ type, shape, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return { shape, data: new KINDS[type](bytes.buffer) };
}

/** @param {any} stored @returns {Samples} */
export function decodedSamples(stored) {
  const inputs = Object.fromEntries(Object.entries(stored.inputs).map(([name, values]) => [name, decoded(values)]));
  return { count: Object.values(inputs)[0].shape[0], inputs, targets: stored.targets && decoded(stored.targets) };
}

/** One sample as a batch of one, in memory of its own. @param {Samples} samples @param {number} index @returns {Inputs} */
export function sample(samples, index) {
  return Object.fromEntries(
    Object.entries(samples.inputs).map(([name, { data, shape }]) => {
      const size = data.length / shape[0];
      return [name, { data: data.slice(index * size, (index + 1) * size), shape: [1, ...shape.slice(1)] }];
    }),
  );
}

/** The right answer to a sample, as numbers. @param {Samples} samples @param {number} index */
export function target(samples, index) {
  if (!samples.targets) return null;
  const { data, shape } = samples.targets;
  const size = data.length / shape[0];
  return Array.from(data.slice(index * size, (index + 1) * size), Number);
}
