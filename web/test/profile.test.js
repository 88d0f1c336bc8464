import assert from "node:assert/strict";
import test from "node:test";
import { deflateSync } from "node:zlib";

import { profileOf, withProfile } from "../src/profile.js";

const profile = Uint8Array.from({ length: 70_000 }, (_, at) => (at * at) % 251);
profile.set(Buffer.from("RGB "), 16);
const grey = profile.slice();
grey.set(Buffer.from("GRAY"), 16);

const bytes = (...parts) => new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
const word = (value) => [value >> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];

function png(...chunks) {
  const parts = [["IHDR", word(1)], ...chunks, ["IDAT", [1, 2, 3]], ["IEND", []]].map(
    ([name, content]) => {
      const body = bytes(name, content);
      return bytes(word(content.length), body, [0, 0, 0, 0]);
    },
  );
  return bytes([137, 80, 78, 71, 13, 10, 26, 10], ...parts);
}

function jpeg(content) {
  const half = 40_000;
  const segment = (marker, body) => bytes([255, marker, (body.length + 2) >> 8, (body.length + 2) & 255], body);
  const part = (number, body) => segment(0xe2, bytes("ICC_PROFILE\0", [number, 2], body));
  return bytes(
    [255, 216],
    segment(0xe0, bytes("JFIF\0")),
    part(2, content.subarray(half)), // the order is that of the numbers
    part(1, content.subarray(0, half)),
    [255, 218, 0, 2],
  );
}

function webp(content) {
  const size = (value) => word(value).reverse();
  const chunk = bytes("ICCP", size(content.length), content);
  return bytes("RIFF", size(chunk.length + 4), "WEBP", "VP8X", size(1), [0, 0], chunk);
}

const packed = (content) => bytes("a name\0\0", deflateSync(content));

test("the profile of RGB pixels is read from PNG, JPEG and WebP", async () => {
  for (const file of [png(["iCCP", packed(profile)]), jpeg(profile), webp(profile)]) {
    assert.deepEqual(await profileOf(file), profile);
  }
  for (const file of [png(["iCCP", packed(grey)]), jpeg(grey), webp(grey)]) {
    assert.equal(await profileOf(file), null);
  }
});

test("files without one, broken and unknown ones have none", async () => {
  const broken = [png(), png(["iCCP", bytes("a name\0\0", [1, 2, 3])]), bytes("GIF89a"), bytes([])];
  for (const whole of [png(["iCCP", packed(profile)]), jpeg(profile), webp(profile)]) {
    broken.push(...[3, 13, 30].map((length) => whole.subarray(0, length)));
  }
  for (const file of broken) assert.equal(await profileOf(file), null);
});

test("a PNG file takes a profile in place of what it says of colours", async () => {
  const blob = await withProfile(png(["sRGB", [0]], ["tEXt", [7]]), profile);
  const found = new Uint8Array(await blob.arrayBuffer());
  assert.deepEqual(await profileOf(found), profile);
  const text = Buffer.from(found).toString("latin1");
  const names = ["IHDR", "iCCP", "tEXt", "IDAT", "IEND"].map((name) => text.indexOf(name));
  assert.deepEqual(names, names.toSorted((a, b) => a - b));
  assert.ok(!text.includes("sRGB") && names.every((place) => place > 0));
});
