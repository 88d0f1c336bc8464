/** The models of the page: which of them edits, as the user chooses it by what a picture shows. */

import { byId } from "./elements.js";
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

  /** @param {(name: string) => void} chosen called when the user wants another */
  constructor(chosen) {
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

  /** @param {string} name of the one that edits from now on */
  use(name) {
    this.#current = this.#listed.find((one) => one.name === name);
    this.tell();
  }

  /** Show which one edits. */
  tell() {
    choice.value = this.name;
  }
}
