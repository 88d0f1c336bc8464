import assert from "node:assert/strict";
import test from "node:test";

import { History } from "../src/history.js";
import { fromHash, toHash } from "../src/share.js";

const picture = { id: 1, name: "a", width: 1, height: 1, pixels: new Uint8ClampedArray(4) };

test("what is typed in one go is one step; undo and redo go through all", () => {
  const history = new History(() => {});
  history.push({ picture, caption: "", strength: 1 });
  for (const caption of ["r", "re", "red"]) history.change({ caption });
  history.close();
  history.change({ caption: "red" }); // which is no change
  history.change({ strength: 0.5 });
  assert.deepEqual(history.steps.map(({ caption }) => caption), ["", "red", "red"]);
  history.jump(history.at - 1);
  assert.equal(history.current.strength, 1);
  assert.equal(history.canRedo, true);
  history.change({ caption: "blue" }); // drops what could be redone
  assert.deepEqual(history.steps.map(({ caption }) => caption), ["", "red", "blue"]);
  assert.equal(history.canRedo, false);
  history.jump(-1);
  assert.equal(history.current.caption, "blue");
});

test("a step whose model is not there is left for the nearest of the model that is", () => {
  const history = new History(() => {});
  for (const model of ["birds", "birds", "clothes", "birds", "clothes"]) {
    history.push({ picture, model, caption: "", strength: 1 });
  }
  assert.equal(history.goBack(4, "birds"), true);
  assert.equal(history.at, 3);
  assert.equal(history.goBack(1, "birds"), true);
  assert.equal(history.at, 1);
  assert.equal(history.goBack(1, "faces"), false);
  assert.equal(history.at, 1);
});

test("pictures that no step needs any more are forgotten, whatever drops their steps", () => {
  const forgotten = [];
  const history = new History((ids) => forgotten.push(...ids));
  const push = (id) => history.push({ picture: { ...picture, id }, caption: "", strength: 1 });
  for (const id of [1, 2]) push(id);
  history.jump(0);
  push(3);
  assert.deepEqual(forgotten, [2]);
  history.jump(0);
  history.change({ caption: "red" });
  assert.deepEqual(forgotten, [2, 3]);
  for (let count = 0; count < 40; count++) {
    history.close();
    history.change({ strength: count / 40 });
  }
  assert.deepEqual(forgotten, [2, 3]); // 40 steps, all of the first picture
  for (let id = 4; id < 44; id++) push(id);
  assert.deepEqual(forgotten, [2, 3, 1]);
});

test("the oldest steps go where their pictures take too much", () => {
  const forgotten = [];
  const history = new History((ids) => forgotten.push(...ids));
  const pixels = { length: 250_000_000 };
  for (const id of [1, 2, 3]) {
    history.push({ picture: { ...picture, id, pixels }, caption: "", strength: 1 });
    for (const caption of ["red", "blue"]) {
      history.change({ caption });
      history.close();
    }
  }
  assert.deepEqual(forgotten, [1]);
  assert.equal(history.steps.length, 6);
  assert.equal(history.at, 5);
});

test("an address holds the settings, and nonsense in it is left out", () => {
  const settings = {
    model: "a face",
    caption: "a red & blue #bird",
    strength: 1.25,
    view: "alpha",
    example: "lake",
    sentences: "red\nblue",
  };
  assert.deepEqual(fromHash(toHash(settings)), settings);
  const plain = { model: "", caption: "", strength: 1, view: "compare", example: "", sentences: "" };
  assert.equal(toHash(plain), "#");
  assert.deepEqual(fromHash("#strength=lots&view=upside-down"), plain);
  assert.equal(fromHash("#strength=9").strength, 1.5);
});
