import assert from "node:assert/strict";
import { register } from "node:module";
import test from "node:test";

// In place of LiteRT.js: networks that paint one number, and a list of those that were not deleted.
const FAKE = `
  export async function loadLiteRt() {}
  export class Tensor {}
  export async function loadAndCompile(bytes, { accelerator }) {
    const painted = { data: async () => new Float32Array([globalThis.painted[accelerator]]), delete() {} };
    const network = {
      accelerator,
      getInputDetails: () => [],
      run: async () => ({ fine: painted }),
      delete: () => globalThis.living.splice(globalThis.living.indexOf(network), 1),
    };
    globalThis.living.push(network);
    return network;
  }`;
const HOOK = `
  export const resolve = (name, context, next) =>
    name === "@litertjs/core"
      ? { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(FAKE)}`)}, shortCircuit: true }
      : next(name, context);`;

const METADATA = {
  files: { "text.tflite": { bytes: 1 }, "image.tflite": { bytes: 1 } },
  size: 1,
  coarse_size: 1,
  max_words: 2,
  vocabulary: "vocabulary.json",
};

register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
globalThis.self = globalThis;
const { Model } = await import("../src/model.js");

/** A model of a page whose CPU and GPU paint these numbers. */
async function load(t, painted, wanted) {
  Object.assign(globalThis, { painted, living: [] });
  t.mock.method(globalThis, "fetch", async (address) => {
    const { pathname } = address;
    if (pathname.endsWith("metadata.json")) return Response.json(METADATA);
    return pathname.endsWith(".json") ? Response.json({ words: ["red"] }) : new Response("network");
  });
  return Model.load("http://host/models/birds/", "http://host/wasm/", wanted);
}

const accelerators = () => globalThis.living.map(({ accelerator }) => accelerator);

test("a model begins where the user wants models to run, and frees the GPU when it is left", async (t) => {
  const model = await load(t, { wasm: 0.5, webgpu: 0.5 }, "webgpu");
  assert.equal(model.place, "webgpu");
  assert.equal(model.refusal, undefined);
  assert.deepEqual(accelerators(), ["wasm", "wasm", "webgpu"]);
  await model.runOn("wasm");
  assert.deepEqual(accelerators(), ["wasm", "wasm"]);
  await model.runOn("webgpu");
  model.delete();
  assert.deepEqual(accelerators(), []);
});

test("a GPU that paints something else is refused, with the reason", async (t) => {
  const model = await load(t, { wasm: 0.5, webgpu: 0 }, "webgpu");
  assert.equal(model.place, "wasm");
  assert.match(model.refusal, /something else than the CPU/);
  assert.deepEqual(accelerators(), ["wasm", "wasm"]);
});

test("a place that the model does not have is passed over", async (t) => {
  const model = await load(t, { wasm: 0.5, webgpu: 0.5 }, "server");
  assert.equal(model.place, "wasm");
  assert.equal(model.refusal, undefined);
});
