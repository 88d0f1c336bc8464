/** The sentence: unknown words marked as one types, messages, and chips of known words. */

import { checkCaption, wordPlaces } from "./captions.js";
import { byId, element } from "./elements.js";

const field = byId("caption", HTMLTextAreaElement);
const marks = byId("marks", HTMLElement);
const place = byId("messages", HTMLElement);
const chips = byId("chips", HTMLElement);

export class Sentence {
  /** @type {readonly string[]} */
  #words = [];
  #maxWords = 0;
  /** @type {readonly string[]} */
  #deciding = [];
  #forced = "";
  #changed;

  /**
   * @param {() => void} changed called when the caption is another one
   * @param {() => void} closed called when the user is done with it
   */
  constructor(changed, closed) {
    this.#changed = changed;
    field.addEventListener("input", () => {
      // A caption is one line: Enter ends it.
      if (field.value.includes("\n")) field.value = field.value.replace(/\s*\n\s*/g, " ");
      this.check();
      changed();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      closed();
    });
    field.addEventListener("change", closed);
    field.addEventListener("scroll", () => (marks.scrollTop = field.scrollTop));
  }

  /**
   * @param {import("./model.js").Metadata} metadata
   * @param {string[]} words
   * @param {string} example a caption that the model can do, or ""
   */
  know({ max_words: maxWords, deciding_words: deciding = [] }, words, example) {
    field.placeholder = example;
    this.#words = words;
    this.#maxWords = maxWords;
    this.#deciding = deciding;
    this.#makeChips();
    this.check();
  }

  get text() {
    return field.value;
  }

  /** @param {string} text */
  set text(text) {
    field.value = text;
    this.check();
  }

  /** The words that the model reads. */
  get read() {
    return wordPlaces(this.text).slice(0, this.#maxWords);
  }

  /** Whether an edit by this caption makes sense, or was asked for all the same. */
  get ready() {
    const refusal = this.messagesOf(this.text).find((message) => message.refuses);
    return !refusal || (refusal.kind === "undecided" && this.#forced === this.text);
  }

  /** @param {string} caption */
  messagesOf(caption) {
    return checkCaption(caption, this.#words, this.#maxWords, this.#deciding);
  }

  /** Mark and tell what is wrong with the caption. */
  check() {
    if (this.#words.length === 0) return;
    this.#mark();
    const untouched = this.text.trim() === "";
    const messages = untouched ? [] : this.messagesOf(this.text);
    // The words of a spoken list are not repeated where a nearer word is offered.
    place.replaceChildren(...messages.map((message) => this.#note(message)));
    field.setAttribute("aria-invalid", String(messages.some((message) => message.refuses)));
    const used = new Set(wordPlaces(this.text).map((word) => word.text));
    for (const chip of chips.querySelectorAll("button")) {
      chip.classList.toggle("used", used.has(chip.textContent ?? ""));
    }
  }

  #mark() {
    const known = new Set(this.#words);
    const text = this.text;
    let at = 0;
    const parts = [];
    for (const [index, word] of wordPlaces(text).entries()) {
      parts.push(text.slice(at, word.start));
      const shown = text.slice(word.start, word.end);
      const beyond = index >= this.#maxWords;
      const tag = beyond ? "s" : known.has(word.text) ? "span" : "mark";
      parts.push(element(tag, {}, shown));
      at = word.end;
    }
    marks.replaceChildren(...parts, text.slice(at));
  }

  /** @param {import("./captions.js").Message} message */
  #note({ kind, text, words, nearest, refuses }) {
    const note = element("p", { className: refuses ? "note error" : "note" }, text);
    const buttons = nearest.map((candidate) =>
      element("button", { type: "button", onclick: () => this.#replace(words[0], candidate) },
        `Use “${candidate}”`),
    );
    if (kind === "undecided" && refuses && this.#forced !== this.text) {
      const force = () => {
        this.#forced = this.text;
        field.focus(); // this button goes with its message
        this.#changed();
      };
      buttons.push(element("button", { type: "button", onclick: force }, "Edit anyway"));
    }
    if (buttons.length > 0) note.append(element("br"), ...buttons);
    return note;
  }

  /** @param {string} unknown @param {string} known */
  #replace(unknown, known) {
    let text = this.text;
    for (const word of wordPlaces(text).reverse()) {
      if (word.text === unknown) text = text.slice(0, word.start) + known + text.slice(word.end);
    }
    this.text = text;
    field.focus();
    this.#changed();
  }

  #makeChips() {
    const deciding = this.#words.filter((word) => this.#deciding.includes(word));
    const others = this.#words.filter((word) => !deciding.includes(word));
    const group = (/** @type {string} */ title, /** @type {string[]} */ words) => {
      const buttons = words.map((word) =>
        element("li", {}, element("button", { type: "button", onclick: () => this.#add(word) },
          word)),
      );
      const list = element("ul", { className: "chips" }, ...buttons);
      list.setAttribute("aria-label", title);
      const open = matchMedia("(min-width: 821px)").matches; // a phone's screen is short
      return element("details", { open }, element("summary", {}, title), list);
    };
    chips.replaceChildren(
      ...(deciding.length > 0 ? [group("Words for what to change to", deciding)] : []),
      group(deciding.length > 0 ? "Other words it knows" : "Words it knows", others),
    );
  }

  /** @param {string} word put in at the cursor, with blanks around it */
  #add(word) {
    const { selectionStart: start, selectionEnd: end } = field;
    const [left, right] = [this.text.slice(0, start), this.text.slice(end)];
    const open = left === "" || /\s$/.test(left) ? left : `${left} `;
    this.text = `${open}${word}${right === "" || /^[\s,.;]/.test(right) ? "" : " "}${right}`;
    const cursor = open.length + word.length;
    field.setSelectionRange(cursor, cursor);
    this.#changed();
  }
}
