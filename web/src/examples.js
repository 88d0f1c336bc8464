/** The example pictures that lie beside the page. */

import { byId, element } from "./elements.js";

/** @typedef {{name: string, file: string, alt: string, caption: string}} Example */

const list = byId("examples", HTMLElement);

export class Examples {
  /** @type {Example[]} */
  #all = [];

  /** @param {(example: Example) => void} chosen called with the one that the user wants */
  constructor(chosen) {
    this.chosen = chosen;
  }

  /** Learn which examples there are. */
  async list() {
    const answer = await fetch("./examples/examples.json");
    this.#all = answer.ok ? await answer.json() : [];
  }

  /** @param {(caption: string) => boolean} understood whether the model knows all its words */
  usable(understood) {
    return this.#all.filter(({ caption }) => understood(caption));
  }

  /** @param {Example[]} examples @param {string} name of the picture that is edited */
  show(examples, name) {
    byId("or-example", HTMLElement).hidden = examples.length === 0;
    list.replaceChildren(
      ...examples.map((example) => {
        const image = element("img", { src: `./examples/${example.file}`, alt: example.alt });
        const onclick = () => this.chosen(example);
        const button = element("button", { type: "button", onclick }, image);
        button.dataset.name = example.name;
        return element("li", {}, button);
      }),
    );
    this.mark(name);
  }

  /** @param {string} name of the picture that is edited */
  mark(name) {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.name === name));
    }
  }

  /** @param {string} name of a picture */
  has(name) {
    return this.#all.some((example) => example.name === name);
  }

  /** @param {string} text whether it is the sentence of one of them */
  say(text) {
    return this.#all.some(({ caption }) => caption === text);
  }
}

/** @param {Example} example @returns {Promise<Blob>} its file */
export async function fileOf({ name, file }) {
  const answer = await fetch(`./examples/${file}`);
  if (!answer.ok) throw new Error(`The example ${name} cannot be loaded.`);
  return answer.blob();
}
