/** The newest edit, once it is shown: it may be saved, or edited on. */

import { splitWords } from "./captions.js";
import { byId } from "./elements.js";
import { download, named } from "./pictures.js";

const LONGEST = 60; // letters of the caption in a file's name

export class Result {
  /** @type {{step: import("./history.js").Step, edit: import("./engine.js").Edit} | null} */
  #shown = null;

  /**
   * @param {import("./history.js").Step} step
   * @param {import("./engine.js").Edit | null} edit of it, which stands on the page
   */
  hold(step, edit) {
    this.#shown = edit && { step, edit };
    this.#offer();
  }

  /** Give nothing: another edit is on its way, or there is none. */
  drop() {
    this.#shown = null;
    this.#offer();
  }

  async save() {
    if (!this.#shown) return;
    const { picture, caption } = this.#shown.step;
    const words = splitWords(caption).map(({ text }) => text).join("-").slice(0, LONGEST);
    const stem = picture.name.replace(/\.[^.]*$/, "");
    await download({ ...picture, pixels: this.#shown.edit.pixels }, `${stem}-${words}.png`);
  }

  /** The result as a picture of its own, null where there is none. */
  get picture() {
    if (!this.#shown) return null;
    const { picture } = this.#shown.step;
    const stem = picture.name.replace(/( edited)?(\.[^.]*)?$/, "");
    return named(`${stem} edited`, { ...picture, pixels: this.#shown.edit.pixels });
  }

  #offer() {
    byId("continue", HTMLButtonElement).disabled = !this.#shown?.edit.shows;
    byId("download", HTMLButtonElement).disabled = !this.#shown;
  }
}
