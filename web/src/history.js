/**
 * Steps to undo and redo.
 *
 * @typedef {object} Step
 * @property {import("./pictures.js").NamedPicture} picture what is edited
 * @property {string} model name of the one that edits it
 * @property {string} caption
 * @property {number} strength
 * @property {HTMLCanvasElement} [thumbnail] of the result
 */

const MOST = 40;
const MOST_BYTES = 600_000_000; // of the steps' pictures: two of the largest that are taken

export class History {
  /** @type {Step[]} */
  steps = [];
  at = -1;
  #open = false;

  /** @param {(ids: number[]) => void} forget called with pictures that no step needs any more */
  constructor(forget) {
    this.forget = forget;
  }

  get current() {
    return this.steps[this.at];
  }

  get canUndo() {
    return this.at > 0;
  }

  get canRedo() {
    return this.at < this.steps.length - 1;
  }

  /**
   * A new step; it drops what could be redone.
   * @param {Step} step
   */
  push(step) {
    const before = this.pictures;
    this.steps = [...this.steps.slice(0, this.at + 1), step].slice(-MOST);
    while (this.#bytes > MOST_BYTES && this.steps.length > 1) this.steps.shift();
    this.at = this.steps.length - 1;
    this.#open = false;
    const kept = this.pictures;
    const dropped = [...before].filter((id) => !kept.has(id));
    if (dropped.length > 0) this.forget(dropped);
  }

  /**
   * Change the caption or the strength. While somebody is still typing or dragging, the changes
   * make one step; `close` ends it. What changes nothing makes none.
   * @param {Partial<Step>} change
   */
  change(change) {
    /** @type {Record<string, unknown>} */
    const current = this.current;
    if (Object.entries(change).every(([name, value]) => current[name] === value)) return;
    const step = { ...this.current, thumbnail: undefined, ...change };
    if (this.#open && !this.canRedo) {
      this.steps[this.at] = step;
    } else {
      this.push(step);
      this.#open = true;
    }
  }

  close() {
    this.#open = false;
  }

  /** @param {number} at */
  jump(at) {
    if (at >= 0 && at < this.steps.length) this.at = at;
    this.#open = false;
  }

  /**
   * Go to the step that a model has edited, the nearest to a place.
   * @param {number} place its index
   * @param {string} model
   * @returns {boolean} whether there is one
   */
  goBack(place, model) {
    const own = [...this.steps.keys()].filter((index) => this.steps[index].model === model);
    const [nearest] = own.sort((a, b) => Math.abs(a - place) - Math.abs(b - place));
    if (nearest === undefined) return false;
    this.jump(nearest);
    return true;
  }

  /** Ids of the pictures that some step still needs. */
  get pictures() {
    return new Set(this.steps.map((step) => step.picture.id));
  }

  /** What the pictures take, each of them once. */
  get #bytes() {
    const sizes = new Map(this.steps.map(({ picture }) => [picture.id, picture.pixels.length]));
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }
}
