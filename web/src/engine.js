/** The model's side of the page: calls that a worker answers, in the order they were made. */

/**
 * @typedef {import("./pixels.js").Picture} Picture
 *
 * @typedef {object} Edit
 * @property {Uint8ClampedArray} pixels RGBA of the picture's own size
 * @property {boolean} shows whether there is anything to see of it
 * @property {import("./pixels.js").Crop} crop what the model saw
 * @property {Picture} coarse
 * @property {Picture} fine
 * @property {Float32Array} alpha [size, size]
 * @property {number} size
 * @property {Float32Array | null} attention [T, n]; null where the place that ran it tells none
 * @property {number} milliseconds
 */

export class Engine {
  #worker = new Worker(new URL("./worker.js", import.meta.url));
  #number = 0;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();

  constructor() {
    this.#worker.addEventListener("message", ({ data: { number, value, error } }) => {
      const { resolve, reject } = this.#waiting.get(number) ?? {};
      this.#waiting.delete(number);
      if (error === undefined) resolve?.(value);
      else reject?.(new Error(error));
    });
    this.#worker.addEventListener("error", (event) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(event.message || "the model's program could not be loaded"));
      }
      this.#waiting.clear();
    });
  }

  /**
   * @typedef {object} Loaded
   * @property {import("./model.js").Metadata} metadata
   * @property {string[]} words
   * @property {import("./places.js").Place} place where the networks run
   * @property {string} [refusal] why they do not run where they should
   *
   * @param {string} name of the model that edits from now on; where that fails, it is the one before
   * @param {import("./places.js").Place} [place] where its networks should run
   * @returns {Promise<Loaded>}
   */
  load(name, place) {
    return this.#call("load", {
      folder: new URL(`models/${encodeURIComponent(name)}/`, document.baseURI).href,
      runtime: new URL("wasm/", document.baseURI).href,
      place,
    });
  }

  /** @param {import("./places.js").Place} place @returns {Promise<void>} */
  runOn(place) {
    return this.#call("runOn", { place });
  }

  /** @param {Picture & {id: number}} picture @returns {Promise<void>} */
  see({ id, width, height, pixels }) {
    return this.#call("see", { picture: { id, width, height, pixels } });
  }

  /** @param {number[]} ids @returns {Promise<void>} */
  forget(ids) {
    return this.#call("forget", { ids });
  }

  /** @param {number} id @param {string} caption @param {number} strength @returns {Promise<Edit>} */
  edit(id, caption, strength) {
    return this.#call("edit", { id, caption, strength });
  }

  /** @param {number} id @param {number} slot @returns {Promise<Picture>} */
  paintMemory(id, slot) {
    return this.#call("paintMemory", { id, slot });
  }

  /** @param {string} name @param {object} request @returns {Promise<any>} */
  #call(name, request) {
    const number = this.#number++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, name, request });
    });
  }
}
