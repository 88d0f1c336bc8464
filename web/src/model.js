/** One model: what is known of it, and the place where its networks run. */

import { encode } from "./captions.js";
import { get } from "./get.js";
import { LiteRT } from "./litert.js";
import { isOffered, placesOf } from "./places.js";
import { Server } from "./server.js";

/**
 * @typedef {object} Metadata what `export/tflite.py` writes beside its files, or `mim_tf.serve` gives
 * @property {Record<string, {bytes: number}>} files
 * @property {number} size S, the side of the model's square
 * @property {number} coarse_size C
 * @property {number} max_words T
 * @property {string} vocabulary name of its file
 * @property {string[]} [deciding_words]
 * @property {{file: string, shape: [number, number]} | null} [memories]
 * @property {{predict: string}} [server] where it runs the model, too: an address below its own
 *
 * @typedef {import("./places.js").Place} Place
 * @typedef {Record<string, Float32Array>} Arrays
 */

export class Model {
  /** @type {string | undefined} why it does not run where it was wanted */
  refusal;
  /** @type {LiteRT | undefined} loaded when it is needed first */
  #litert;
  /** @type {Server | undefined} */
  #server;

  /**
   * @param {URL} folder
   * @param {Metadata} metadata
   * @param {string[]} words
   * @param {string} runtime address of the folder with LiteRT's WebAssembly files
   */
  constructor(folder, metadata, words, runtime) {
    this.folder = folder;
    this.metadata = metadata;
    this.words = words;
    this.runtime = runtime;
    this.place = placesOf(metadata)[0];
    if (metadata.server) {
      const address = new URL(metadata.server.predict, folder);
      if (address.origin !== folder.origin) throw new Error(`${address.origin} is another server`);
      this.#server = new Server(address, metadata);
    }
  }

  /**
   * A model that runs where it is wanted, or else at the first of its places.
   * @param {string} folder address of the folder with `metadata.json`
   * @param {string} runtime address of the folder with LiteRT's WebAssembly files
   * @param {Place} [wanted]
   */
  static async load(folder, runtime, wanted) {
    const base = new URL(folder);
    /** @type {Metadata} */
    const metadata = await (await get(new URL("metadata.json", base))).json();
    const { words } = await (await get(new URL(metadata.vocabulary, base))).json();
    const model = new Model(base, metadata, words, runtime);
    await model.runOn(model.place);
    if (wanted && isOffered(wanted, metadata)) {
      await model.runOn(wanted).catch((error) => (model.refusal = error.message));
    }
    return model;
  }

  /** @param {Place} place from now on; where that fails, it stays what it was */
  async runOn(place) {
    if (place !== "server") {
      this.#litert ??= await LiteRT.load(this.folder, this.metadata, this.runtime);
      await this.#litert.runOn(place, this.#tokens(this.words.join(" ")));
    }
    this.place = place;
  }

  /** Free what the networks hold. */
  delete() {
    this.#litert?.delete();
    this.#litert = undefined;
  }

  /** Wait no longer for the server's answer, which another place makes needless. */
  stop() {
    this.#server?.stop();
  }

  /**
   * @param {Float32Array} image signed [S, S, 3]
   * @param {string} caption
   * @returns {Promise<Arrays>} `fine` [S, S, 3] and `coarse` [C, C, 3], signed; `alpha` [S, S, 1];
   *   `attention` [T, n] in this browser, with newer exports
   */
  async edit(image, caption) {
    const networks = this.place === "server" ? this.#server : this.#litert;
    if (!networks) throw new Error("the model is not loaded");
    return networks.edit(image, this.#tokens(caption));
  }

  /** @param {Float32Array} image signed [S, S, 3] @param {number} slot of the memory */
  async paintMemory(image, slot) {
    if (!this.#litert) throw new Error("memories are painted in the browser alone");
    return this.#litert.paintMemory(image, slot);
  }

  /** @param {string} caption */
  #tokens(caption) {
    return encode(caption, this.words, this.metadata.max_words);
  }
}
