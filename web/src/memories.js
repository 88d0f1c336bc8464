/** Which memories each word reads (Eq. 2), and what a memory paints alone. */

import { byId, element, messageOf, toast } from "./elements.js";
import { draw } from "./pictures.js";

const SHOWN = 6; // memories of a word, at most
const LEAST = 0.005; // of a word's attention that a memory must have to be shown

const part = byId("memory-part", HTMLElement);
const words = byId("words", HTMLElement);
const bars = byId("bars", HTMLElement);
const figure = byId("memory-figure", HTMLElement);

export class Memories {
  /** @type {Float32Array | null} */
  #attention = null;
  #word = 0;
  /** @type {number | null} */
  #slot = null;
  #picture = 0;
  #length = 0;
  /** @type {readonly string[]} */
  #deciding = [];
  #caption = "";

  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.engine = engine;
    words.addEventListener("change", (event) => {
      this.#word = Number(/** @type {HTMLInputElement} */ (event.target).value);
      this.#showBars();
    });
  }

  /** @param {import("./model.js").Metadata} metadata of the model that edits from now on */
  know(metadata) {
    this.#length = metadata.memories?.shape[0] ?? 0;
    this.#deciding = metadata.deciding_words ?? [];
    this.#caption = "";
    this.#hidePicture();
  }

  /**
   * @param {number} picture id of the picture that memories are painted on
   * @param {{text: string}[]} read the words that the model read
   * @param {Float32Array | null} attention [T, n]
   */
  show(picture, read, attention) {
    part.hidden = !attention || this.#length === 0 || read.length === 0;
    if (part.hidden) return;
    this.#attention = attention;
    if (picture !== this.#picture) this.#hidePicture();
    this.#picture = picture;
    const caption = read.map(({ text }) => text).join(" ");
    if (caption !== this.#caption) {
      this.#caption = caption; // begin with a word that says something
      this.#word = Math.max(0, read.findIndex(({ text }) => this.#deciding.includes(text)));
    }
    const legend = words.querySelector("legend");
    words.replaceChildren(
      ...(legend ? [legend] : []),
      ...read.map(({ text }, index) => {
        const input = document.createElement("input");
        Object.assign(input, { type: "radio", name: "word", value: String(index) });
        input.checked = index === this.#word;
        return element("label", {}, input, element("span", {}, text));
      }),
    );
    this.#showBars();
  }

  #showBars() {
    const row = this.#attention?.subarray(
      this.#word * this.#length,
      (this.#word + 1) * this.#length,
    );
    if (!row) return;
    const strongest = Array.from(row, (weight, slot) => ({ weight, slot }))
      .sort((a, b) => b.weight - a.weight)
      .filter(({ weight }, rank) => rank === 0 || (rank < SHOWN && weight >= LEAST));
    bars.replaceChildren(
      ...strongest.map(({ weight, slot }) => {
        const bar = document.createElement("i");
        bar.style.width = `${100 * weight}%`;
        const button = element("button", { type: "button", onclick: () => this.#paint(slot) },
          element("span", {}, `Memory ${slot}`),
          element("span", { className: "track" }, bar),
          element("span", {}, `${(100 * weight).toFixed(1)} %`));
        button.setAttribute("aria-pressed", String(slot === this.#slot));
        button.dataset.slot = String(slot);
        return element("li", {}, button);
      }),
    );
  }

  /** @param {number} slot */
  async #paint(slot) {
    this.#slot = slot;
    for (const button of bars.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.slot === String(slot)));
    }
    try {
      const canvas = byId("memory-picture", HTMLCanvasElement);
      draw(canvas, await this.engine.paintMemory(this.#picture, slot));
      const told = `What memory ${slot} alone paints on this picture`;
      canvas.setAttribute("aria-label", told);
      byId("memory-caption", HTMLElement).textContent = told;
      figure.hidden = false;
    } catch (error) {
      toast(messageOf(error));
    }
  }

  #hidePicture() {
    this.#slot = null;
    figure.hidden = true;
  }
}
