import assert from "node:assert/strict";
import test from "node:test";

import { MOST_BYTES, placesOf } from "../src/places.js";
import { arraysOf, refusalOf, requestOf, Server } from "../src/server.js";

const METADATA = { size: 2, coarse_size: 1 };
const LENGTHS = { coarse: 3, fine: 12, alpha: 4 };
const IMAGE = Float32Array.from({ length: 12 }, (_, i) => i / 12 - 0.5);
const TOKENS = Int32Array.from([5, 1, 0]);
const PREDICTION = {
  coarse: [[[-1, 0, 1]]],
  fine: [[[0, 1, 0], [1, 0, 1]], [[0, 0, 0], [0.5, 0.5, 0.5]]],
  alpha: [[[0], [1]], [[0.25], [0]]],
};

/** Answers each request by `status` and `content`, and keeps what was asked. */
function answering(t, status, content) {
  const asked = [];
  t.mock.method(globalThis, "fetch", async (address, options) => {
    asked.push({ address: String(address), ...options });
    return new Response(content, { status });
  });
  return asked;
}

const server = () => new Server(new URL("http://host/v1/models/mim/versions/1:predict"), METADATA);

test("a request holds the square in rows and pixels, and the tokens", () => {
  const { signature_name: signature, instances } = JSON.parse(requestOf(IMAGE, TOKENS, 2));
  assert.equal(signature, "edit_tokens");
  assert.equal(instances.length, 1);
  assert.deepEqual(instances[0].tokens, [5, 1, 0]);
  assert.deepEqual(instances[0].images.map((row) => row.map((pixel) => pixel.length)), [[3, 3], [3, 3]]);
  assert.deepEqual(Float32Array.from(instances[0].images.flat(2)), IMAGE); // to the last bit
  assert.deepEqual(Object.keys(instances[0]).sort(), ["images", "tokens"]);
});

test("an answer becomes the arrays that the page composes", async (t) => {
  const asked = answering(t, 200, JSON.stringify({ predictions: [PREDICTION] }));
  const found = await server().edit(IMAGE, TOKENS);
  assert.deepEqual([...found.alpha], [0, 1, 0.25, 0]);
  assert.deepEqual([...found.fine.slice(0, 6)], [0, 1, 0, 1, 0, 1]);
  assert.equal(found.attention, undefined);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].address, "http://host/v1/models/mim/versions/1:predict");
  assert.equal(asked[0].method, "POST");
});

test("what is no answer of this model is refused", () => {
  const wrong = [
    null,
    {},
    { predictions: [] },
    { predictions: [{ ...PREDICTION, alpha: [[[0], [1]]] }] },
    { predictions: [{ ...PREDICTION, alpha: [[["0"], [1]], [[0], [0]]] }] },
    { predictions: [{ ...PREDICTION, fine: "x" }] },
  ];
  for (const content of wrong) assert.throws(() => arraysOf(content, LENGTHS), /not that of this model/);
});

test("refusals are one line", async (t) => {
  answering(t, 503, '{"error": "too many requests\\nwait"}');
  await assert.rejects(server().edit(IMAGE, TOKENS), {
    message: "The server refused the edit (503): too many requests",
  });
  assert.match(refusalOf(502, null), /\(502\): it says no reason$/);
  assert.match(refusalOf(404, { error: "Servable not found" }), /load the page again/);
  assert.ok(refusalOf(400, { error: "x".repeat(5000) }).length < 250);
});

test("a server that cannot be reached is told", async (t) => {
  t.mock.method(globalThis, "fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(server().edit(IMAGE, TOKENS), /cannot be reached; nothing was edited/);
});

test("a server that does not answer is not waited for once it is stopped", async (t) => {
  t.mock.method(globalThis, "fetch", (_address, { signal }) => new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  }));
  const asked = server();
  const edit = asked.edit(IMAGE, TOKENS);
  asked.stop();
  await assert.rejects(edit, /cannot be reached/);
});

test("an answer that is no JSON is told by its status", async (t) => {
  answering(t, 502, "<html>Bad gateway</html>");
  await assert.rejects(server().edit(IMAGE, TOKENS), /\(502\): it says no reason$/);
});

test("the browser comes first, unless the files are too large or none", () => {
  const half = MOST_BYTES / 2;
  const files = (bytes) => ({
    "text_float16.tflite": { bytes: half },
    "text.tflite": { bytes: 9 * half },
    "image_float16.tflite": { bytes },
  });
  const offered = { predict: "x" };
  assert.deepEqual(placesOf({ files: files(half), server: offered }), ["wasm", "server"]);
  assert.deepEqual(placesOf({ files: files(half + 1), server: offered }), ["server", "wasm"]);
  assert.deepEqual(placesOf({ files: files(half + 1) }), ["wasm"]); // no server: a static folder
  assert.deepEqual(placesOf({ files: {}, server: offered }), ["server"]);
});
