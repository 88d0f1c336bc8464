/** The LiteRT files of one model, loaded and run by LiteRT.js in this browser. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

import { encode } from "./captions.js";

/**
 * @typedef {object} Metadata what `export/tflite.py` writes beside the files
 * @property {Record<string, unknown>} files
 * @property {number} size S, the side of the model's square
 * @property {number} coarse_size C
 * @property {number} max_words T
 * @property {string} vocabulary name of its file
 * @property {string[]} [deciding_words]
 * @property {{file: string, shape: [number, number]} | null} [memories]
 *
 * @typedef {Record<string, Float32Array>} Arrays
 */

const PROBES = 4;

export class Model {
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
   * @param {{words: string[], memories: Float32Array | null}} tables memories: [n, l]
   * @param {Record<"text" | "image", import("@litertjs/core").CompiledModel>} networks
   */
  constructor(folder, metadata, { words, memories }, { text, image }) {
    this.folder = folder;
    this.metadata = metadata;
    this.words = words;
    this.memories = memories;
    this.#text = text;
    this.#onCpu = image;
    this.#image = image;
  }

  /**
   * @param {string} folder address of the folder with `metadata.json`
   * @param {string} runtime address of the folder with LiteRT's WebAssembly files
   */
  static async load(folder, runtime) {
    const base = new URL(folder);
    /** @type {Metadata} */
    const metadata = await (await get(new URL("metadata.json", base))).json();
    const { words } = await (await get(new URL(metadata.vocabulary, base))).json();
    const memories = metadata.memories
      ? new Float32Array(await (await get(new URL(metadata.memories.file, base))).arrayBuffer())
      : null;
    // In a worker the runtime would look for its .wasm file beside the worker.
    const locateFile = (/** @type {string} */ file) => new URL(file, runtime).href;
    // It tells its progress as errors; only what is one shall look like one.
    const printErr = (/** @type {string} */ line) => {
      if (!/^(INFO|WARNING|VERBOSE)\b/.test(line)) console.error(line);
    };
    Object.assign(self, { Module: { locateFile, printErr } });
    await loadLiteRt(runtime, { threads: false });
    const [text, image] = await Promise.all([
      compile(base, metadata, "text", "wasm"),
      compile(base, metadata, "image", "wasm"),
    ]);
    return new Model(base, metadata, { words, memories }, { text, image });
  }

  /**
   * Run the picture's network on the CPU ("wasm") or the GPU ("webgpu").
   *
   * The GPU is taken only if it paints what the CPU paints, to within two levels of 255, and does
   * so several times: there are devices on which only the first run is right
   * (https://github.com/google-ai-edge/LiteRT/issues/8065), and ones that paint zeros.
   * @param {"wasm" | "webgpu"} accelerator
   */
  async runOn(accelerator) {
    this.#image = this.#onCpu;
    if (accelerator === "wasm") return;
    const candidate = await compile(this.folder, this.metadata, "image", accelerator);
    const texture = await this.read(this.words.slice(0, this.metadata.max_words).join(" "));
    try {
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
   * Eq. 1 to 4: what a caption asks for.
   * @param {string} caption
   * @returns {Promise<Arrays>} `h_hat` [T, l], `mask` [T] and, in newer exports, `attention` [T, n]
   */
  async read(caption) {
    const known = this.#texts.get(caption);
    if (known) return known;
    const { max_words: length } = this.metadata;
    const tokens = encode(caption, this.words, length);
    const found = await run(this.#text, { tokens });
    if (this.#texts.size >= 100) this.#texts.clear();
    this.#texts.set(caption, found);
    return found;
  }

  /**
   * The texture of one memory alone, as a caption of one word that reads nothing else.
   * @param {number} slot
   * @returns {Arrays}
   */
  textureOf(slot) {
    if (!this.metadata.memories || !this.memories) throw new Error("this model has no memories");
    const channels = this.metadata.memories.shape[1];
    const hHat = new Float32Array(this.metadata.max_words * channels);
    hHat.set(this.memories.subarray(slot * channels, (slot + 1) * channels));
    const mask = new Float32Array(this.metadata.max_words);
    mask[0] = 1;
    return { h_hat: hHat, mask };
  }

  /**
   * @param {Float32Array} image signed [S, S, 3]
   * @param {Arrays} texture
   * @returns {Promise<Arrays>} `fine` [S, S, 3] and `coarse` [C, C, 3], signed; `alpha` [S, S, 1]
   */
  async paint(image, { h_hat, mask }) {
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
  const names = [`${kind}_float16.tflite`, `${kind}.tflite`];
  const name = names.find((candidate) => candidate in files);
  if (!name) throw new Error(`the model's folder lists neither ${names.join(" nor ")}`);
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

/** @param {URL} address */
async function get(address) {
  const answer = await fetch(address);
  const name = address.pathname.split("/").pop();
  if (!answer.ok) throw new Error(`${name} cannot be loaded (${answer.status})`);
  return answer;
}
