/** The page's address, which holds the settings as `share.js` writes them. */

import { toast } from "./elements.js";
import { fromHash, toHash } from "./share.js";

/** @typedef {import("./share.js").Settings} Settings */

const PAUSE = 1000; // milliseconds between two changes, of which Safari takes 100 in 30 seconds

export class Address {
  #wanted = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(settings: Settings) => void} followed called when a link is opened in this page */
  constructor(followed) {
    // What the page writes itself is no such event; "#caption" leads to the sentence.
    window.addEventListener("hashchange", () => {
      if (location.hash.includes("=")) followed(fromHash(location.hash));
    });
  }

  /** @param {Settings} settings that the address holds from now on, or soon */
  write(settings) {
    this.#wanted = linkOf(settings);
    if (this.#timer === undefined) this.#put();
  }

  /** @param {Settings} settings of the link that is put into the clipboard */
  async copy(settings) {
    const link = linkOf(settings);
    try {
      await navigator.clipboard.writeText(link);
      toast("The link holds the sentence and the settings, never your picture. It is copied.");
    } catch {
      toast(`Copy this link: ${link}`);
    }
  }

  #put() {
    this.#timer = undefined;
    if (location.href === this.#wanted) return;
    try {
      history.replaceState(null, "", this.#wanted);
    } catch {
      // Too many changes: it is tried again.
    }
    this.#timer = setTimeout(() => this.#put(), PAUSE);
  }
}

/** @param {Settings} settings */
function linkOf(settings) {
  const link = new URL(location.href);
  link.hash = toHash(settings);
  return link.href;
}
