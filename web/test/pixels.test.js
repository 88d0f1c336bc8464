import assert from "node:assert/strict";
import test from "node:test";

import { composite, fit, modelInput, shows, spans, toPicture } from "../src/pixels.js";

const grey = (width, height, level) => ({
  width,
  height,
  pixels: new Uint8ClampedArray(width * height * 4).fill(level),
});

test("the crop is the largest centred square", () => {
  assert.deepEqual(fit({ width: 9, height: 4 }), { x: 2, y: 0, side: 4 });
  assert.deepEqual(fit({ width: 3, height: 3 }), { x: 0, y: 0, side: 3 });
});

test("weights sum to 1, and equal lengths copy", () => {
  for (const method of ["bilinear", "bicubic"]) {
    for (const [input, output] of [[4, 9], [9, 4], [5, 5]]) {
      for (const { weights } of spans(input, output, method)) {
        assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-6);
      }
    }
    for (const [index, { start, weights }] of spans(5, 5, method).entries()) {
      const largest = weights.indexOf(Math.max(...weights));
      assert.equal(start + largest, index);
      assert.ok(Math.abs(weights[largest] - 1) < 1e-6);
    }
  }
});

test("an even picture stays even in [-1, 1]", () => {
  for (const value of modelInput(grey(10, 7, 51), { x: 1, y: 0, side: 7 }, 4)) {
    assert.ok(Math.abs(value - (51 / 127.5 - 1)) < 1e-6);
  }
});

test("only the crop changes, by the change times the strength, and only where alpha is", () => {
  const picture = grey(6, 4, 100);
  const crop = fit(picture);
  const input = new Float32Array(2 * 2 * 3);
  const edited = input.map(() => 20 / 127.5);
  const seen = composite(picture, crop, input, edited, new Float32Array(4).fill(1), 2, 0.5);
  for (let place = 0; place < 24; place++) {
    const inside = place % 6 >= 1 && place % 6 < 5;
    assert.equal(seen[place * 4], inside ? 110 : 100);
    assert.equal(seen[place * 4 + 3], 100); // the fourth channel is left alone
  }
  const closed = composite(picture, crop, input, edited, new Float32Array(4), 2, 1);
  assert.deepEqual(closed, picture.pixels);
});

test("a change fades towards a side beyond which the picture goes on", () => {
  const crop = { x: 0, y: 3, side: 16 };
  const input = new Float32Array(2 * 2 * 3);
  const edited = input.map(() => 40 / 127.5);
  const open = new Float32Array(4).fill(1);
  const seen = composite(grey(16, 22, 100), crop, input, edited, open, 2, 1);
  const levels = Array.from({ length: 22 }, (_, row) => seen[(row * 16 + 8) * 4]);
  const inside = [110, 130, ...Array(12).fill(140), 130, 110];
  assert.deepEqual(levels, [100, 100, 100, ...inside, 100, 100, 100]);
});

test("an edit shows where enough of it is seen", () => {
  const input = new Float32Array(64 * 64 * 3);
  const changed = (count, levels) => input.map((_, at) => (at < count * 3 ? levels / 127.5 : 0));
  assert.equal(shows(input, changed(64 * 64, 7)), false);
  assert.equal(shows(input, changed(2, 50)), false);
  assert.equal(shows(input, changed(3, 50)), true);
});

test("signed values become bytes", () => {
  const { pixels } = toPicture(new Float32Array([-1, 0.2, 3]), 1);
  assert.deepEqual([...pixels], [0, 153, 255, 255]);
});
