/**
 * Where a model's networks may run: on this device's CPU or GPU, or on the server of the page.
 *
 * @typedef {"wasm" | "webgpu" | "server"} Place
 */

/** Bytes of LiteRT files beyond which the server runs the model unless the user wants it here. */
export const MOST_BYTES = 50_000_000;

/**
 * @param {import("./model.js").Metadata} metadata
 * @returns {Place[]} the one to begin with first; "webgpu" is not among them: where there is
 *   "wasm", the browser may have a GPU as well
 */
export function placesOf({ files, server }) {
  const names = [networkFile(files, "text"), networkFile(files, "image")];
  const here = names.every((name) => name !== undefined);
  const bytes = names.reduce((sum, name) => sum + (name ? files[name].bytes : 0), 0);
  if (here && server) return bytes > MOST_BYTES ? ["server", "wasm"] : ["wasm", "server"];
  return server ? ["server"] : ["wasm"];
}

/** @param {Place} place @param {import("./model.js").Metadata} metadata */
export function isOffered(place, metadata) {
  return placesOf(metadata).includes(place === "webgpu" ? "wasm" : place);
}

/**
 * @param {Record<string, unknown>} files by their names
 * @param {"text" | "image"} kind
 * @returns {string | undefined} the name of a network's smallest exact file
 */
export function networkFile(files, kind) {
  return [`${kind}_float16.tflite`, `${kind}.tflite`].find((name) => name in files);
}
