/** The models of the page: which of them edits, as the user chooses it by what a picture shows. */

import { byId, messageOf, toast } from "./elements.js";
import { get } from "./get.js";

/**
 * @typedef {object} Listed
 * @property {string} name
 * @property {string} title what its pictures show
 * @property {string[]} captions that it can do
 */

const part = byId("model-part", HTMLElement);
const choice = byId("model", HTMLSelectElement);

export class Models {
  /** @type {Listed[]} */
  #listed = [];
  /** @type {Listed | undefined} */
  #current;
  /** @type {Promise<boolean>} whether the model that was asked for last edits */
  #arriving = Promise.resolve(false);
  #pending = 0;
  /** The name of the one that was asked for last. */
  wanted = "";

  /**
   * @param {(name: string) => void} chosen called when the user wants another
   * @param {(name: string) => Promise<void>} fetchOne loads one, after those asked for before, and
   *   calls `use`; where that fails, the one before goes on
   */
  constructor(chosen, fetchOne) {
    this.fetchOne = fetchOne;
    choice.addEventListener("change", () => chosen(choice.value));
  }

  /** Learn which models there are, and offer them where there are several. */
  async list() {
    this.#listed = await (await get(new URL("models.json", document.baseURI))).json();
    choice.replaceChildren(...this.#listed.map(({ name, title }) => new Option(title, name)));
    part.hidden = this.#listed.length < 2;
  }

  /** The name of the one that edits, "" before one was loaded. */
  get name() {
    return this.#current?.name ?? "";
  }

  /** Whether one is on its way. */
  get loading() {
    return this.#pending > 0;
  }

  /** The name of the one that the page begins with unless another is asked for. */
  get first() {
    return this.#listed[0]?.name ?? "";
  }

  /** Captions that the one that edits can do. */
  get captions() {
    return this.#current?.captions ?? [];
  }

  /** @param {string} caption @returns {boolean} whether the page itself suggests it for a model */
  suggested(caption) {
    return this.#listed.some(({ captions }) => captions.includes(caption));
  }

  /** @param {string} name @returns {string} itself, or the first where there is no such model */
  known(name) {
    return this.#listed.some((one) => one.name === name) ? name : this.first;
  }

  /**
   * Load a model, unless it is the one that was asked for last.
   * @param {string} name
   * @returns {Promise<boolean>} whether it edits from now on; else the user was told, and the one
   *   before goes on
   * @throws {Error} where there is none before
   */
  load(name) {
    if (name === this.wanted) return this.#arriving;
    this.#pending += 1;
    const fetched = this.fetchOne(name).finally(() => (this.#pending -= 1));
    const arriving = fetched.then(
      () => true,
      (error) => {
        if (!this.#current) throw error;
        toast(`That model cannot be loaded: ${messageOf(error)}.`);
        if (this.#arriving === arriving) this.#want(this.name, Promise.resolve(true));
        return false;
      },
    );
    this.#want(name, arriving);
    return arriving;
  }

  /** @param {string} name of the one that edits from now on */
  use(name) {
    this.#current = this.#listed.find((one) => one.name === name);
  }

  /** @param {string} name @param {Promise<boolean>} arriving */
  #want(name, arriving) {
    this.wanted = name;
    this.#arriving = arriving;
    choice.value = name;
  }
}
