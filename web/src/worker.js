/** Edits beside the page, so that the page stays responsive. See `engine.js`. */

import { Model } from "./model.js";
import { composite, fit, modelInput, toPicture } from "./pixels.js";

/** @typedef {import("./pixels.js").Picture} Picture */
/** @typedef {Picture & {crop: import("./pixels.js").Crop, input: Float32Array}} Seen */

const KEPT_OUTPUTS = 32; // edits whose outputs are kept, for another strength

/** @type {Model} */
let model;
/** @type {Map<number, Seen>} */
const pictures = new Map();
/** @type {Map<string, import("./model.js").Arrays>} */
const outputs = new Map();

const calls = {
  /** @param {{folder: string, runtime: string}} addresses */
  async load({ folder, runtime }) {
    model = await Model.load(folder, runtime);
    return { metadata: model.metadata, words: model.words, place: model.place };
  },

  /** @param {{place: import("./places.js").Place}} choice */
  async runOn({ place }) {
    await model.runOn(place);
    outputs.clear();
  },

  /** @param {{picture: Picture & {id: number}}} request */
  async see({ picture }) {
    const crop = fit(picture);
    pictures.set(picture.id, {
      ...picture,
      crop,
      input: modelInput(picture, crop, model.metadata.size),
    });
  },

  /** @param {{ids: number[]}} request pictures that no later call names */
  async forget({ ids }) {
    for (const id of ids) pictures.delete(id);
  },

  /** @param {{id: number, caption: string, strength: number}} request */
  async edit({ id, caption, strength }) {
    const seen = find(id);
    const { size, coarse_size: coarseSize } = model.metadata;
    const key = `${id} ${caption}`;
    let painted = outputs.get(key);
    const started = performance.now();
    if (!painted) {
      painted = await model.edit(seen.input, caption);
      if (outputs.size >= KEPT_OUTPUTS) outputs.delete(outputs.keys().next().value ?? "");
      outputs.set(key, painted);
    }
    const { fine, alpha } = painted;
    const result = composite(seen, seen.crop, seen.input, fine, alpha, size, strength);
    return {
      ...result,
      crop: seen.crop,
      coarse: toPicture(painted.coarse, coarseSize),
      fine: toPicture(fine, size),
      alpha: alpha.slice(),
      size,
      attention: painted.attention?.slice() ?? null,
      milliseconds: performance.now() - started,
    };
  },

  /** @param {{id: number, slot: number}} request */
  async paintMemory({ id, slot }) {
    const { fine } = await model.paintMemory(find(id).input, slot);
    return toPicture(fine, model.metadata.size);
  },
};

/** @param {number} id */
function find(id) {
  const seen = pictures.get(id);
  if (!seen) throw new Error("this picture is gone; choose it again");
  return seen;
}

let last = Promise.resolve(); // one call after the other
self.addEventListener("message", ({ data: { number, name, request } }) => {
  if (name === "runOn") model.stop(); // else it would wait for a server that hangs
  last = last.then(async () => {
    try {
      const value = await calls[/** @type {keyof typeof calls} */ (name)](request);
      self.postMessage({ number, value });
    } catch (error) {
      self.postMessage({ number, error: error instanceof Error ? error.message : String(error) });
    }
  });
});
