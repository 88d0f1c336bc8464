/** Edits beside the page, so that the page stays responsive. See `engine.js`. */

import { Model } from "./model.js";
import { composite, fit, modelInput, shows, toPicture } from "./pixels.js";

/** @typedef {import("./pixels.js").Picture} Picture */
/** @typedef {Picture & {crop: import("./pixels.js").Crop, input: Float32Array}} Seen */

const KEPT_OUTPUTS = 32; // edits whose outputs are kept, for another strength

/** @type {Model | undefined} */
let model;
/** @type {Map<number, Seen>} */
const pictures = new Map();
/** @type {Map<string, import("./model.js").Arrays>} */
const outputs = new Map();

const calls = {
  /** @param {{folder: string, runtime: string, place?: import("./places.js").Place}} request */
  async load({ folder, runtime, place }) {
    const before = model;
    model = await Model.load(folder, runtime, place);
    before?.delete();
    outputs.clear();
    for (const seen of pictures.values()) seen.input = inputOf(seen);
    const { metadata, words, refusal } = model;
    return { metadata, words, place: model.place, refusal };
  },

  /** @param {{place: import("./places.js").Place}} choice */
  async runOn({ place }) {
    await loaded().runOn(place);
    outputs.clear();
  },

  /** @param {{picture: Picture & {id: number}}} request */
  async see({ picture }) {
    const seen = { ...picture, crop: fit(picture) };
    pictures.set(picture.id, { ...seen, input: inputOf(seen) });
  },

  /** @param {{ids: number[]}} request pictures that no later call names */
  async forget({ ids }) {
    for (const id of ids) pictures.delete(id);
  },

  /** @param {{id: number, caption: string, strength: number}} request */
  async edit({ id, caption, strength }) {
    const seen = find(id);
    const networks = loaded();
    const { size, coarse_size: coarseSize } = networks.metadata;
    const key = `${id} ${caption}`;
    let painted = outputs.get(key);
    const started = performance.now();
    if (!painted) {
      painted = await networks.edit(seen.input, caption);
      if (outputs.size >= KEPT_OUTPUTS) outputs.delete(outputs.keys().next().value ?? "");
      outputs.set(key, painted);
    }
    const { fine, alpha } = painted;
    return {
      pixels: composite(seen, seen.crop, seen.input, fine, alpha, size, strength),
      shows: shows(seen.input, fine),
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
    const networks = loaded();
    const { fine } = await networks.paintMemory(find(id).input, slot);
    return toPicture(fine, networks.metadata.size);
  },
};

/** @param {Picture & {crop: import("./pixels.js").Crop}} seen */
function inputOf(seen) {
  return modelInput(seen, seen.crop, loaded().metadata.size);
}

function loaded() {
  if (!model) throw new Error("the model is not loaded");
  return model;
}

/** @param {number} id */
function find(id) {
  const seen = pictures.get(id);
  if (!seen) throw new Error("this picture is gone; choose it again");
  return seen;
}

let last = Promise.resolve(); // one call after the other
self.addEventListener("message", ({ data: { number, name, request } }) => {
  if (name === "runOn") model?.stop(); // else it would wait for a server that hangs
  last = last.then(async () => {
    try {
      const value = await calls[/** @type {keyof typeof calls} */ (name)](request);
      self.postMessage({ number, value });
    } catch (error) {
      self.postMessage({ number, error: error instanceof Error ? error.message : String(error) });
    }
  });
});
