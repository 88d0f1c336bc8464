import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { checkCaption, editDistance, encode, splitWords, wordPlaces } from "../src/captions.js";

const shared = JSON.parse(
  readFileSync(new URL("../../tests/captions.json", import.meta.url), "utf-8"),
);

for (const { caption, tokens, messages } of shared.cases) {
  test(`messages and tokens of ${JSON.stringify(caption)}`, () => {
    const found = checkCaption(
      caption,
      shared.vocabulary,
      shared.max_words,
      shared.deciding_words,
    );
    assert.deepEqual(found, messages);
    assert.deepEqual([...encode(caption, shared.vocabulary, shared.max_words)], tokens);
  });
}

test("without deciding words no caption is undecided", () => {
  assert.deepEqual(checkCaption("a bird", shared.vocabulary, 24), []);
});

test("edit distance counts letters, not UTF-16 units", () => {
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("blakc", "black"), 1);
  assert.equal(editDistance("𝒂b", "b"), 1);
});

test("places are where the words stand in what was typed", () => {
  const caption = "The BIRD's wings";
  for (const { start, end, text } of wordPlaces(caption)) {
    assert.equal(caption.slice(start, end).toLowerCase(), text);
  }
  assert.equal(wordPlaces(caption).length, splitWords(caption).length);
});
