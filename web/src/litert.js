/** The LiteRT files of one model, loaded and run by LiteRT.js in this browser. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

import { get } from "./get.js";
import { networkFile } from "./places.js";

/**
 * @typedef {import("./model.js").Metadata} Metadata
 * @typedef {Record<string, Float32Array>} Arrays
 */

const PROBES = 4;

/** @type {Promise<unknown> | undefined} of the WebAssembly files, which all models share */
let runtimeLoaded;

export class LiteRT {
  /** @type {Map<string, Arrays>} */
  #texts = new Map();
  /** @type {import("@litertjs/core").CompiledModel} */
  #text;
  /** @type {import("@litertjs/core").CompiledModel} */
  #onCpu;
  /** @type {import("@litertjs/core").CompiledModel} the one that paints: `#onCpu`, or on the GPU */
  #image;

  /**
   * @param {URL} folder
   * @param {Metadata} metadata
   * @param {Float32Array | null} memories [n, l]
   * @param {Record<"text" | "image", import("@litertjs/core").CompiledModel>} networks
   */
  constructor(folder, metadata, memories, { text, image }) {
    this.folder = folder;
    this.metadata = metadata;
    this.memories = memories;
    this.#text = text;
    this.#onCpu = image;
    this.#image = image;
  }

  /**
   * @param {URL} folder with the files that the metadata names
   * @param {Metadata} metadata
   * @param {string} runtime address of the folder with LiteRT's WebAssembly files
   */
  static async load(folder, metadata, runtime) {
    const memories = metadata.memories
      ? new Float32Array(await (await get(new URL(metadata.memories.file, folder))).arrayBuffer())
      : null;
    // In a worker the runtime would look for its .wasm file beside the worker.
    const locateFile = (/** @type {string} */ file) => new URL(file, runtime).href;
    // It tells its progress as errors; only what is one shall look like one.
    const printErr = (/** @type {string} */ line) => {
      if (!/^(INFO|WARNING|VERBOSE)\b/.test(line)) console.error(line);
    };
    Object.assign(self, { Module: { locateFile, printErr } });
    runtimeLoaded ??= loadLiteRt(runtime, { threads: false });
    await runtimeLoaded.catch((error) => {
      runtimeLoaded = undefined; // so that it is tried again
      throw error;
    });
    const [text, image] = await Promise.all([
      compile(folder, metadata, "text", "wasm"),
      compile(folder, metadata, "image", "wasm"),
    ]);
    return new LiteRT(folder, metadata, memories, { text, image });
  }

  /** Free the networks' memory. */
  delete() {
    for (const network of new Set([this.#text, this.#onCpu, this.#image])) network.delete();
  }

  /**
   * Run the picture's network on the CPU ("wasm") or the GPU ("webgpu").
   *
   * The GPU is taken only if it paints what the CPU paints, to within two levels of 255, and does
   * so several times: there are devices on which only the first run is right
   * (https://github.com/google-ai-edge/LiteRT/issues/8065), and ones that paint zeros.
   * @param {"wasm" | "webgpu"} accelerator
   * @param {Int32Array} tokens [T] of a caption to compare with
   */
  async runOn(accelerator, tokens) {
    if (this.#image !== this.#onCpu) this.#image.delete();
    this.#image = this.#onCpu;
    if (accelerator === "wasm") return;
    const candidate = await compile(this.folder, this.metadata, "image", accelerator);
    try {
      const texture = await this.#read(tokens);
      for (let round = 0; round < PROBES; round++) {
        const inputs = { ...texture, image: probe(this.metadata.size, round) };
        const { fine: expected } = await run(this.#onCpu, inputs);
        const { fine: found } = await run(candidate, inputs);
        const same = expected.every((value, i) => Math.abs(value - found[i]) <= 4 / 255);
        if (!same) throw new Error("it paints something else than the CPU");
      }
    } catch (error) {
      candidate.delete();
      throw error;
    }
    this.#image = candidate;
  }

  /**
   * @param {Float32Array} image signed [S, S, 3]
   * @param {Int32Array} tokens [T]
   * @returns {Promise<Arrays>} `fine` [S, S, 3] and `coarse` [C, C, 3], signed; `alpha` [S, S, 1];
   *   in newer exports `attention` [T, n]
   */
  async edit(image, tokens) {
    const texture = await this.#read(tokens);
    const painted = await this.#paint(image, texture);
    return texture.attention ? { ...painted, attention: texture.attention } : painted;
  }

  /**
   * What one memory alone paints, as a caption of one word that reads nothing else.
   * @param {Float32Array} image signed [S, S, 3]
   * @param {number} slot
   * @returns {Promise<Arrays>} as `edit`
   */
  async paintMemory(image, slot) {
    if (!this.metadata.memories || !this.memories) throw new Error("this model has no memories");
    const channels = this.metadata.memories.shape[1];
    const hHat = new Float32Array(this.metadata.max_words * channels);
    hHat.set(this.memories.subarray(slot * channels, (slot + 1) * channels));
    const mask = new Float32Array(this.metadata.max_words);
    mask[0] = 1;
    return this.#paint(image, { h_hat: hHat, mask });
  }

  /**
   * Eq. 1 to 4: what a caption asks for.
   * @param {Int32Array} tokens [T]
   * @returns {Promise<Arrays>} `h_hat` [T, l], `mask` [T] and, in newer exports, `attention` [T, n]
   */
  async #read(tokens) {
    const key = tokens.join(" ");
    const known = this.#texts.get(key);
    if (known) return known;
    const found = await run(this.#text, { tokens });
    if (this.#texts.size >= 100) this.#texts.clear();
    this.#texts.set(key, found);
    return found;
  }

  /** @param {Float32Array} image signed [S, S, 3] @param {Arrays} texture */
  async #paint(image, { h_hat, mask }) {
    return run(this.#image, { image, h_hat, mask });
  }
}

/**
 * A picture to compare two ways of running a network with.
 * @param {number} size S
 * @param {number} round a different one for each number
 */
function probe(size, round) {
  return Float32Array.from({ length: size * size * 3 }, (_, i) => Math.sin(i * 0.037 * (round + 1)));
}

/**
 * @param {URL} folder
 * @param {Metadata} metadata
 * @param {"text" | "image"} kind
 * @param {"wasm" | "webgpu"} accelerator
 */
async function compile(folder, { files }, kind, accelerator) {
  const name = networkFile(files, kind);
  if (!name) throw new Error(`the model's folder lists no ${kind}.tflite`);
  const content = await (await get(new URL(name, folder))).arrayBuffer();
  const gpuOptions = /** @type {const} */ ({ precision: "fp32" });
  return loadAndCompile(new Uint8Array(content), { accelerator, gpuOptions });
}

/**
 * @param {import("@litertjs/core").CompiledModel} network
 * @param {Record<string, Float32Array | Int32Array>} inputs
 */
async function run(network, inputs) {
  const tensors = Object.fromEntries(
    network
      .getInputDetails()
      .map(({ name, shape }) => [name, new Tensor(inputs[name], Array.from(shape))]),
  );
  const outputs = await network.run(tensors);
  /** @type {Arrays} */
  const arrays = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    arrays[name] = /** @type {Float32Array} */ (await tensor.data()).slice();
    tensor.delete();
  }
  for (const tensor of Object.values(tensors)) tensor.delete();
  return arrays;
}
