/** Several sentences side by side on the same picture. */

import { HARDLY_CHANGED } from "./captions.js";
import { byId, element, messageOf, toast } from "./elements.js";
import { preview } from "./pictures.js";

const MOST = 12;
const SIDE = 400; // pixels of a result's longer side

const field = byId("sentences", HTMLTextAreaElement);
const button = byId("show-several", HTMLButtonElement);
const results = byId("results", HTMLElement);

export class Several {
  #number = 0; // of the results asked for last
  /** @type {import("./history.js").Step | null} whose picture and model they are of */
  #step = null;

  /**
   * @param {import("./engine.js").Engine} engine
   * @param {import("./sentence.js").Sentence} sentence whose messages these sentences get too
   * @param {() => import("./history.js").Step | undefined} current
   * @param {(caption: string) => void} use called with the sentence that the user chose
   */
  constructor(engine, sentence, current, use) {
    this.engine = engine;
    this.sentence = sentence;
    this.current = current;
    this.use = use;
    button.addEventListener("click", () => this.show());
  }

  /** What the user wrote, "" where it is what the page suggests. */
  get text() {
    return field.value === field.defaultValue ? "" : field.value;
  }

  /** @param {string[]} captions that stand there until the user writes others */
  suggest(captions) {
    const own = this.text;
    field.defaultValue = captions.join("\n");
    field.value = own || field.defaultValue;
  }

  /** @param {string} text */
  set text(text) {
    if (text) field.value = text;
  }

  enable() {
    button.disabled = false;
  }

  /** @param {import("./history.js").Step} step that is edited: results of others go, or never come */
  keep({ picture, model }) {
    if (!this.#step || (this.#step.picture.id === picture.id && this.#step.model === model)) return;
    this.#step = null;
    this.#number += 1;
    results.replaceChildren();
  }

  async show() {
    const step = this.current();
    const captions = field.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!step || captions.length === 0) {
      toast("Write at least one sentence, one a line.");
      return;
    }
    if (captions.length > MOST) toast(`The first ${MOST} sentences are shown.`);
    const number = ++this.#number;
    this.#step = step;
    results.replaceChildren();
    try {
      for (const caption of captions.slice(0, MOST)) {
        const result = await this.#result(step, caption);
        if (number !== this.#number) return;
        results.append(element("li", {}, result));
      }
    } catch (error) {
      if (number === this.#number) toast(messageOf(error));
    }
  }

  /** @param {import("./history.js").Step} step @param {string} caption */
  async #result({ picture, strength }, caption) {
    const messages = this.sentence.messagesOf(caption);
    const refusal = messages.find((message) => message.refuses);
    if (refusal) {
      const near = messages.find((message) => message.nearest.length > 0);
      return element("p", { className: "note error" }, `“${caption}”: ${(near ?? refusal).text}`);
    }
    const { pixels, shows } = await this.engine.edit(picture.id, caption, strength);
    if (!shows && strength > 0) {
      return element("p", { className: "note" }, `“${caption}”: ${HARDLY_CHANGED}`);
    }
    const canvas = preview({ ...picture, pixels }, SIDE);
    canvas.setAttribute("aria-hidden", "true");
    const title = `Use the sentence “${caption}”`;
    return element("button", { type: "button", title, onclick: () => this.use(caption) },
      canvas, element("span", {}, caption));
  }
}
